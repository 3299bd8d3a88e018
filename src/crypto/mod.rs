//! Keys, message authentication, the operation's random stream, device signatures and sealing to a recipient,
//! over RustCrypto's and dalek's primitives.

pub mod device_key;
pub mod keys;
pub(crate) mod mac;
pub(crate) mod recipient;
pub mod secret;
pub(crate) mod stream;

use base64ct::{Base64UrlUnpadded, Encoding};

/// Joins `parts` so that no two lists of parts give the same bytes: each behind its length, 4 bytes
/// big-endian.
pub(crate) fn frame(parts: &[&[u8]]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(framed_len(parts));
    frame_into(&mut framed, parts);
    framed
}

/// Appends what [`frame`] makes of `parts`.
pub(crate) fn frame_into(framed: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        framed.extend_from_slice(&length_prefix(part));
        framed.extend_from_slice(part);
    }
}

/// The length of what [`frame`] makes of `parts`.
pub(crate) fn framed_len(parts: &[&[u8]]) -> usize {
    parts.iter().fold(0, |sum, part| sum.saturating_add(part.len()).saturating_add(4))
}

/// The length of `part`, as [`frame`] writes it. Caps in `limits.rs` keep every part far below 4 GiB.
pub(crate) fn length_prefix(part: &[u8]) -> [u8; 4] {
    u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes()
}

/// Exactly 32 bytes in base64url without padding, as keys are written.
pub(crate) fn bytes_of_text(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let length = Base64UrlUnpadded::decode(text, &mut bytes).ok()?.len();
    (length == bytes.len()).then_some(bytes)
}
