//! Exports of Google Authenticator: what is read is written, and reads as the same.

use base64ct::{Base64Unpadded, Encoding};
use mfacore::limits::{MIGRATION_ACCOUNTS_MAX, MIGRATION_BYTES_MAX};
use mfacore::otp::{Migration, MigrationError};

/// Text that may be an export, where it starts as one does; else the protobuf message of one.
pub fn run(data: &[u8]) {
    if data.first().is_some_and(|first| first.eq_ignore_ascii_case(&b'o')) {
        if let Ok(text) = str::from_utf8(data) {
            read(text);
        }
    } else {
        read(&format!("otpauth-migration://offline?data={}", Base64Unpadded::encode_string(data)));
    }
}

fn read(text: &str) {
    let Ok(migration) = Migration::parse(text) else { return };
    assert!(text.len() <= MIGRATION_BYTES_MAX);
    assert!((1..=MIGRATION_ACCOUNTS_MAX).contains(&migration.accounts().len()));
    assert!(migration.batch().index < migration.batch().size);
    migration.accounts().iter().for_each(super::otpauth_uri::check);
    let written = migration.to_text();
    let again = Migration::parse(written.expose());
    // What others write may be shorter than what we write of the same: unpadded, or not percent-encoded.
    if written.expose().len() > MIGRATION_BYTES_MAX {
        assert_eq!(again, Err(MigrationError::TooLong));
        return;
    }
    let again = again.expect("what was written is read");
    assert!(again == migration);
    assert_eq!(again.to_text().expose(), written.expose());
    let made = Migration::new(migration.accounts().to_vec(), migration.batch());
    assert!(made.as_ref() == Ok(&migration));
}
