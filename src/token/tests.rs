use proptest::prelude::*;

use super::*;
use crate::crypto::stream::Stream;

const NOW: u64 = crate::limits::NOW_MS_MIN;

fn keys() -> KeyRing {
    KeyRing::new(1, std::array::from_fn(|index| u8::try_from(index).unwrap())).unwrap()
}

/// An arbitrary token that lives at [`NOW`], drawn from a number.
fn token(number: u64) -> Token {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    let mut stream = Stream::new(&seed, b"token", None, &[0; 32]);
    let mut drawn = || stream.bytes::<16>().unwrap();
    let text = |bytes: [u8; 16]| "é".repeat(usize::from(bytes[0]) / 4);
    let some = |bytes: [u8; 16]| (bytes[1] < 128).then_some(bytes);
    let methods = [Method::Otp, Method::RecoveryCode];
    Token {
        storage_key: drawn().to_vec(),
        id: drawn(),
        chain: drawn(),
        client: some(drawn()).map(text),
        issued_ms: NOW,
        expires_ms: NOW + 1 + u64::from(drawn()[0]),
        incarnation: drawn(),
        epoch: u64::from_be_bytes(*drawn().first_chunk().unwrap()),
        proofs: methods[..usize::from(drawn()[0] % 3)]
            .iter()
            .map(|method| Proof { suffix: drawn(), method: *method })
            .collect(),
        weak_until_ms: some(drawn()).map(|bytes| u64::from(bytes[0])),
        grant: match drawn()[0] % 5 {
            0 => Grant::Access(Scopes(drawn()[0])),
            1 => Grant::Oob,
            2 => Grant::Ticket,
            3 => Grant::Push(PushGrant { transaction: some(drawn()).map(text), reserved: drawn()[0] < 128 }),
            _ => Grant::Mfa(MfaGrant {
                asked: some(drawn()).map(|bytes| Scopes(bytes[0])),
                may_enroll: drawn()[0] < 128,
                transaction: some(drawn()).map(text),
                purpose: if drawn()[0] < 128 { Purpose::LogIn } else { Purpose::StepUp },
                reserved: drawn()[0] < 128,
                trust_browser: drawn()[0] < 128,
            }),
        },
        ahead_ms: u64::from(drawn()[0]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn any_token_round_trips(number: u64) {
        let token = token(number);
        let text = token.seal(&keys(), [9; 12]).unwrap();
        prop_assert!(Token::open(&keys(), text.expose(), NOW).ok().unwrap() == token);
    }

    #[test]
    fn any_flipped_bit_is_refused(number: u64, bit: usize) {
        let text = token(number).seal(&keys(), [9; 12]).unwrap();
        let mut sealed = Base64UrlUnpadded::decode_vec(text.expose()).unwrap();
        let bit = bit % (sealed.len() * 8);
        sealed[bit / 8] ^= 1 << (bit % 8);
        let edited = Base64UrlUnpadded::encode_string(&sealed);
        prop_assert!(Token::open(&keys(), &edited, NOW).err() == Some(TokenError::Malformed));
    }
}

/// A token has one spelling: spare bits of its last letter are not ignored either.
#[test]
fn any_other_letter_is_refused() {
    let text = token(1).seal(&keys(), [9; 12]).unwrap();
    for at in 0..text.expose().len() {
        for letter in ["A", "B", "-", "+", "=", " ", "é"] {
            let mut edited = text.expose().to_owned();
            edited.replace_range(at..=at, letter);
            if edited != text.expose() {
                assert!(Token::open(&keys(), &edited, NOW).is_err(), "{letter} at {at}");
            }
        }
    }
}

#[test]
fn an_unknown_grant_or_method_is_refused() {
    let mut whole = token(1);
    whole.grant = Grant::Access(Scopes::READ);
    whole.proofs = vec![Proof { suffix: [7; 16], method: Method::Otp }];
    let mut other = whole.clone();
    other.grant = Grant::Mfa(MfaGrant::default());
    let bytes = |token: &Token| minicbor::to_vec(token).unwrap();
    let (one, two) = (bytes(&whole), bytes(&other));
    let grant = one.iter().zip(&two).position(|(one, two)| one != two).unwrap();
    other = whole.clone();
    other.proofs[0].method = Method::RecoveryCode;
    let method = one.iter().zip(&bytes(&other)).position(|(one, two)| one != two).unwrap();
    for (at, known) in [(grant, 5), (method, 6)] {
        for unknown in known..24 {
            let mut edited = one.clone();
            edited[at] = unknown;
            let sealed = keys().seal(KeyPurpose::Token, FORMAT, [9; 12], &[b"token"], &edited).unwrap();
            let text = Base64UrlUnpadded::encode_string(&sealed);
            assert!(Token::open(&keys(), &text, NOW).err() == Some(TokenError::Malformed), "{unknown}");
        }
    }
}

#[test]
fn a_token_has_one_spelling() {
    let keys = KeyRing::new(1, std::array::from_fn(|index| u8::try_from(index).unwrap())).unwrap();
    let token = Token {
        storage_key: b"u0:bob".to_vec(),
        id: [1; 16],
        chain: [1; 16],
        client: None,
        issued_ms: 1,
        expires_ms: 2,
        ahead_ms: 0,
        incarnation: [2; 16],
        epoch: 0,
        proofs: Vec::new(),
        weak_until_ms: None,
        grant: Grant::Access(Scopes::ALL),
    };
    let text = token.seal(&keys, [3; 12]).unwrap();
    let text = text.expose();
    assert!(Token::open(&keys, text, 1).is_ok());
    assert!(!text.len().is_multiple_of(4), "the last letter has bits to spare");
    let last = text.chars().next_back().unwrap();
    let letters = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']);
    for other in letters.filter(|letter| *letter != last) {
        let other = format!("{}{other}", &text[..text.len() - 1]);
        assert!(matches!(Token::open(&keys, &other, 1), Err(TokenError::Malformed)), "{other}");
    }
    for other in [format!("{text}="), format!("{text}\n"), format!(" {text}"), text.replace(['-', '_'], "/")]
    {
        let same = other == text;
        assert!(same || matches!(Token::open(&keys, &other, 1), Err(TokenError::Malformed)), "{other}");
    }
}

#[test]
fn scopes_round_trip_as_text() {
    assert_eq!(Scopes::ALL.to_string(), "enroll read:authenticators remove:authenticators");
    assert_eq!("remove:authenticators enroll".parse(), Ok(Scopes::ENROLL.with(Scopes::REMOVE)));
    assert_eq!("admin".parse::<Scopes>(), Err(UnknownScope));
    assert_eq!(Scopes::ALL.without(Scopes::REMOVE).to_string(), "enroll read:authenticators");
}
