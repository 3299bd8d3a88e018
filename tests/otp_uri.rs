//! `otpauth` URIs: what is written, what is read, what is refused.

use mfacore::limits::{LABEL_BYTES_MAX, URI_BYTES_MAX};
use mfacore::otp::{Algorithm, Digits, Kind, OtpauthUri, Period, Seed, SeedError, UriError};
use proptest::prelude::*;

const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

fn totp() -> Kind {
    Kind::Totp { period: Period::default() }
}

fn seed() -> Seed {
    Seed::from_base32(SECRET).unwrap()
}

fn uri(kind: Kind, issuer: Option<&str>, account: &str) -> Result<OtpauthUri, UriError> {
    let (algorithm, digits) = (Algorithm::default(), Digits::default());
    OtpauthUri::new(kind, issuer.map(str::to_owned), account.to_owned(), seed(), algorithm, digits)
}

/// A URI of account `bob` with `query` after its secret.
fn with(query: &str) -> Result<OtpauthUri, UriError> {
    OtpauthUri::parse(&format!("otpauth://totp/bob?secret={SECRET}{query}"))
}

#[test]
fn the_form_of_the_contract() {
    let written = uri(totp(), Some("Acme Inc"), "alice@example.com").unwrap();
    assert_eq!(
        written.to_text().expose(),
        "otpauth://totp/Acme%20Inc:alice%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
         &issuer=Acme%20Inc&algorithm=SHA1&digits=6&period=30"
    );
    let counted = uri(Kind::Hotp { counter: u64::MAX }, None, "a:b").unwrap();
    assert_eq!(
        counted.to_text().expose(),
        "otpauth://hotp/a%3Ab?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
         &algorithm=SHA1&digits=6&counter=18446744073709551615"
    );
}

#[test]
fn what_others_write_is_read() {
    let plain = with("").unwrap();
    assert_eq!((plain.issuer(), plain.account(), plain.kind()), (None, "bob", totp()));
    assert_eq!((plain.algorithm(), plain.digits()), (Algorithm::Sha1, Digits::default()));
    assert_eq!(plain.seed(), &seed());

    let named = OtpauthUri::parse(&format!(
        "OTPAUTH://TOTP/Acme%3Abob?SECRET={}&Issuer=Acme&DIGITS=8&algorithm=sha256&period=60\
         &image=http%3A%2F%2Fx&&x",
        SECRET.to_lowercase()
    ))
    .unwrap();
    assert_eq!((named.issuer(), named.account()), (Some("Acme"), "bob"));
    assert_eq!((named.algorithm(), named.digits().get()), (Algorithm::Sha256, 8));
    assert_eq!(named.kind(), Kind::Totp { period: Period::new(60).unwrap() });
    assert_eq!(named.seed(), &seed());

    assert_eq!(with("&issuer=A+B%2BC").unwrap().issuer(), Some("A+B+C"));
    assert_eq!(with("&issuer=").unwrap().issuer(), None);
    let label_only = OtpauthUri::parse(&format!("otpauth://totp/Acme:a:b?secret={SECRET}")).unwrap();
    assert_eq!((label_only.issuer(), label_only.account()), (Some("Acme"), "a:b"));
    let padded = OtpauthUri::parse(&format!("otpauth://totp/bob?secret={SECRET}%3D%3D")).unwrap();
    assert_eq!(padded.seed(), &seed());
}

