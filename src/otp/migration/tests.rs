//! Exports: what is read, what is refused, what is written.

use super::*;

/// A length-delimited field, written by hand so that the reader is not tested by its own writer.
fn bytes(number: u8, value: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, u8::try_from(value.len()).unwrap()], value].concat()
}

fn int(number: u8, value: u8) -> Vec<u8> {
    vec![number << 3, value]
}

/// -1 as protobuf writes it.
fn minus_one(number: u8) -> Vec<u8> {
    [&[number << 3][..], &[0xff; 9], &[1]].concat()
}

fn text(message: &[u8]) -> String {
    let data = base64ct::Base64::encode_string(message);
    format!("otpauth-migration://offline?data={}", utf8_percent_encode(&data, NON_ALPHANUMERIC))
}

/// One account, of a valid secret and `name`, with `rest` behind it.
fn one(name: &str, rest: &[Vec<u8>]) -> Vec<u8> {
    bytes(1, &[bytes(1, &[0xfb; 20]), bytes(2, name.as_bytes()), rest.concat()].concat())
}

fn parse_one(name: &str, rest: &[Vec<u8>]) -> Result<OtpauthUri, MigrationError> {
    Migration::parse(&text(&one(name, rest))).map(|migration| migration.accounts[0].clone())
}

fn account_error(name: &str, rest: &[Vec<u8>]) -> AccountError {
    match parse_one(name, rest).unwrap_err() {
        MigrationError::Account { number: 1, error } => error,
        other => panic!("{other}"),
    }
}

fn uri(kind: Kind, issuer: Option<&str>, account: &str, digits: u8) -> OtpauthUri {
    let (seed, digits) = (Seed::new(vec![7; 32]).unwrap(), Digits::new(digits).unwrap());
    OtpauthUri::new(kind, issuer.map(str::to_owned), account.to_owned(), seed, Algorithm::Sha256, digits)
        .unwrap()
}

fn totp(account: &str) -> OtpauthUri {
    uri(Kind::Totp { period: Period::default() }, None, account, 6)
}

#[test]
fn reads_what_the_app_writes() {
    let alice = one("Acme:alice", &[bytes(3, b"Acme"), int(4, 1), int(5, 1), int(6, 2)]);
    let bob = one("bob", &[int(4, 3), int(5, 2), int(6, 1), int(7, 9)]);
    let batch = [int(2, 1), int(3, 3), int(4, 2), minus_one(5)].concat();
    let read = Migration::parse(&text(&[alice, bob, batch].concat())).unwrap();
    assert_eq!(read.batch(), Batch { size: 3, index: 2, id: -1 });
    let [alice, bob] = read.accounts() else { panic!("two accounts") };
    assert_eq!((alice.issuer(), alice.account()), (Some("Acme"), "alice"));
    assert_eq!(alice.kind(), Kind::Totp { period: Period::default() });
    assert_eq!((alice.algorithm(), alice.digits().get()), (Algorithm::Sha1, 6));
    assert_eq!(alice.seed().expose(), [0xfb; 20]);
    assert_eq!((bob.issuer(), bob.account()), (None, "bob"));
    assert_eq!(bob.kind(), Kind::Hotp { counter: 9 });
    assert_eq!((bob.algorithm(), bob.digits().get()), (Algorithm::Sha512, 8));
}

#[test]
fn what_is_unspecified_has_its_default_and_what_is_unknown_is_ignored() {
    let read = parse_one("bob", &[int(4, 0), bytes(15, b"later")]).unwrap();
    assert_eq!(read.kind(), Kind::Totp { period: Period::default() });
    assert_eq!((read.algorithm(), read.digits().get()), (Algorithm::Sha1, 6));
    assert_eq!(Migration::parse(&text(&one("bob", &[]))).unwrap().batch(), Batch::default());
}

#[test]
fn only_the_issuer_is_stripped_from_a_name() {
    for (name, issuer, account) in [
        ("Acme:bob", "Acme", "bob"),
        ("bob", "Acme", "bob"),
        ("Other:bob", "Acme", "Other:bob"),
        ("Acmebob", "Acme", "Acmebob"),
        ("Acme:Acme:bob", "Acme", "Acme:bob"),
        ("Acme:bob", "", "Acme:bob"),
    ] {
        let read = parse_one(name, &[bytes(3, issuer.as_bytes())]).unwrap();
        assert_eq!((read.issuer().unwrap_or_default(), read.account()), (issuer, account), "{name}");
    }
}

#[test]
fn spellings_of_the_uri() {
    let good = text(&one("bob", &[]));
    let data = good.split_once('=').unwrap().1;
    assert!(data.contains("%2B") && data.ends_with("%3D"), "the data has something to encode");
    let bare = data.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
    for same in [
        format!("OTPAUTH-MIGRATION://offline/?x=1&data={data}"),
        format!("otpauth-migration://offline?data={bare}"),
        format!("otpauth-migration://offline?data={}", bare.trim_end_matches('=')),
    ] {
        assert_eq!(Migration::parse(&same), Migration::parse(&good), "{same}");
    }
    for (bad, error) in [
        ("", MigrationError::NotMigration),
        ("otpauth://totp/bob?secret=A", MigrationError::NotMigration),
        ("otpauth-migration://online?data=AA", MigrationError::NotMigration),
        ("otpauth-migration://offline", MigrationError::MissingData),
        ("otpauth-migration://offline?data=", MigrationError::MissingData),
        ("otpauth-migration://offline?data=AA&data=AA", MigrationError::DuplicateData),
        ("otpauth-migration://offline?data=AA#", MigrationError::BadEncoding),
        ("otpauth-migration://offline?data=A%2", MigrationError::BadEncoding),
        ("otpauth-migration://offline?data=A A", MigrationError::BadEncoding),
        ("otpauth-migration://offline?data=-_", MigrationError::BadEncoding),
        ("otpauth-migration://offline?data=AB", MigrationError::BadEncoding),
        ("otpauth-migration://offline?data====", MigrationError::NoAccounts),
    ] {
        assert_eq!(Migration::parse(bad), Err(error), "{bad}");
    }
    assert_eq!(Migration::parse(&format!("{good}&x=1#top")), Err(MigrationError::BadEncoding));
    let long = format!("{good}&x={}", "x".repeat(MIGRATION_BYTES_MAX));
    assert_eq!(Migration::parse(&long), Err(MigrationError::TooLong));
}

