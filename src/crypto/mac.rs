//! Keyed MACs under a record's own key, for what must outlive the root keys: recovery, delivered and device
//! codes.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::secret::Secret;

/// HMAC-SHA-256 over the framed parts, the first of them a label that keeps the uses apart.
pub(crate) fn mac(key: &Secret<32>, label: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = keyed(key);
    for part in std::iter::once(&label.as_bytes()).chain(parts) {
        mac.update(&super::length_prefix(part));
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn keyed(key: &Secret<32>) -> Hmac<Sha256> {
    let mut block = zeroize::Zeroizing::new([0; 64]);
    block.iter_mut().zip(key.expose()).for_each(|(slot, byte)| *slot = *byte);
    // A key shorter than the block is filled with zeros (RFC 2104 section 2).
    <Hmac<Sha256> as KeyInit>::new((&*block).into())
}

/// Whether two byte strings are equal, in a time that depends on their lengths alone.
pub(crate) fn equal(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}
