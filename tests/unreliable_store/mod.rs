//! A store that fails, and that says of what it did that it did not.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mfacore::store::{Loaded, Memory, New, Store, StoreError, Swapped, Version, Write};

/// Lies about every fourth write and fails every eighth load, as its seed and the number of the call say.
pub struct UnreliableStore {
    inner: Memory,
    seed: u64,
    calls: AtomicU64,
    lies: AtomicBool,
    landed: Mutex<Vec<(Vec<u8>, Option<Version>)>>,
}

impl UnreliableStore {
    /// A good store, until [`Self::begin_to_lie`].
    pub fn new(seed: u64) -> Self {
        println!("the store's seed is {seed}");
        Self {
            inner: Memory::new(),
            seed,
            calls: AtomicU64::new(0),
            lies: AtomicBool::new(false),
            landed: Mutex::new(Vec::new()),
        }
    }

    pub fn begin_to_lie(&self) {
        self.lies.store(true, Ordering::SeqCst);
    }

    pub fn stop_lying(&self) {
        self.lies.store(false, Ordering::SeqCst);
    }

    /// The versions written under a key so far, in their order.
    pub fn landed(&self, key: &[u8]) -> Vec<Option<Version>> {
        let landed = self.landed.lock().unwrap();
        landed.iter().filter(|(written, _)| written == key).map(|(_, version)| *version).collect()
    }

    /// A number below 256 for this call; the highest where the store does not lie. Mixed by SplitMix64.
    fn draw(&self) -> u8 {
        if !self.lies.load(Ordering::SeqCst) {
            return u8::MAX;
        }
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let mut mixed = self.seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).to_be_bytes()[0]
    }
}

impl Store for UnreliableStore {
    fn load(&self, key: &[u8]) -> Result<Option<Loaded>, StoreError> {
        if self.draw() < 32 { Err(StoreError::new("the load failed")) } else { self.inner.load(key) }
    }

    fn swap(&self, key: &[u8], write: Write<'_>) -> Result<Swapped, StoreError> {
        let drawn = self.draw();
        match drawn {
            0..32 => return Err(StoreError::new("the write failed")),
            32..48 => return Ok(Swapped::Conflict),
            _ => {}
        }
        let mut landed = self.landed.lock().unwrap();
        let answer = self.inner.swap(key, write)?;
        if answer == Swapped::Committed {
            let version = match write.new {
                New::Record { version, .. } => Some(version),
                New::Delete => None,
            };
            landed.push((key.to_vec(), version));
        }
        match drawn {
            48..88 => Err(StoreError::new("the write seems to have failed")),
            88..112 => Ok(Swapped::Conflict),
            _ => Ok(answer),
        }
    }

    fn durable(&self) -> bool {
        false
    }
}
