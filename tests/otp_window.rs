//! Which steps and counters a code is accepted for, and how often.

use mfacore::limits::{LOOK_AHEAD_MAX, SKEW_STEPS_MAX};
use mfacore::otp::{Algorithm, Code, Digits, Match, Period, Seed, Skew, Totp, hotp, parse_otp};
use proptest::prelude::*;

/// Steps `TWINS` and `TWINS + 1` of [`seed`] have the same six digits.
const TWINS: u64 = 1_300_575;

fn seed() -> Seed {
    Seed::new(b"12345678901234567890".to_vec()).unwrap()
}

fn skew(back: u8, forward: u8) -> Skew {
    Skew::new(back, forward).unwrap()
}

/// The first millisecond of a step of 30 seconds.
fn start_ms(step: u64) -> u64 {
    step * 30_000
}

fn code(step: u64) -> Code {
    Totp::default().generate(&seed(), step)
}

/// Keycloak CVE-2024-7318.
#[test]
fn a_codes_validity_ends_to_the_second() {
    let (totp, seed) = (Totp::default(), seed());
    let step = 50_000_000;
    let at = |now_ms, skew| totp.check(&seed, &code(step), now_ms, skew, None);
    let accepted = Match::Accepted { step };
    assert_eq!(at(start_ms(step) - 1, skew(1, 0)), Match::Wrong);
    assert_eq!(at(start_ms(step), skew(1, 0)), accepted);
    assert_eq!(at(start_ms(step + 2) - 1, skew(1, 0)), accepted);
    assert_eq!(at(start_ms(step + 2), skew(1, 0)), Match::Wrong);
    assert_eq!(at(start_ms(step - 1), skew(0, 1)), accepted);
    assert_eq!(at(start_ms(step - 1) - 1, skew(0, 1)), Match::Wrong);
}

#[test]
fn no_code_at_or_below_the_last_step() {
    let (totp, seed) = (Totp::default(), seed());
    let step = 50_000_000;
    let after = |last| totp.check(&seed, &code(step), start_ms(step), skew(1, 1), last);
    assert_eq!(after(None), Match::Accepted { step });
    assert_eq!(after(Some(step - 1)), Match::Accepted { step });
    assert_eq!(after(Some(step)), Match::Replayed);
    assert_eq!(after(Some(step + 1)), Match::Replayed);
    assert_eq!(after(Some(u64::MAX)), Match::Replayed);
}

/// A code that belongs to a spent step is told from one that belongs to none.
#[test]
fn replayed_is_not_wrong() {
    let (totp, seed) = (Totp::default(), seed());
    let step = 50_000_000;
    let other = code(step + 1000);
    assert_eq!(totp.check(&seed, &other, start_ms(step), skew(1, 1), Some(step)), Match::Wrong);
    assert_eq!(Match::Replayed.step(), None);
    assert_eq!(Match::Accepted { step }.step(), Some(step));
}

#[test]
fn two_steps_with_one_number_spend_both() {
    let (totp, seed) = (Totp::default(), seed());
    let code = code(TWINS);
    assert_eq!(code, self::code(TWINS + 1));
    for now in [TWINS, TWINS + 1] {
        let check = |last| totp.check(&seed, &code, start_ms(now), skew(1, 1), last);
        assert_eq!(check(None), Match::Accepted { step: TWINS + 1 });
        assert_eq!(check(Some(TWINS)), Match::Accepted { step: TWINS + 1 });
        assert_eq!(check(Some(TWINS + 1)), Match::Replayed);
    }
}

#[test]
fn a_counters_code_counts_for_the_highest() {
    let (algorithm, digits) = (Algorithm::Sha1, Digits::default());
    let check = |from| hotp::check(&seed(), algorithm, digits, &code(TWINS), from, 5);
    assert_eq!(check(TWINS - 2), Some(TWINS + 1));
    assert_eq!(check(TWINS), Some(TWINS + 1));
    assert_eq!(check(TWINS + 2), None);
}

