//! `Policy::odds` against its documented arithmetic, the engine itself, and chance.

mod support;

use mfacore::commands::{Import, ImportedOtp};
use mfacore::otp::{Seed, Skew};
use mfacore::policy::CodeBudgets;
use mfacore::{Budget, Caller, Odds, Policy, SecretString};
use support::{DAY_MS, Phone, World};

const PROFILES: [&str; 4] = ["recommended", "auth0", "asvs_l2", "nist_800_63b"];

fn one_in(odds: f64) -> f64 {
    (1.0 / odds).floor()
}

/// Guesses at one authenticator that give these odds, each right with 2 in a million.
fn attempts(odds: f64) -> f64 {
    f64::ln_1p(-odds) / f64::ln_1p(-2e-6)
}

#[test]
fn the_figures_are_those_of_the_design() {
    let figures = |name: &str| {
        let Odds { day, year, day_with_device, year_with_device } = Policy::profile(name).unwrap().odds(1);
        [day, year, day_with_device, year_with_device].map(one_in)
    };
    assert_eq!(figures("recommended"), [9_615.0, 641.0, 6_897.0, 509.0]);
    assert_eq!(figures("asvs_l2"), figures("recommended"), "one step, but two counters of an imported token");
    assert_eq!(figures("nist_800_63b"), [9_615.0, 641.0, 9_615.0, 641.0], "no browser is trusted");
    assert_eq!(figures("auth0")[..2], [2_000.0, 6.0]);
}

#[test]
fn every_profile_but_auth0_keeps_the_bounds_and_auth0_declares_its_odds() {
    for name in PROFILES {
        let policy = Policy::profile(name).unwrap();
        let odds = policy.odds(5);
        assert_eq!(odds.are_within_bounds(), name != "auth0", "{name}");
        assert_eq!(policy.declare_odds, name == "auth0");
        assert!(
            name == "auth0"
                || (odds.day_with_device <= 1.0 / 5_000.0 && odds.year_with_device <= 1.0 / 500.0)
        );
        assert!(Policy { declare_odds: false, ..policy }.validate().is_ok() == (name != "auth0"));
    }
}

/// How many authenticators a guess is tested on cancels out: it is right k times as often, and costs k.
#[test]
fn the_number_of_authenticators_cancels_out() {
    let policy = Policy::recommended();
    for k in 2..=5 {
        assert_eq!(policy.odds(k), policy.odds(1));
    }
    assert_eq!(one_in(policy.odds(1).day), 9_615.0);
    assert_eq!(policy.odds(0).year_with_device, 0.0);
}

/// A user with `k` authenticators, all imported.
fn victim(policy: Policy, k: u8) -> (World, Vec<Phone>) {
    let world = World::with_policy(policy);
    let seeds: Vec<Seed> = (0..k).map(|byte| Seed::new(vec![byte + 1; 20]).unwrap()).collect();
    let uri = |seed: &Seed| format!("otpauth://totp/a?secret={}", seed.to_base32().expose()).into();
    let otp = seeds.iter().map(|seed| ImportedOtp { uri: uri(seed), name: None }).collect();
    world.run(Import { otp, ..Import::default() }, Caller::host("ann")).unwrap();
    let phones = seeds.into_iter().map(|seed| Phone { seed, recovery_codes: Vec::new() });
    (world, phones.collect())
}

/// A code that no authenticator accepts now.
fn wrong(world: &World, phones: &[Phone]) -> SecretString {
    let accepted = |phone: &Phone| [0, 30_000].map(|ago_ms| phone.code(world.now_ms() - ago_ms));
    let accepted: Vec<SecretString> = phones.iter().flat_map(accepted).collect();
    let mut codes = (0..).map(|number| SecretString::from(format!("{number:06}")));
    codes.find(|code| !accepted.contains(code)).unwrap()
}

/// Codes that an attacker with the password has looked at within so many days, who guesses whenever the
/// budgets let: without pause, and again as soon as `retry_after` has passed.
fn guesses_within(policy: Policy, k: u8, days: u64) -> u64 {
    let (world, phones) = victim(policy, k);
    let end_ms = world.now_ms() + days * DAY_MS;
    let (mut token, mut looked_at) = (SecretString::default(), 0);
    while world.now_ms() <= end_ms {
        let answer = world.verify(&token, &wrong(&world, &phones));
        match (answer.status, answer.refusal().2.as_str()) {
            (403, "Invalid otp_code.") => looked_at += 1,
            (403, "mfa_token is expired" | "Malformed mfa_token") => {
                token = world.host("require", "ann").secret("mfa_token");
                if token.expose().is_empty() {
                    // Disabled: there is nothing to pass any more.
                    break;
                }
            }
            (403, "no_usable_authenticator") => break,
            (429, _) => world.pass_ms(answer.json()["retry_after"].as_u64().unwrap() * 1_000),
            _ => panic!("{answer:?}"),
        }
    }
    looked_at
}

