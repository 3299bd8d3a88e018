//! Phone numbers, e-mail addresses and channels: what is taken, what is refused, what is shown.

use super::*;

fn phone(text: &str) -> PhoneNumber {
    PhoneNumber::parse(text).unwrap()
}

fn email(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap_or_else(|_| panic!("{text}"))
}

#[test]
fn a_phone_number_has_one_spelling() {
    for good in ["+12345678", "+123456789012345", "+447700900123"] {
        assert_eq!(phone(good).expose(), good);
    }
    for bad in [
        "",
        "+",
        "12345678",
        "+1234567",
        "+1234567890123456",
        "+02345678",
        "++2345678",
        "+1 2345678",
        "+1-2345678",
        "+12345678 ",
        " +12345678",
        "+12345678\n",
        "+1234567x",
        "+１２３４５６７８",
        "+١٢٣٤٥٦٧٨",
        "+12345678;ext=1",
        "＋12345678",
    ] {
        assert_eq!(PhoneNumber::parse(bad), Err(PhoneNumberError), "{bad:?}");
    }
}

#[test]
fn a_masked_phone_number_shows_its_last_four_digits() {
    assert_eq!(phone("+123456789167").masked(), "XXXXXXXXX9167");
    assert_eq!(phone("+12345678").masked(), "XXXXX5678");
}

#[test]
fn country_codes_have_one_to_three_digits() {
    for (number, prefix) in [
        ("+12025550123", "1"),
        ("+79161234567", "7"),
        ("+201001234567", "20"),
        ("+447700900123", "44"),
        ("+989121234567", "98"),
        ("+211955123456", "211"),
        ("+288123456789", "288"),
        ("+353861234567", "353"),
        ("+420601123456", "420"),
        ("+830123456789", "830"),
        ("+881612345678", "881"),
        ("+971501234567", "971"),
    ] {
        assert_eq!(phone(number).country_prefix(), prefix, "{number}");
    }
}

#[test]
fn a_prefix_is_digits_from_the_start() {
    let number = phone("+447700900123");
    assert!(["4", "44", "+44", "4477", "447700900123"].iter().all(|p| number.starts_with_prefix(p)));
    assert!(!["", "+", "45", "++44", "77", "4477009001234"].iter().any(|p| number.starts_with_prefix(p)));
}

#[test]
fn an_address_can_stand_in_a_header() {
    for good in [
        "jane@example.com",
        "Jane.Doe+tag@mail.example.co.uk",
        "o'neil@xn--bcher-kva.example",
        "jürgen@example.com",
        "a@1.example",
    ] {
        assert_eq!(email(good).expose(), good);
    }
    let long = |domain: [usize; 3]| {
        format!("{}@{}", "a".repeat(64), domain.map(|length| "x".repeat(length)).join("."))
    };
    let longest = long([62, 62, 63]);
    assert_eq!(email(&longest).expose().len(), EMAIL_BYTES_MAX);
    for bad in [
        "",
        "@",
        "jane",
        "jane@",
        "@example.com",
        "jane@localhost",
        "jane@example.com.",
        "jane@.example.com",
        "jane@exa_mple.com",
        "jane@-example.com",
        "jane@127.0.0.1",
        "jane@[127.0.0.1]",
        "jane@büch.example",
        "jane@ｅxample.com",
        "jane@exam\u{ad}ple.com",
        ".jane@example.com",
        "ja..ne@example.com",
        "jane@doe@example.com",
        "jane doe@example.com",
        "\"jane\"@example.com",
        "\"jane doe\"@example.com",
        "Jane <jane@example.com>",
        "<jane@example.com>",
        "jane@example.com,eve@example.com",
        "jane@example.com;eve@example.com",
        "jane(x)@example.com",
        "ja\\ne@example.com",
        "ja:ne@example.com",
        "jane@example.com\r\nBcc: eve@example.com",
        "jane\n@example.com",
        "jane\0@example.com",
        "jane\u{85}@example.com",
        "jane\u{9b}@example.com",
        "jane\u{2028}@example.com",
        "jane\u{a0}@example.com",
        "jane\u{200b}@example.com",
        "jane\u{202e}@example.com",
        " jane@example.com",
        "jane@example.com ",
        &format!("{}@example.com", "x".repeat(65)),
        &long([63, 62, 63]),
    ] {
        assert_eq!(EmailAddress::parse(bad), Err(EmailAddressError), "{bad:?}");
    }
}

#[test]
fn a_masked_address_shows_four_characters_of_what_has_more() {
    for (address, masked) in [
        ("jane@example.com", "****@exam*******"),
        ("a@b.co", "*@****"),
        ("jane.doe@mail.example.com", "jane****@mail************"),
        ("üüüü@example.com", "****@exam*******"),
        ("üüüüx@example.com", "üüüü*@exam*******"),
    ] {
        assert_eq!(email(address).masked(), masked, "{address}");
    }
}

#[test]
fn addresses_are_compared_without_case() {
    let (one, other) = (email("Jane@Example.COM"), email("jane@example.com"));
    assert_eq!(one, other);
    assert_eq!((one.expose(), one.normal().expose()), ("Jane@Example.COM", "jane@example.com"));
    assert_ne!(email("Ä@example.com"), email("ä@example.com"));
    assert_ne!(one, email("jane@example.org"));
}

#[test]
fn cbor_is_text_and_what_is_invalid_does_not_decode() {
    let (number, address) = (phone("+447700900123"), email("Jane@example.com"));
    let (first, second) = (minicbor::to_vec(&number).unwrap(), minicbor::to_vec(&address).unwrap());
    assert_eq!((first.len(), second.len()), (minicbor::len(&number), minicbor::len(&address)));
    assert_eq!(first, minicbor::to_vec("+447700900123").unwrap());
    assert_eq!(minicbor::decode::<PhoneNumber>(&first).unwrap(), number);
    assert_eq!(minicbor::decode::<EmailAddress>(&second).unwrap().expose(), "Jane@example.com");
    assert!(minicbor::decode::<PhoneNumber>(&second).is_err());
    assert!(minicbor::decode::<EmailAddress>(&first).is_err());
    assert!(minicbor::decode::<EmailAddress>(&minicbor::to_vec("a@b.co\n").unwrap()).is_err());
}

#[test]
fn channels_have_the_names_and_numbers_of_the_contract() {
    let all = [Channel::Sms, Channel::Voice, Channel::Email, Channel::Push];
    for ((number, channel), name) in (0..).zip(all).zip(["sms", "voice", "email", "auth0"]) {
        assert_eq!((channel.name(), Channel::parse(name)), (name, Some(channel)));
        assert_eq!(serde_json::to_value(channel).unwrap(), name);
        assert_eq!(serde_json::from_value::<Channel>(name.into()).unwrap(), channel);
        assert_eq!(minicbor::to_vec(channel).unwrap(), [number]);
        assert_eq!(minicbor::decode::<Channel>(&[number]).unwrap(), channel);
    }
    assert!(["", "SMS", "push", "sms ", "phone"].iter().all(|name| Channel::parse(name).is_none()));
    assert!(minicbor::decode::<Channel>(&[4]).is_err());
}

#[test]
fn neither_debug_nor_an_error_shows_a_character() {
    assert_eq!(format!("{:?}", phone("+447700900123")), "PhoneNumber(..)");
    assert_eq!(format!("{:?}", email("jane@example.com")), "EmailAddress(..)");
    assert!(!EmailAddress::parse("eve@evil").unwrap_err().to_string().contains("ev"));
    assert!(!PhoneNumber::parse("+99").unwrap_err().to_string().contains('9'));
}