#[test]
fn a_code_of_another_length_is_wrong() {
    let (totp, seed) = (Totp::default(), seed());
    let step = 50_000_000;
    let longer = parse_otp(&format!("0{}", code(step).to_text().expose())).unwrap();
    assert_eq!(totp.check(&seed, &longer, start_ms(step), skew(1, 1), None), Match::Wrong);
}

#[test]
fn bounds_are_checked_and_read_back() {
    assert!(Skew::new(SKEW_STEPS_MAX + 1, 0).is_err() && Skew::new(0, SKEW_STEPS_MAX + 1).is_err());
    assert!([0, 14, 121, u32::MAX].into_iter().all(|seconds| Period::new(seconds).is_err()));
    assert!([0, 5, 9, u8::MAX].into_iter().all(|count| Digits::new(count).is_err()));
    let totp = Totp {
        algorithm: Algorithm::Sha512,
        digits: Digits::new(8).unwrap(),
        period: Period::new(60).unwrap(),
    };
    let json = serde_json::to_string(&totp).unwrap();
    assert_eq!(json, r#"{"algorithm":"SHA512","digits":8,"period":60}"#);
    assert_eq!(serde_json::from_str::<Totp>(&json).unwrap(), totp);
    assert!(serde_json::from_str::<Totp>(&json.replace("60", "0")).is_err());
    assert!(serde_json::from_str::<Totp>(&json.replace(":8", ":9")).is_err());
    assert!(serde_json::from_str::<Skew>(r#"{"back":11,"forward":0}"#).is_err());
    let bytes = minicbor::to_vec(totp).unwrap();
    assert_eq!(bytes, [0x83, 2, 8, 0x18, 60]);
    assert_eq!(bytes.len(), minicbor::len(totp));
    assert_eq!(minicbor::decode::<Totp>(&bytes).unwrap(), totp);
    assert!(minicbor::decode::<Totp>(&[0x83, 2, 9, 0x18, 60]).is_err());
    assert!(minicbor::decode::<Totp>(&[0x83, 2, 8, 0]).is_err());
    assert!(minicbor::decode::<Totp>(&[0x83, 3, 8, 0x18, 60]).is_err());
    assert_eq!(Totp::default().period.seconds(), 30);
    assert_eq!(Skew::default(), skew(1, 0));
}

fn instants() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 0..400_000u64, u64::MAX - 400_000..=u64::MAX]
}

proptest! {
    /// totp-rs advisories: a right answer for whatever time, period and skew.
    #[test]
    fn any_time_period_and_skew_is_answered(
        now_ms in instants(),
        last in prop::option::of(any::<u64>()),
        seconds in 15u32..=120,
        back in 0..=SKEW_STEPS_MAX,
        forward in 0..=SKEW_STEPS_MAX,
        offset in -12i64..=12,
    ) {
        let totp = Totp { period: Period::new(seconds).unwrap(), ..Totp::default() };
        let current = now_ms / 1000 / u64::from(seconds);
        prop_assert_eq!(totp.step(now_ms), current);
        let step = current.saturating_add_signed(offset);
        let code = totp.generate(&seed(), step);
        let first = current.saturating_sub(u64::from(back));
        let end = current.saturating_add(u64::from(forward));
        let highest = (first..=end).rev().find(|step| totp.generate(&seed(), *step) == code);
        let expected = match highest {
            None => Match::Wrong,
            Some(step) if last.is_some_and(|last| step <= last) => Match::Replayed,
            Some(step) => Match::Accepted { step },
        };
        prop_assert_eq!(totp.check(&seed(), &code, now_ms, skew(back, forward), last), expected);
    }

    #[test]
    fn any_counter_and_look_ahead_is_answered(
        from in prop_oneof![any::<u64>(), u64::MAX - 300..=u64::MAX],
        look_ahead in prop_oneof![Just(u8::MAX), 0..=LOOK_AHEAD_MAX],
    ) {
        let (algorithm, digits) = (Algorithm::Sha1, Digits::default());
        let last = from.saturating_add(u64::from(look_ahead));
        let code = hotp::generate(&seed(), algorithm, digits, last);
        prop_assert_eq!(hotp::check(&seed(), algorithm, digits, &code, from, look_ahead), Some(last));
    }
}
