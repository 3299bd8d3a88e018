//! Stored forms: what decodes is encoded in one way, and decodes as the same.

use mfacore::Error;
use mfacore::fuzzing::{
    Encoded, encode_limiter_again, encode_package_again, encode_record_again, encode_token_again,
};

type Again = fn(&[u8]) -> Option<Result<Encoded, Error>>;

/// The forms that a first byte chooses from.
pub const FORMS: [Again; 4] =
    [encode_record_again, encode_limiter_again, encode_package_again, encode_token_again];

/// A byte that names the form, and a plaintext.
pub fn run(data: &[u8]) {
    let Some((form, plaintext)) = data.split_first() else { return };
    let again = FORMS[usize::from(*form) % FORMS.len()];
    let Some(encoded) = again(plaintext) else { return };
    let encoded = encoded.expect("what was decoded is encoded");
    assert!(encoded.is_same);
    assert_eq!(encoded.foretold, encoded.bytes.len());
    let twice = again(&encoded.bytes).expect("what was encoded is decoded").unwrap();
    assert_eq!(twice.bytes, encoded.bytes, "one form has one encoding");
    // Nothing may be hidden behind what was read.
    let mut longer = encoded.bytes;
    longer.push(0);
    assert!(usize::from(*form) % FORMS.len() == 3 || again(&longer).is_none());
}