/// What the smaller of the two budgets gives, by the arithmetic.
fn given(policy: &Policy, days: u64) -> u64 {
    let CodeBudgets { codes, codes_slow, .. } = policy.budgets;
    let given = |budget: Budget| u64::from(budget.burst) + days * DAY_MS / budget.refill_ms;
    let given = codes_slow.map_or(u64::MAX, given).min(given(codes));
    // The hundredth failure in a row ends it.
    given.min(policy.disable_after.map_or(u64::MAX, u64::from))
}

#[test]
fn thirty_days_of_an_optimal_attacker_give_no_more_guesses_than_the_arithmetic() {
    for (name, thirty_days) in
        [("recommended", 110), ("auth0", 7_210), ("asvs_l2", 110), ("nist_800_63b", 100)]
    {
        let policy = Policy::profile(name).unwrap();
        assert_eq!(given(&policy, 30), thirty_days, "{name}");
        assert_eq!(guesses_within(policy, 1, 30), thirty_days, "{name}");
    }
}

#[test]
fn the_first_day_gives_as_many_guesses_as_the_odds_are_made_of() {
    for name in PROFILES {
        let policy = Policy::profile(name).unwrap();
        let counted = guesses_within(policy.clone(), 1, 1);
        let of_odds = attempts(policy.odds(1).day).round();
        assert_eq!(format!("{of_odds}"), counted.to_string(), "{name}");
    }
}

#[test]
fn an_attacker_of_many_authenticators_has_as_many_fewer_guesses() {
    for (k, thirty_days) in [(2, 55), (3, 36), (5, 22)] {
        assert_eq!(guesses_within(Policy::recommended(), k, 30), thirty_days, "{k} authenticators");
    }
}

/// Numbers that are as good as random, and the same for the same seed (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// How often, of so many attackers, one of the guesses that the budgets give hits a code of the `steps` that
/// each of `k` authenticators accepts, if there were `codes` codes only.
fn share_of_hits(chance: &mut Chance, trials: u32, attempts: u64, k: u64, steps: u64, codes: u64) -> f64 {
    let hits = (0..trials)
        .filter(|_| {
            (0..attempts / k).any(|_| {
                let guess = chance.below(codes);
                (0..k * steps).fold(false, |hit, _| (chance.below(codes) == guess) | hit)
            })
        })
        .count();
    f64::from(u32::try_from(hits).unwrap()) / f64::from(trials)
}

/// Six digits are scaled down to 2,000 codes, so that what is rare can be counted.
#[test]
fn chance_agrees_with_the_odds() {
    let (seed, trials, codes) = (0x6d66_6163_6f72_6521_u64, 4_000, 2_000);
    println!("seed {seed:#x}");
    let mut chance = Chance(seed);
    let policy = Policy::recommended();
    for odds in [policy.odds(1).day, policy.odds(1).year] {
        let attempts = attempts(odds).round();
        let expected = -f64::exp_m1(attempts * f64::ln_1p(-2.0 / 2_000.0));
        for k in [1, 2, 5] {
            let counted = (0_u64..).find(|count| format!("{count}") == format!("{attempts}")).unwrap();
            let found = share_of_hits(&mut chance, trials, counted, k, 2, codes);
            let deviation = (expected * (1.0 - expected) / f64::from(trials)).sqrt();
            // Two steps with one code, and guesses that do not divide by k, cost less than one deviation.
            assert!((found - expected).abs() < 5.0 * deviation, "{k}: {found}, not {expected}");
        }
    }
}

/// A wider window, and each digit more, count as they should.
#[test]
fn odds_follow_the_window_and_the_budgets() {
    let policy = Policy::recommended();
    let wide = Policy { skew: Skew::new(2, 1).unwrap(), ..policy.clone() };
    assert!((wide.odds(1).day / policy.odds(1).day - 2.0).abs() < 1e-3, "four steps in place of two");
    let counters = Policy { look_ahead: 9, ..policy.clone() };
    assert!(
        (counters.odds(1).day / policy.odds(1).day - 5.0).abs() < 1e-2,
        "ten counters in place of two steps"
    );
    let budgets = CodeBudgets { codes_slow: Some(Budget::new(100, DAY_MS / 4)), ..policy.budgets };
    let twice = Policy { budgets, ..policy.clone() };
    assert!((twice.odds(1).day / policy.odds(1).day - 2.0).abs() < 1e-3);
    for over in [wide, counters, twice] {
        assert!(over.validate().is_err());
        assert!(Policy { declare_odds: true, ..over }.validate().is_ok());
    }
}