#[test]
fn duplicate_parameters_are_refused() {
    for (query, name) in [
        ("&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "secret"),
        ("&SECRET=AAAA", "secret"),
        ("&s%65cret=AAAA", "secret"),
        ("&issuer=a&issuer=a", "issuer"),
        ("&digits=6&Digits=8", "digits"),
        ("&period=30&period=30", "period"),
        ("&algorithm=SHA1&algorithm=SHA1", "algorithm"),
        ("&counter=1&counter=2", "counter"),
    ] {
        assert_eq!(with(query), Err(UriError::Duplicate(name)), "{query}");
    }
}

#[test]
fn empty_and_short_secrets_are_refused() {
    let parse = |query| OtpauthUri::parse(&format!("otpauth://totp/bob{query}"));
    for query in ["", "?", "?issuer=a", "?secret", "?secret=", "?secret=&issuer=a"] {
        assert_eq!(parse(query), Err(UriError::MissingSecret), "{query}");
    }
    assert_eq!(parse("?secret=GEZDGNBVGY3TQOJQ"), Err(UriError::Secret(SeedError::TooShort)));
    assert_eq!(parse("?secret=%20%20"), Err(UriError::Secret(SeedError::TooShort)));
    assert_eq!(
        parse("?secret=GEZDGNBVGY3TQOJQ+EZDGNBVGY3TQOJQ"),
        Err(UriError::Secret(SeedError::NotBase32))
    );
    assert_eq!(parse(&format!("?secret={}", "A".repeat(208))), Err(UriError::Secret(SeedError::TooLong)));
}

#[test]
fn values_out_of_bounds_are_refused() {
    for (query, error) in [
        ("&digits=5", UriError::Digits),
        ("&digits=9", UriError::Digits),
        ("&digits=", UriError::Digits),
        ("&digits=%2B6", UriError::Digits),
        ("&digits=٦", UriError::Digits),
        ("&digits=262", UriError::Digits),
        ("&period=0", UriError::Period),
        ("&period=14", UriError::Period),
        ("&period=121", UriError::Period),
        ("&period=-30", UriError::Period),
        ("&period=4294967326", UriError::Period),
        ("&period=99999999999999999999999", UriError::Period),
        ("&algorithm=MD5", UriError::Algorithm),
        ("&algorithm=", UriError::Algorithm),
        ("&issuer=%", UriError::BadEncoding),
        ("&issuer=%4", UriError::BadEncoding),
        ("&issuer=%4g", UriError::BadEncoding),
        ("&issuer=%+1", UriError::BadEncoding),
        ("&issuer=%ff", UriError::BadEncoding),
        ("&issuer=%c0%80", UriError::BadEncoding),
        ("&issuer=a#b", UriError::BadEncoding),
    ] {
        assert_eq!(with(query), Err(error), "{query}");
    }
    let counted = |query| OtpauthUri::parse(&format!("otpauth://hotp/bob?secret={SECRET}{query}"));
    assert_eq!(counted("").unwrap_err(), UriError::MissingCounter);
    assert_eq!(counted("&counter=").unwrap_err(), UriError::Counter);
    assert_eq!(counted("&counter=-1").unwrap_err(), UriError::Counter);
    assert_eq!(counted("&counter=18446744073709551616").unwrap_err(), UriError::Counter);
    assert_eq!(counted("&counter=0").unwrap().kind(), Kind::Hotp { counter: 0 });
}

#[test]
fn other_texts_and_labels_are_refused() {
    let secret = format!("?secret={SECRET}&issuer=Acme");
    for (start, error) in [
        ("", UriError::NotOtpauth),
        ("http://totp/bob", UriError::NotOtpauth),
        ("otpauth:totp/bob", UriError::NotOtpauth),
        ("otpauth://motp/bob", UriError::UnknownType),
        ("otpauth:///bob", UriError::UnknownType),
        ("otpauth://totp", UriError::EmptyAccount),
        ("otpauth://totp/", UriError::EmptyAccount),
        ("otpauth://totp/Acme:", UriError::EmptyAccount),
        ("otpauth://totp/Other:bob", UriError::IssuersDiffer),
        ("otpauth://totp/acme:bob", UriError::IssuersDiffer),
        ("otpauth://totp/Acme:b%zzb", UriError::BadEncoding),
    ] {
        assert_eq!(OtpauthUri::parse(&format!("{start}{secret}")), Err(error), "{start}");
    }
}

#[test]
fn long_parts_and_texts_are_refused() {
    let long = "x".repeat(LABEL_BYTES_MAX);
    assert!(uri(totp(), Some(&long), &long).is_ok());
    assert_eq!(uri(totp(), Some(&long), &format!("{long}x")), Err(UriError::LabelTooLong));
    assert_eq!(uri(totp(), Some(&format!("{long}x")), &long), Err(UriError::LabelTooLong));
    assert_eq!(uri(totp(), Some(&" ".repeat(256)), &" ".repeat(256)), Err(UriError::TooLong));
    assert_eq!(uri(totp(), Some(""), "bob"), Err(UriError::EmptyIssuer));
    assert_eq!(uri(totp(), None, ""), Err(UriError::EmptyAccount));
    let start = format!("otpauth://totp/bob?secret={SECRET}&x=");
    assert!(OtpauthUri::parse(&format!("{start}{}", "y".repeat(URI_BYTES_MAX - start.len()))).is_ok());
    let longer = format!("{start}{}", "y".repeat(URI_BYTES_MAX + 1 - start.len()));
    assert_eq!(OtpauthUri::parse(&longer), Err(UriError::TooLong));
}

#[test]
fn debug_and_errors_show_neither_secret_nor_account() {
    let shown = format!("{:?}", uri(totp(), Some("Acme"), "alice@example.com").unwrap());
    assert!(shown.contains("Acme") && !shown.contains("alice") && !shown.contains("GEZD"), "{shown}");
    assert!(!shown.contains("49, 50"), "{shown}");
    let error = OtpauthUri::parse("otpauth://totp/alice?secret=GEZDGNBV").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("GEZD"));
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        (15u32..=120).prop_map(|seconds| Kind::Totp { period: Period::new(seconds).unwrap() }),
        any::<u64>().prop_map(|counter| Kind::Hotp { counter }),
    ]
}