#[test]
fn a_damaged_message_is_refused_wherever_it_is_cut() {
    let whole = one("bob", &[]);
    for length in 1..whole.len() {
        assert_eq!(Migration::parse(&text(&whole[..length])), Err(MigrationError::BadMessage), "{length}");
    }
    let wrong_type = int(1, 1);
    let not_utf8 = bytes(1, &bytes(2, b"\xff"));
    for bad in [wrong_type, not_utf8, vec![0xff; 11]] {
        assert_eq!(Migration::parse(&text(&bad)), Err(MigrationError::BadMessage));
    }
}

#[test]
fn an_account_that_cannot_be_taken_over_is_named_by_its_number() {
    assert_eq!(account_error("bob", &[int(4, 4)]), AccountError::Algorithm);
    assert_eq!(account_error("bob", &[minus_one(4)]), AccountError::Algorithm);
    assert_eq!(account_error("bob", &[int(5, 3)]), AccountError::Digits);
    assert_eq!(account_error("bob", &[int(6, 3)]), AccountError::Type);
    assert_eq!(account_error("bob", &[int(6, 1), minus_one(7)]), AccountError::Counter);
    assert_eq!(account_error("", &[]), AccountError::Label(UriError::EmptyAccount));
    let only_issuer = account_error("Acme:", &[bytes(3, b"Acme")]);
    assert_eq!(only_issuer, AccountError::Label(UriError::EmptyAccount));
    let short = bytes(1, &[bytes(1, b"Hello!\xde\xad\xbe\xef"), bytes(2, b"bob")].concat());
    let refused = Migration::parse(&text(&[one("bob", &[]), short].concat())).unwrap_err();
    let error = AccountError::Secret(SeedError::TooShort);
    assert_eq!(refused, MigrationError::Account { number: 2, error });
    assert_eq!(refused.to_string(), format!("account 2 of the export: {error}"));
}

#[test]
fn batches_and_numbers_of_accounts_have_bounds() {
    for batch in [vec![int(3, 1), int(4, 1)], vec![minus_one(3)], vec![int(3, 2), minus_one(4)]] {
        let message = [one("bob", &[]), batch.concat()].concat();
        assert_eq!(Migration::parse(&text(&message)), Err(MigrationError::Batch));
    }
    let zero = Batch { size: 0, ..Batch::default() };
    let huge = Batch { size: u32::MAX, ..Batch::default() };
    for batch in [zero, huge] {
        assert_eq!(Migration::new(vec![totp("bob")], batch), Err(MigrationError::Batch));
    }
    assert_eq!(Migration::new(Vec::new(), Batch::default()), Err(MigrationError::NoAccounts));
    let many = |count| Migration::new(vec![totp("bob"); count], Batch::default());
    assert_eq!(many(MIGRATION_ACCOUNTS_MAX).unwrap().accounts().len(), MIGRATION_ACCOUNTS_MAX);
    assert_eq!(many(MIGRATION_ACCOUNTS_MAX + 1), Err(MigrationError::TooManyAccounts));
    let message = bytes(1, &[]).repeat(MIGRATION_ACCOUNTS_MAX + 1);
    assert_eq!(Migration::parse(&text(&message)), Err(MigrationError::TooManyAccounts));
    let long = vec![totp(&"x".repeat(250)); 60];
    assert_eq!(Migration::new(long, Batch::default()), Err(MigrationError::TooLong));
}

#[test]
fn what_is_written_reads_back() {
    let accounts = vec![
        uri(Kind::Hotp { counter: u64::from(u32::MAX) << 31 }, Some("Acme Inc"), "Acme Inc:é@b", 8),
        totp("a:b"),
    ];
    let batch = Batch { size: 2, index: 1, id: i32::MIN };
    let written = Migration::new(accounts, batch).unwrap();
    assert_eq!(Migration::parse(written.to_text().expose()).unwrap(), written);
    assert!(written.to_text().expose().len() <= MIGRATION_BYTES_MAX);
}

#[test]
fn what_the_format_cannot_express_is_not_written() {
    let minute = Kind::Totp { period: Period::new(60).unwrap() };
    for (account, error) in [
        (uri(minute, None, "bob", 6), AccountError::Period),
        (uri(Kind::Hotp { counter: 1 << 63 }, None, "bob", 6), AccountError::Counter),
        (uri(Kind::Hotp { counter: 0 }, None, "bob", 7), AccountError::Digits),
    ] {
        let refused = Migration::new(vec![totp("bob"), account], Batch::default());
        assert_eq!(refused, Err(MigrationError::Account { number: 2, error }));
    }
}

#[test]
fn debug_shows_neither_secret_nor_account() {
    let shown = format!("{:?}", Migration::new(vec![totp("bob")], Batch::default()).unwrap());
    assert!(!shown.contains("bob") && !shown.contains('7'), "{shown}");
}
