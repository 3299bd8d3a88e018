//! HMAC (RFC 2104) of one-time-password counters: the key's two pads are hashed once, then each counter costs
//! two compressions, several counters side by side.

use sha1::Digest;
use zeroize::optimization_barrier;

use super::hotp::{Algorithm, truncate};
use super::seed::Seed;

/// Calls `visit` with each counter of `first..=last` and its 31-bit number of RFC 4226 section 5.3.
///
/// `LANES` counters are computed side by side: their compressions do not wait for each other, so that the
/// processor overlaps them.
pub(super) fn for_each_number<const LANES: usize>(
    seed: &Seed,
    algorithm: Algorithm,
    first: u64,
    last: u64,
    visit: impl FnMut(u64, u32),
) {
    let key = seed.expose();
    match algorithm {
        Algorithm::Sha1 => Pads::<Sha1>::of(key).for_each_number::<LANES>(first, last, visit),
        Algorithm::Sha256 => Pads::<Sha256>::of(key).for_each_number::<LANES>(first, last, visit),
        Algorithm::Sha512 => Pads::<Sha512>::of(key).for_each_number::<LANES>(first, last, visit),
    }
}

/// The hash function's states after the inner and the outer pad.
struct Pads<H: Compression> {
    inner: H::State,
    outer: H::State,
}

impl<H: Compression> Pads<H> {
    fn of(key: &[u8]) -> Self {
        let mut pads = Self { inner: H::INITIAL, outer: H::INITIAL };
        let mut block = H::EMPTY;
        if key.len() > block.as_ref().len() {
            H::put_hash(key, &mut block);
        } else {
            put(&mut block, key);
        }
        block.as_mut().iter_mut().for_each(|byte| *byte ^= 0x36);
        H::compress(&mut pads.inner, &block);
        block.as_mut().iter_mut().for_each(|byte| *byte ^= 0x36 ^ 0x5c);
        H::compress(&mut pads.outer, &block);
        wipe(&mut block, H::EMPTY);
        pads
    }

    fn for_each_number<const LANES: usize>(&self, first: u64, last: u64, mut visit: impl FnMut(u64, u32)) {
        let mut lanes = [Lane::<H>::EMPTY; LANES];
        for start in (first..=last).step_by(LANES) {
            let more = usize::try_from(last.saturating_sub(start)).unwrap_or(LANES);
            let lanes = lanes.split_at_mut(more.saturating_add(1).min(LANES)).0;
            self.tags(start, lanes);
            for (lane, counter) in lanes.iter().zip(start..=last) {
                let (head, end) = H::ends(&lane.state);
                visit(counter, truncate(head, end));
            }
        }
        wipe(&mut lanes, [Lane::EMPTY; LANES]);
    }

    /// Leaves the tags of the counters from `first` on in the states of `lanes`.
    fn tags(&self, first: u64, lanes: &mut [Lane<H>]) {
        for (lane, place) in lanes.iter_mut().zip(0..) {
            lane.state = self.inner;
            lane.block = H::COUNTER;
            put(&mut lane.block, &first.wrapping_add(place).to_be_bytes());
        }
        for lane in lanes.iter_mut() {
            H::compress(&mut lane.state, &lane.block);
        }
        for lane in lanes.iter_mut() {
            lane.block = H::DIGEST;
            H::put_digest(&lane.state, &mut lane.block);
            lane.state = self.outer;
        }
        for lane in lanes.iter_mut() {
            H::compress(&mut lane.state, &lane.block);
        }
    }
}

impl<H: Compression> Drop for Pads<H> {
    fn drop(&mut self) {
        wipe(&mut self.inner, H::INITIAL);
        wipe(&mut self.outer, H::INITIAL);
    }
}

/// The computation for one counter.
#[derive(Clone, Copy)]
struct Lane<H: Compression> {
    state: H::State,
    block: H::Block,
}

impl<H: Compression> Lane<H> {
    const EMPTY: Self = Self { state: H::INITIAL, block: H::EMPTY };
}

/// Overwrites whole words at a time, where `Zeroize` for arrays would write byte by byte.
fn wipe<T: Copy>(place: &mut T, blank: T) {
    *place = blank;
    optimization_barrier(place);
}

fn put<B: AsMut<[u8]>>(block: &mut B, bytes: &[u8]) {
    for (place, byte) in block.as_mut().iter_mut().zip(bytes) {
        *place = *byte;
    }
}

/// The last block of a message: `message_bytes` of room, then the padding of FIPS 180-4 section 5.1 for
/// `total_bits` in all.
const fn padded<const N: usize>(message_bytes: usize, total_bits: u16) -> [u8; N] {
    let mut block = [0; N];
    if let Some((_, [marker, .., high, low])) = block.split_at_mut_checked(message_bytes) {
        *marker = 0x80;
        [*high, *low] = total_bits.to_be_bytes();
    }
    block
}

