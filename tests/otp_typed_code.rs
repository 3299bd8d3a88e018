//! What people may type for a code, and what they may not.

use mfacore::limits::TYPED_CODE_BYTES_MAX;
use mfacore::otp::{CodeError, normalize_recovery, parse_otp};
use proptest::prelude::*;

#[test]
fn spaces_and_dashes_are_stripped_once() {
    for typed in ["123456", "123 456", " 1-2-3-4-5-6 ", "123\u{2d}456", "- 123456 -"] {
        assert_eq!(parse_otp(typed).unwrap().to_text().expose(), "123456", "{typed}");
    }
    assert_eq!(parse_otp(&format!("{}1234567", " ".repeat(121))).unwrap().digits().get(), 7);
}

/// pyotp and Python's `int()`.
#[test]
fn no_other_digit_sign_or_space_passes() {
    for typed in [
        "１２３４５６",
        "١٢٣٤٥٦",
        "12345²",
        "+123456",
        "−123456",
        "123_456",
        "123456\n",
        "\t123456",
        "123\u{a0}456",
        "123\u{2009}456",
        "123–456",
        "123.456",
        "0x1234",
        "12345a",
        "ABCDEF",
        "1e5678",
        "123456\0",
        "\u{feff}123456",
        "12345\u{200b}6",
        "𝟏𝟐𝟑𝟒𝟓𝟔",
    ] {
        assert_eq!(parse_otp(typed), Err(CodeError::NotADigit), "{typed}");
    }
}

#[test]
fn other_counts_of_digits_are_refused() {
    for typed in ["", " ", "-", "12345", "123456789", "00000000000000000000000", &"9".repeat(128)] {
        assert_eq!(parse_otp(typed), Err(CodeError::DigitCount), "{typed}");
    }
    let long = " ".repeat(TYPED_CODE_BYTES_MAX - 5) + "123456";
    assert_eq!(parse_otp(&long), Err(CodeError::TooLong));
    assert_eq!(normalize_recovery(&long), Err(CodeError::TooLong));
}

#[test]
fn recovery_codes_have_one_form() {
    assert_eq!(normalize_recovery(" abcd-EFGH 0123 ").unwrap().expose(), "ABCDEFGH0123");
    assert_eq!(normalize_recovery(&"z".repeat(64)).unwrap().expose(), "Z".repeat(64));
    assert_eq!(normalize_recovery(&"z".repeat(65)), Err(CodeError::RecoveryLength));
    assert_eq!(normalize_recovery(" - "), Err(CodeError::RecoveryLength));
    for typed in ["abcdé", "ab_cd", "ab\tcd", "ab\u{a0}cd", "ſtraße", "１２３４", "ab;cd", "ab\0"] {
        assert_eq!(normalize_recovery(typed), Err(CodeError::NotALetterOrDigit), "{typed}");
    }
}

proptest! {
    #[test]
    fn exactly_the_ascii_codes_pass(typed in ".{0,140}") {
        let rest: String = typed.chars().filter(|c| *c != ' ' && *c != '-').collect();
        let digits = rest.bytes().all(|byte| byte.is_ascii_digit()) && (6..=8).contains(&rest.len());
        let parsed = parse_otp(&typed);
        prop_assert_eq!(parsed.is_ok(), digits && typed.len() <= TYPED_CODE_BYTES_MAX);
        if let Ok(code) = parsed {
            let text = code.to_text();
            prop_assert_eq!(text.expose(), rest);
        }
    }

    #[test]
    fn codes_come_back(typed in "[0-9 -]{0,20}") {
        let rest = typed.replace([' ', '-'], "");
        match parse_otp(&typed) {
            Ok(code) => {
                let text = code.to_text();
                prop_assert_eq!(text.expose(), rest);
            }
            Err(error) => {
                prop_assert_eq!(error, CodeError::DigitCount);
                prop_assert!(!(6..=8).contains(&rest.len()));
            }
        }
    }

    #[test]
    fn a_recovery_codes_form_is_its_own(typed in "[a-zA-Z0-9 -]{0,80}") {
        if let Ok(form) = normalize_recovery(&typed) {
            prop_assert_eq!(&normalize_recovery(form.expose()).unwrap(), &form);
        }
    }
}
