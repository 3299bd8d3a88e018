//! One-time passwords against the RFCs' vectors and against the plain `hmac` crate.

use hmac::{Hmac, KeyInit, Mac};
use mfacore::limits::{SEED_BYTES_MAX, SEED_BYTES_MIN};
use mfacore::otp::{Algorithm, Digits, Match, Period, Seed, Skew, Totp, hotp, parse_otp};
use proptest::prelude::*;

const ALGORITHMS: [Algorithm; 3] = [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512];

/// The digits 1 to 9 and 0 again and again, as the RFCs' secrets are.
fn counting_seed(bytes: usize) -> Seed {
    Seed::new(b"1234567890".iter().copied().cycle().take(bytes).collect()).unwrap()
}

fn digits(count: u8) -> Digits {
    Digits::new(count).unwrap()
}

#[test]
fn rfc_4226_appendix_d() {
    let seed = counting_seed(20);
    let codes =
        ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
    for (text, counter) in codes.into_iter().zip(0..) {
        let code = hotp::generate(&seed, Algorithm::Sha1, digits(6), counter);
        assert_eq!(code.to_text().expose(), text);
        let typed = parse_otp(text).unwrap();
        assert_eq!(hotp::check(&seed, Algorithm::Sha1, digits(6), &typed, 0, 9), Some(counter));
    }
}

/// Seeds of 20, 32 and 64 bytes, as erratum 2866 and the RFC's own program have them.
#[test]
fn rfc_6238_appendix_b() {
    let rows = [
        (59, ["94287082", "46119246", "90693936"]),
        (1_111_111_109, ["07081804", "68084774", "25091201"]),
        (1_111_111_111, ["14050471", "67062674", "99943326"]),
        (1_234_567_890, ["89005924", "91819424", "93441116"]),
        (2_000_000_000, ["69279037", "90698825", "38618901"]),
        (20_000_000_000, ["65353130", "77737706", "47863826"]),
    ];
    for (now_s, codes) in rows {
        for ((algorithm, bytes), text) in ALGORITHMS.into_iter().zip([20, 32, 64]).zip(codes) {
            let seed = counting_seed(bytes);
            let totp = Totp { algorithm, digits: digits(8), period: Period::default() };
            let now_ms = now_s * 1000;
            let step = totp.step(now_ms);
            assert_eq!(totp.generate(&seed, step).to_text().expose(), text);
            let none = Skew::new(0, 0).unwrap();
            let typed = parse_otp(text).unwrap();
            assert_eq!(totp.check(&seed, &typed, now_ms, none, None), Match::Accepted { step });
        }
    }
}

/// RFC 4226 section 5.3 as it is written, over whole HMACs.
fn plain(key: &[u8], algorithm: Algorithm, digits: u8, counter: u64) -> String {
    fn tag<M: Mac + KeyInit>(key: &[u8], counter: u64) -> Vec<u8> {
        let mut mac = <M as KeyInit>::new_from_slice(key).unwrap();
        mac.update(&counter.to_be_bytes());
        mac.finalize().into_bytes().to_vec()
    }
    let tag = match algorithm {
        Algorithm::Sha1 => tag::<Hmac<sha1::Sha1>>(key, counter),
        Algorithm::Sha256 => tag::<Hmac<sha2::Sha256>>(key, counter),
        _ => tag::<Hmac<sha2::Sha512>>(key, counter),
    };
    let offset = usize::from(tag[tag.len() - 1] & 0xf);
    let number = u32::from_be_bytes(tag[offset..offset + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:0width$}", number % 10u32.pow(u32::from(digits)), width = usize::from(digits))
}

/// Keys shorter than a block, of one block and longer, for blocks of 64 and of 128 bytes.
#[test]
fn every_seed_length_agrees_with_hmac() {
    for algorithm in ALGORITHMS {
        for bytes in SEED_BYTES_MIN..=SEED_BYTES_MAX {
            let seed = counting_seed(bytes);
            let code = hotp::generate(&seed, algorithm, digits(8), 7);
            assert_eq!(code.to_text().expose(), plain(seed.expose(), algorithm, 8, 7), "{bytes} bytes");
        }
    }
}

proptest! {
    #[test]
    fn codes_agree_with_hmac(
        key in prop::collection::vec(any::<u8>(), SEED_BYTES_MIN..=SEED_BYTES_MAX),
        algorithm in prop::sample::select(ALGORITHMS.to_vec()),
        count in 6u8..=8,
        counter in any::<u64>(),
    ) {
        let seed = Seed::new(key.clone()).unwrap();
        let text = hotp::generate(&seed, algorithm, digits(count), counter).to_text();
        prop_assert_eq!(text.expose(), plain(&key, algorithm, count, counter));
    }

    /// Windows of every length, so that each count of lanes side by side occurs.
    #[test]
    fn windows_agree_with_hmac(
        key in prop::collection::vec(any::<u8>(), SEED_BYTES_MIN..=SEED_BYTES_MAX),
        algorithm in prop::sample::select(ALGORITHMS.to_vec()),
        from in prop_oneof![any::<u64>(), u64::MAX - 20..=u64::MAX, 0..20u64],
        look_ahead in 0u8..20,
        place in 0u64..24,
    ) {
        let seed = Seed::new(key.clone()).unwrap();
        let last = from.saturating_add(u64::from(look_ahead));
        let text = plain(&key, algorithm, 6, from.saturating_add(place));
        let expected = (from..=last).rev().find(|counter| plain(&key, algorithm, 6, *counter) == text);
        let typed = parse_otp(&text).unwrap();
        prop_assert_eq!(hotp::check(&seed, algorithm, digits(6), &typed, from, look_ahead), expected);
    }
}