/// A hash function's compression and what an HMAC over an eight-byte counter needs of it.
trait Compression: Copy {
    type State: Copy;
    type Block: Copy + AsRef<[u8]> + AsMut<[u8]>;

    /// FIPS 180-4 section 5.3.
    const INITIAL: Self::State;
    const EMPTY: Self::Block;
    /// The inner message after its pad: a counter to be put in.
    const COUNTER: Self::Block;
    /// The outer message after its pad: an inner digest to be put in.
    const DIGEST: Self::Block;

    fn compress(state: &mut Self::State, block: &Self::Block);
    /// Puts the digest of a key that is longer than a block.
    fn put_hash(key: &[u8], block: &mut Self::Block);
    /// Puts the digest that a state is.
    fn put_digest(state: &Self::State, block: &mut Self::Block);
    /// Of the digest, the first 20 bytes and the last word.
    fn ends(state: &Self::State) -> ([u32; 5], u32);
}

#[derive(Clone, Copy)]
struct Sha1;
#[derive(Clone, Copy)]
struct Sha256;
#[derive(Clone, Copy)]
struct Sha512;

impl Compression for Sha1 {
    type State = [u32; 5];
    type Block = [u8; 64];

    const INITIAL: Self::State = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    const EMPTY: Self::Block = [0; 64];
    const COUNTER: Self::Block = padded(8, (64 + 8) * 8);
    const DIGEST: Self::Block = padded(20, (64 + 20) * 8);

    fn compress(state: &mut Self::State, block: &Self::Block) {
        sha1::block_api::compress(state, std::slice::from_ref(block));
    }

    fn put_hash(key: &[u8], block: &mut Self::Block) {
        let mut digest = sha1::Sha1::digest(key);
        put(block, &digest);
        digest.fill(0);
        optimization_barrier(&digest);
    }

    fn put_digest(state: &Self::State, block: &mut Self::Block) {
        // With the padding's first words, so that no later load of a whole vector waits for a part of it.
        let [a, b, c, d, e] = *state;
        for (place, word) in block.as_chunks_mut().0.iter_mut().zip([a, b, c, d, e, 0x8000_0000, 0, 0]) {
            *place = word.to_be_bytes();
        }
    }

    fn ends(state: &Self::State) -> ([u32; 5], u32) {
        let [.., last] = *state;
        (*state, last)
    }
}

impl Compression for Sha256 {
    type State = [u32; 8];
    type Block = [u8; 64];

    const INITIAL: Self::State = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];
    const EMPTY: Self::Block = [0; 64];
    const COUNTER: Self::Block = padded(8, (64 + 8) * 8);
    const DIGEST: Self::Block = padded(32, (64 + 32) * 8);

    fn compress(state: &mut Self::State, block: &Self::Block) {
        sha2::block_api::compress256(state, std::slice::from_ref(block));
    }

    fn put_hash(key: &[u8], block: &mut Self::Block) {
        let mut digest = sha2::Sha256::digest(key);
        put(block, &digest);
        digest.fill(0);
        optimization_barrier(&digest);
    }

    fn put_digest(state: &Self::State, block: &mut Self::Block) {
        for (place, word) in block.as_chunks_mut().0.iter_mut().zip(state) {
            *place = word.to_be_bytes();
        }
    }

    fn ends(state: &Self::State) -> ([u32; 5], u32) {
        let [a, b, c, d, e, .., last] = *state;
        ([a, b, c, d, e], last)
    }
}

impl Compression for Sha512 {
    type State = [u64; 8];
    type Block = [u8; 128];

    const INITIAL: Self::State = [
        0x6a09_e667_f3bc_c908,
        0xbb67_ae85_84ca_a73b,
        0x3c6e_f372_fe94_f82b,
        0xa54f_f53a_5f1d_36f1,
        0x510e_527f_ade6_82d1,
        0x9b05_688c_2b3e_6c1f,
        0x1f83_d9ab_fb41_bd6b,
        0x5be0_cd19_137e_2179,
    ];
    const EMPTY: Self::Block = [0; 128];
    const COUNTER: Self::Block = padded(8, (128 + 8) * 8);
    const DIGEST: Self::Block = padded(64, (128 + 64) * 8);

    fn compress(state: &mut Self::State, block: &Self::Block) {
        sha2::block_api::compress512(state, std::slice::from_ref(block));
    }

    fn put_hash(key: &[u8], block: &mut Self::Block) {
        let mut digest = sha2::Sha512::digest(key);
        put(block, &digest);
        digest.fill(0);
        optimization_barrier(&digest);
    }

    fn put_digest(state: &Self::State, block: &mut Self::Block) {
        for (place, word) in block.as_chunks_mut().0.iter_mut().zip(state) {
            *place = word.to_be_bytes();
        }
    }

    fn ends(state: &Self::State) -> ([u32; 5], u32) {
        let [a, b, c, .., last] = state.map(halves);
        ([a.0, a.1, b.0, b.1, c.0], last.1)
    }
}

/// The high and the low half.
fn halves(word: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = word.to_be_bytes();
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
}
