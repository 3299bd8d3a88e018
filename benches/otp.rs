//! One-time passwords beside liboath (`--features liboath`) and totp-rs:
//! `cargo bench -p mfacore-benches --bench otp --features liboath`.
//!
//! Ours includes the parsing of the typed code. All in one build, totp-rs gets the engine's hash crates,
//! which wipe their state; built alone it is about a tenth faster.

use std::hint::black_box;

use mfacore::otp::{Digits, Match, Seed, Skew, Totp, hotp, parse_otp};
#[cfg(feature = "liboath")]
use mfacore_benches::liboath;
use mfacore_benches::{Comparison, Effort, Measured};

const SECRET: &[u8; 20] = b"12345678901234567890";
const NOW_S: u64 = 1_700_000_000;

/// What the table says beside a ratio: it must reach the first and aims at the second.
struct Target {
    must: f64,
    aim: f64,
}

fn main() {
    let effort = Effort::from_arguments();
    check(effort);
    outcomes(effort);
    generate(effort);
}

fn check(effort: Effort) {
    let seed = Seed::new(SECRET.to_vec()).expect("twenty bytes");
    let totp = Totp::default();
    let skew = Skew::new(1, 1).expect("within bounds");
    let secret = totp_rs::Secret::from(SECRET.to_vec());
    let peer = totp_rs::Builder::new().with_secret(secret).build().expect("the defaults");
    let ours = |typed: &str| {
        let code = parse_otp(typed).expect("six digits");
        totp.check(&seed, &code, black_box(NOW_S * 1000), skew, None)
    };
    let wrong = wrong_code(&seed, &totp);
    assert_eq!(ours(&wrong), Match::Wrong);
    assert_eq!(peer.check(&wrong, NOW_S), None);

    let comparison = Comparison::new();
    #[cfg(feature = "liboath")]
    let comparison = {
        let code = std::ffi::CString::new(wrong.as_str()).expect("no zero within");
        assert!(liboath::check(SECRET, NOW_S, &code) < 0);
        comparison.add("liboath", move || liboath::check(SECRET, black_box(NOW_S), &code))
    };
    let measured = comparison
        .add("totp-rs", || peer.check(black_box(&wrong), black_box(NOW_S)))
        .add("mfacore", || ours(black_box(&wrong)))
        .run(effort);
    title("stateless check, wrong code, three steps, SHA-1");
    row(&measured, "liboath", "mfacore", Target { must: 3.5, aim: 8.0 });
    row(&measured, "totp-rs", "mfacore", Target { must: 1.7, aim: 4.0 });
}

fn outcomes(effort: Effort) {
    let seed = Seed::new(SECRET.to_vec()).expect("twenty bytes");
    let totp = Totp::default();
    let skew = Skew::new(1, 1).expect("within bounds");
    let step = totp.step(NOW_S * 1000);
    let right = totp.generate(&seed, step);
    let wrong = parse_otp(&wrong_code(&seed, &totp)).expect("six digits");
    let check =
        |code, last| totp.check(&seed, black_box(code), black_box(NOW_S * 1000), skew, black_box(last));
    let measured = Comparison::new()
        .add("right", || check(&right, None))
        .add("wrong", || check(&wrong, None))
        .add("replayed", || check(&right, Some(step)))
        .run(effort);
    title("the same check, by outcome (must lie within 0.98 to 1.02)");
    println!("{:>12} {:>9.1} ns", "wrong", measured.ns("wrong"));
    for name in ["right", "replayed"] {
        println!("{name:>12} {:>9.1} ns {:>7.3} x wrong", measured.ns(name), measured.ratio(name, "wrong"));
    }
}

fn generate(effort: Effort) {
    let seed = Seed::new(SECRET.to_vec()).expect("twenty bytes");
    let totp = Totp::default();
    let comparison = Comparison::new();
    #[cfg(feature = "liboath")]
    let comparison = comparison.add("liboath", || liboath::generate(SECRET, black_box(NOW_S)));
    let measured = comparison
        .add("mfacore", || totp.generate(&seed, black_box(NOW_S / 30)).to_text())
        .add("code alone", || totp.generate(&seed, black_box(NOW_S / 30)))
        .run(effort);
    title("generate one code, SHA-1");
    row(&measured, "liboath", "mfacore", Target { must: 2.0, aim: 6.0 });
    println!("{:>12} {:>9.1} ns", "code alone", measured.ns("code alone"));
}

fn wrong_code(seed: &Seed, totp: &Totp) -> String {
    let step = totp.step(NOW_S * 1000);
    let near = |typed: &str| {
        let code = parse_otp(typed).expect("six digits");
        hotp::check(seed, totp.algorithm, Digits::default(), &code, step - 1, 2).is_some()
    };
    ["123456", "234567"].into_iter().find(|typed| !near(typed)).expect("one of them is wrong").to_owned()
}

fn title(text: &str) {
    println!("\n{text}");
}

fn row(measured: &Measured, peer: &str, ours: &str, target: Target) {
    if !measured.names().any(|name| name == peer) {
        println!("{peer:>12}  not compared: enable the feature of that name");
        return;
    }
    let ratio = measured.ratio(peer, ours);
    let verdict = if ratio >= target.aim {
        "aim"
    } else if ratio >= target.must {
        "must"
    } else {
        "MISSED"
    };
    println!(
        "{peer:>12} {:>9.1} ns, {ours} {:.1} ns: {ratio:.2} times faster (must {}, aim {}): {verdict}",
        measured.ns(peer),
        measured.ns(ours),
        target.must,
        target.aim,
    );
}
