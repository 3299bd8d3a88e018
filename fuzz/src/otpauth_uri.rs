//! `otpauth` URIs: what is read is written, and reads as the same.

use mfacore::limits::{LABEL_BYTES_MAX, URI_BYTES_MAX};
use mfacore::otp::OtpauthUri;

/// Text that may be a URI.
pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(uri) = OtpauthUri::parse(text) {
        assert!(text.len() <= URI_BYTES_MAX);
        check(&uri);
    }
}

/// What holds of every URI that was read.
pub(super) fn check(uri: &OtpauthUri) {
    assert!((1..=LABEL_BYTES_MAX).contains(&uri.account().len()));
    assert!(uri.issuer().is_none_or(|issuer| (1..=LABEL_BYTES_MAX).contains(&issuer.len())));
    let text = uri.to_text();
    let text = text.expose();
    assert!(text.len() <= URI_BYTES_MAX);
    assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:/?&=%".contains(&b)), "{text}");
    let again = OtpauthUri::parse(text).expect("what was written is read");
    assert!(again == *uri, "{text}");
    assert_eq!(again.to_text().expose(), text);
    assert_eq!(format!("{uri:?}"), format!("{again:?}"));
}
