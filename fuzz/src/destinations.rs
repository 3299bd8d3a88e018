//! Phone numbers and e-mail addresses: what is accepted, and what is shown of it.

use mfacore::fuzzing;
use mfacore::limits::{EMAIL_BYTES_MAX, PHONE_DIGITS_MAX, PHONE_DIGITS_MIN};

/// Text, as number and as address.
pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    phone(text);
    email(text);
}

fn phone(text: &str) {
    let parsed = fuzzing::phone(text);
    let digits = text.strip_prefix('+').filter(|digits| !digits.starts_with('0'));
    let valid = digits.is_some_and(|digits| {
        (PHONE_DIGITS_MIN..=PHONE_DIGITS_MAX).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
    });
    assert_eq!(parsed.is_some(), valid);
    let Some(phone) = parsed else { return };
    assert_eq!(phone.exposed, text);
    let shown = text.len() - 4;
    assert_eq!(phone.masked, format!("{}{}", "X".repeat(shown), &text[shown..]));
    assert!((1..=3).contains(&phone.normal.len()), "a country calling code");
    assert!(text[1..].starts_with(&phone.normal));
}

fn email(text: &str) {
    let Some(email) = fuzzing::email(text) else { return };
    assert_eq!(email.exposed, text);
    assert!(text.len() <= EMAIL_BYTES_MAX);
    let unfit = |c: char| c.is_control() || c.is_whitespace() || "<>,;:\"\\()[]".contains(c);
    assert!(!text.contains(unfit), "{text:?}");
    let (local, domain) = text.rsplit_once('@').expect("an at sign");
    assert!(!local.is_empty() && !local.contains('@'), "{text:?}");
    // The top-level domain is no number, so that no address of a machine passes for a name (RFC 3696 section 2).
    let labels: Vec<&str> = domain.split('.').collect();
    assert!(labels.len() >= 2, "{text:?}");
    for label in &labels {
        assert!((1..=63).contains(&label.len()), "{text:?}");
        assert!(label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{text:?}");
        assert!(!label.starts_with('-') && !label.ends_with('-'), "{text:?}");
    }
    assert!(!labels[labels.len() - 1].bytes().all(|b| b.is_ascii_digit()), "{text:?}");
    assert_eq!(email.masked, format!("{}@{}", masked(local), masked(domain)));
    assert_eq!(email.normal, text.to_ascii_lowercase());
    assert_eq!(fuzzing::email(&email.normal).map(|again| again.normal), Some(email.normal));
}

/// The contract's section 1: the first four characters stay, a part of four or fewer is masked whole.
fn masked(half: &str) -> String {
    let count = half.chars().count();
    let shown: String = if count > 4 { half.chars().take(4).collect() } else { String::new() };
    let stars = count - shown.chars().count();
    shown + &"*".repeat(stars)
}
