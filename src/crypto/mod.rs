//! Keys, message authentication and the operation's random stream, over RustCrypto's primitives.

pub mod keys;
pub(crate) mod mac;
pub mod secret;
pub(crate) mod stream;

/// Joins `parts` so that no two lists of parts give the same bytes: each behind its length, 4 bytes big-endian.
pub(crate) fn frame(parts: &[&[u8]]) -> Vec<u8> {
    let size = parts.iter().fold(0_usize, |sum, part| sum.saturating_add(part.len()).saturating_add(4));
    let mut framed = Vec::with_capacity(size);
    for part in parts {
        framed.extend_from_slice(&length_prefix(part));
        framed.extend_from_slice(part);
    }
    framed
}

/// The length of `part`, as [`frame`] writes it. Caps in `limits.rs` keep every part far below 4 GiB.
pub(crate) fn length_prefix(part: &[u8]) -> [u8; 4] {
    u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes()
}