/// Any characters, with those that mean something in a URI often among them.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[:/?#&=%+@ a-z\u{0}\u{e9}\u{1f600}]{1,24}", "[A-Z]{1,3}:[a-z]{1,3}"]
        .prop_filter("an empty text is refused", |text| !text.is_empty() && text.len() <= LABEL_BYTES_MAX)
}

proptest! {
    #[test]
    fn any_issuer_and_account_come_back(
        kind in any_kind(),
        issuer in prop::option::of(any_text()),
        account in any_text(),
        bytes in prop::collection::vec(any::<u8>(), 16..=128),
        algorithm in prop::sample::select(vec![Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512]),
        digits in 6u8..=8,
    ) {
        let (seed, digits) = (Seed::new(bytes).unwrap(), Digits::new(digits).unwrap());
        match OtpauthUri::new(kind, issuer, account, seed, algorithm, digits) {
            Ok(uri) => {
                let text = uri.to_text();
                prop_assert!(text.expose().is_ascii() && !text.expose().contains(['+', ' ']));
                prop_assert_eq!(OtpauthUri::parse(text.expose()), Ok(uri));
            }
            Err(error) => prop_assert_eq!(error, UriError::TooLong),
        }
    }

    /// An account that looks like a label of its own issuer.
    #[test]
    fn an_account_that_starts_with_the_issuer_comes_back(issuer in any_text(), rest in "[:a-z%]{0,5}") {
        let uri = uri(totp(), Some(&issuer), &format!("{issuer}:{rest}"));
        prop_assume!(uri.is_ok());
        let uri = uri.unwrap();
        prop_assert_eq!(OtpauthUri::parse(uri.to_text().expose()), Ok(uri));
    }

    #[test]
    fn any_text_is_answered(
        text in "(otpauth://(totp|hotp)/)?[:/?#&=%+a-z0-9]{0,60}(secret=|counter=)?\\PC{0,60}",
    ) {
        if let Ok(uri) = OtpauthUri::parse(&text) {
            prop_assert_eq!(OtpauthUri::parse(uri.to_text().expose()), Ok(uri));
        }
    }
}
