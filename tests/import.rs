//! `Import`: takes over what a user has in another system, all of it or nothing.

mod support;

use mfacore::otp::{Algorithm, Digits, Period, Seed, Totp, hotp};
use mfacore::{Caller, EventKind, Outcome, Policy};
use serde_json::{Value, json};
use support::by_name::Answer;
use support::{World, bearer};

/// `12345678901234567890` in base32.
const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const URI: &str = "otpauth://totp/ann?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

fn import(world: &World, body: Value) -> Answer {
    world.call("import", &body.to_string(), Caller::host("ann"))
}

fn seed() -> Seed {
    Seed::from_base32(SECRET).unwrap()
}

/// A URI with the `index`th of some secrets.
fn uri(index: usize) -> String {
    let letter = char::from(b"ABCDEFGH"[index]);
    format!("otpauth://totp/ann?secret={}", String::from(letter).repeat(32))
}

fn counter_code(counter: u64) -> String {
    let code = hotp::generate(&seed(), Algorithm::Sha1, Digits::new(6).unwrap(), counter);
    code.to_text().expose().to_owned()
}

fn verify(world: &World, code: &str) -> u16 {
    world.verify(&world.require("ann"), &code.into()).status
}

#[track_caller]
fn is_refused(world: &World, body: Value, part: &str) {
    let stored = world.stored("ann");
    let answer = import(world, body);
    let (status, error, description) = answer.refusal();
    assert!([400, 403].contains(&status) && !error.is_empty() && description.contains(part), "{answer:?}");
    assert_eq!(answer.events, [], "nothing happened");
    assert!(world.stored("ann") == stored);
}

#[test]
fn an_imported_secret_is_active_at_once_and_establishes_the_user() {
    let world = World::new();
    let answer = import(&world, json!({"otp": [{"uri": URI, "name": "old phone"}]}));
    let id = world.ids("ann")[0].clone();
    assert_eq!(
        (answer.outcome, answer.events),
        (Outcome::Done, vec![EventKind::EnrollmentConfirmed { authenticator: id }])
    );
    let described = world.host("describe", "ann").json();
    assert_eq!(described["authenticators"][0]["name"], "old phone");
    assert_eq!(described["established_at"], "2026-01-01T00:00:00Z");
    let code = Totp::default().generate(&seed(), Totp::default().step(world.now_ms())).to_text();
    assert_eq!(verify(&world, code.expose()), 200);
}

#[test]
fn every_parameter_of_the_uri_is_honoured() {
    for (algorithm, digits, period) in
        [(Algorithm::Sha1, 8, 60), (Algorithm::Sha256, 6, 30), (Algorithm::Sha512, 7, 15)]
    {
        let world = World::new();
        let totp =
            Totp { algorithm, digits: Digits::new(digits).unwrap(), period: Period::new(period).unwrap() };
        let uri = format!("{URI}&algorithm={}&digits={digits}&period={period}", algorithm.name());
        assert_eq!(import(&world, json!({"otp": [{"uri": uri}]})).status, 200);
        let at = |ms_ago: u64| totp.generate(&seed(), totp.step(world.now_ms() - ms_ago)).to_text();
        assert_eq!(verify(&world, at(2_000 * u64::from(period)).expose()), 403);
        assert_eq!(verify(&world, at(1_000 * u64::from(period)).expose()), 200);
        assert_eq!(verify(&world, at(0).expose()), 200);
    }
}

/// RFC 4226 section 7.4: the next counter and `look_ahead` after it; what was passed over is spent.
#[test]
fn a_counter_moves_past_what_was_accepted_and_never_back() {
    let world = World::with_policy(Policy { look_ahead: 2, declare_odds: true, ..Policy::recommended() });
    let uri = format!("otpauth://hotp/ann?secret={SECRET}&counter=5");
    assert_eq!(import(&world, json!({"otp": [{"uri": uri}]})).status, 200);
    for (counter, status) in [(4, 403), (8, 403), (5, 200), (5, 403), (8, 200), (6, 403), (7, 403), (9, 200)]
    {
        assert_eq!(verify(&world, &counter_code(counter)), status, "{counter}");
    }
}

#[test]
fn a_counter_at_its_end_lets_nobody_in() {
    let world = World::new();
    let uri = format!("otpauth://hotp/ann?secret={SECRET}&counter={}", u64::MAX - 1);
    assert_eq!(import(&world, json!({"otp": [{"uri": uri}]})).status, 200);
    assert_eq!(verify(&world, &counter_code(u64::MAX)), 403);
    assert_eq!(verify(&world, &counter_code(u64::MAX - 1)), 200);
    assert_eq!(verify(&world, &counter_code(u64::MAX)), 403);
}

#[test]
fn plain_recovery_codes_replace_those_that_the_user_has() {
    let world = World::new();
    let old = world.enroll("ann").recovery_codes[0].clone();
    assert_eq!(import(&world, json!({"recovery_codes": ["abcd-efgh-jklm", "2345-6789-ABCD"]})).status, 200);
    assert_eq!(world.host("describe", "ann").json()["recovery_codes_left"], 2);
    assert_eq!(world.recover(&world.require("ann"), old.expose()).status, 403);
    assert_eq!(world.recover(&world.require("ann"), "ABCDEFGHJKLM").status, 200);
    assert_eq!(world.recover(&world.require("ann"), "ABCDEFGHJKLM").status, 403);
    assert_eq!(world.recover(&world.require("ann"), "2345 6789 abcd").status, 200);
}

/// Under a policy of one code, using an imported one makes a new one of full strength.
#[test]
fn a_used_imported_code_is_replaced_by_one_of_ours() {
    let world = World::new();
    assert_eq!(import(&world, json!({"otp": [{"uri": URI}], "recovery_codes": ["12345678"]})).status, 200);
    let next = world.recover(&world.require("ann"), "12345678").text("recovery_code");
    assert_eq!(next.len(), 24);
    assert_eq!(world.recover(&world.require("ann"), "AAAA").status, 403);
    assert_eq!(
        (world.left("ann", "codes"), world.left("ann", "recovery")),
        (10, 9),
        "strong, so no shared budget"
    );
    assert_eq!(world.recover(&world.require("ann"), &next).status, 200);
}

/// `code-one` and `code-two` under each algorithm, by another implementation.
const HASHED: [(&str, &str, &str); 4] = [
    (
        "argon2id",
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0$OWRONKNFbLtH5XYXHIZTTbOKxTBff1lKX49kMZG8DeI",
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0$QSG1kOFxQTg4+8pOa6bkj2ZCIJBoNgo/ZYjkQ8QiOn4",
    ),
    (
        "scrypt",
        "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHRzYWx0$yQkSsn65tChGpYTGqUYBkcxHp+p/q4vmq1jjpf+w9Dw",
        "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHRzYWx0$dkCzS6ztKokPZW+6RNDpwCtMeGGvw4acu82tuHN8oO8",
    ),
    (
        "pbkdf2-sha256",
        "$pbkdf2-sha256$i=1000$c2FsdHNhbHRzYWx0$qE/94nX2MHjbkl9ZxKeHwLBfLI6mzcTCkuTOrXkLx68",
        "$pbkdf2-sha256$i=1000$c2FsdHNhbHRzYWx0$BKsi/kDMZctttLGxZdAvGxQ8xYoO6UnKgoE+pxJmwcM",
    ),
    (
        "pbkdf2-sha512",
        "$pbkdf2-sha512$i=1000$c2FsdHNhbHRzYWx0$eOboKmMQKJY+pmzhvhWVaaVupomHGrbvAfghJZxx/tU",
        "$pbkdf2-sha512$i=1000$c2FsdHNhbHRzYWx0$XP9OWa8jNS1/7FCWIT3NfjcNqbk0Z8BODfes38oaWYQ",
    ),
];

#[test]
fn hashed_recovery_codes_of_every_algorithm_match_once() {
    for (name, one, two) in HASHED {
        let world = World::new();
        let body = json!({
            "otp": [{"uri": URI}], "recovery_code_hashes": [one, two], "recovery_code_bits": 80,
        });
        let answer = import(&world, body);
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        for (typed, status) in [("code-two", 200), ("code-two", 403), ("code-three", 403), ("code-one", 200)]
        {
            assert_eq!(world.recover(&world.require("ann"), typed).status, status, "{name} {typed}");
        }
    }
}

#[test]
fn a_typed_code_is_brought_into_the_form_that_was_hashed() {
    let (_, one, _) = HASHED[2];
    for (form, typed, status) in [
        ("as_typed", "code-one", 200),
        ("as_typed", " code-one ", 200),
        ("as_typed", "codeone", 403),
        ("as_typed", "CODE-ONE", 403),
        ("lower", "code-one", 403),
        ("upper", "code-one", 403),
    ] {
        let world = World::new();
        let body = json!({
            "otp": [{"uri": URI}], "recovery_code_hashes": [one], "recovery_code_form": form,
            "recovery_code_bits": 80,
        });
        assert_eq!(import(&world, body).status, 200);
        assert_eq!(world.recover(&world.require("ann"), typed).status, status, "{form} {typed}");
    }
}

#[test]
fn hashed_codes_that_are_declared_weak_draw_on_the_shared_budgets() {
    for (bits, left) in [(63, 9), (64, 10)] {
        let world = World::new();
        let hashes = [HASHED[2].1];
        let body = json!({
            "otp": [{"uri": URI}], "recovery_code_hashes": hashes, "recovery_code_bits": bits,
        });
        assert_eq!(import(&world, body).status, 200);
        world.recover(&world.require("ann"), "wrong");
        assert_eq!(world.left("ann", "codes"), left, "{bits} bits");
    }
}

#[test]
fn what_cannot_be_taken_over_is_refused_whole() {
    let world = World::new();
    world.enroll("ann");
    let good = json!({"uri": uri(0)});
    let hashed = |hashes: &[&str], bits: u16| json!({"otp": [good], "recovery_code_hashes": hashes, "recovery_code_bits": bits});
    for (body, part) in [
        (json!({}), "Missing required parameter: otp"),
        (json!({"otp": [good, {"uri": "https://x"}]}), "otpauth://"),
        (json!({"otp": [good, {"uri": "otpauth://totp/a?secret=GEZDGNBV"}]}), "too short"),
        (json!({"otp": [good, {"uri": format!("otpauth://hotp/a?secret={SECRET}")}]}), "counter"),
        (json!({"otp": [good, {"uri": uri(0)}]}), "this secret already"),
        (json!({"otp": [good, {"uri": uri(1), "name": "x".repeat(65)}]}), "name"),
        (json!({"otp": [good, {"uri": uri(1), "name": "a\nb"}]}), "name"),
        (json!({"otp": [good, {"uri": uri(1), "name": ""}]}), "name"),
        (json!({"otp": [good], "recovery_codes": ["ABCDEFGH", "abcd-efgh"]}), "one code twice"),
        (json!({"otp": [good], "recovery_codes": ["ABC_DEFG"]}), "letters and digits"),
        (json!({"otp": [good], "recovery_codes": ["12345"]}), "guessing pays"),
        (json!({"otp": [good], "recovery_codes": ["123456", "654321"]}), "guessing pays"),
        (json!({"otp": [good], "recovery_codes": vec!["x"; 33]}), "at most 32"),
        (json!({"otp": [good], "recovery_code_hashes": ["$2b$10$abcdefghijklmnopqrstuv"]}), "PHC"),
        (json!({"otp": [good], "recovery_code_hashes": [HASHED[0].1]}), "recovery_code_bits"),
        (hashed(&[HASHED[0].1, HASHED[1].1], 80), "share one salt"),
        (hashed(&[HASHED[0].1, HASHED[0].1], 80), "must differ"),
        (hashed(&[HASHED[0].1], 18), "guessing pays"),
        (json!({"otp": (0..5).map(|index| json!({"uri": uri(index)})).collect::<Vec<_>>()}), "as many"),
    ] {
        is_refused(&world, body, part);
    }
}

#[test]
fn recovery_codes_alone_establish_nobody() {
    is_refused(&World::new(), json!({"recovery_codes": ["ABCDEFGHJKLM"]}), "Missing required parameter: otp");
}

#[test]
fn a_secret_that_the_record_holds_is_refused_even_while_it_waits() {
    let world = World::new();
    let phone = world.enroll("ann");
    let access = world.access("ann", &phone).access_token;
    let waiting = world.call("associate", support::by_name::OTP, bearer(&access)).text("barcode_uri");
    is_refused(&world, json!({"otp": [{"uri": waiting}]}), "this secret already");
}

#[test]
fn imports_count_to_five_secrets() {
    let world = World::new();
    let otp: Vec<Value> = (0..5).map(|index| json!({"uri": uri(index)})).collect();
    assert_eq!(import(&world, json!({"otp": otp})).status, 200);
    is_refused(&world, json!({"otp": [{"uri": uri(5)}]}), "as many");
}

/// One secret imported for two users is two authenticators.
#[test]
fn the_same_code_of_two_users_is_spent_apart() {
    let world = World::new();
    for user in ["ann", "bob"] {
        let body = json!({"otp": [{"uri": URI}]}).to_string();
        assert_eq!(world.call("import", &body, Caller::host(user)).status, 200);
    }
    let code = Totp::default().generate(&seed(), Totp::default().step(world.now_ms())).to_text();
    for user in ["ann", "bob"] {
        assert_eq!(world.verify(&world.require(user), &code).status, 200);
        assert_eq!(world.verify(&world.require(user), &code).status, 403);
    }
}

/// An X25519 pair: the first of RFC 7748 section 6.1.
const RECIPIENT: &str = "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo";
const RECIPIENT_KEY: &str = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo";

fn bytes_of(key: &str) -> [u8; 32] {
    use base64ct::{Base64UrlUnpadded, Encoding};
    Base64UrlUnpadded::decode_vec(key).unwrap().try_into().unwrap()
}

/// The inside of a package with a named app and hashed recovery codes, and the suffix of the app's id.
fn package() -> (Vec<u8>, String) {
    let other = World::new();
    let hash = "$pbkdf2-sha256$i=1000$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let body = json!({"otp": [{"uri": URI, "name": "old app"}], "recovery_code_hashes": [hash], "recovery_code_bits": 70});
    assert_eq!(import(&other, body).outcome, Outcome::Done);
    let exported = other.call("export", &json!({"recipient": RECIPIENT}).to_string(), Caller::host("ann"));
    let plaintext =
        mfacore::fuzzing::open_package(bytes_of(RECIPIENT_KEY), &exported.text("package")).unwrap();
    (plaintext, other.ids("ann")[0].strip_prefix("totp|dev_").unwrap().to_owned())
}

/// Anybody can seal to a public key, so that what a package holds is checked like any other input.
#[test]
fn a_package_that_no_engine_made_is_refused_and_is_no_error_of_this_side() {
    let (honest, suffix) = package();
    let replaced = |old: &[u8], new: &[u8]| {
        let at = honest.windows(old.len()).position(|bytes| bytes == old).unwrap();
        [&honest[..at], new, &honest[at + old.len()..]].concat()
    };
    let unnamed = [b":", &suffix.as_bytes()[1..]].concat();
    let long = [b"\x78\x41", [b'x'; 65].as_slice()].concat();
    let hash = b"\x78\x2932:$pbkdf2-sha256$i=1000$c2FsdHNhbHRzYWx0";
    let endless = b"\x78\x3599999999999999:$pbkdf2-sha256$i=1000$c2FsdHNhbHRzYWx0";
    let unsound = "package holds what no engine exports";
    for (plaintext, text) in [
        (replaced(suffix.as_bytes(), &unnamed), unsound),
        (replaced(b"\x67old app", b"\x67old\x07app"), unsound),
        (replaced(b"\x67old app", b"\x60"), unsound),
        (replaced(b"\x67old app", &long), unsound),
        (replaced(hash, endless), "package is none that was sealed to recipient_key"),
    ] {
        let package = mfacore::fuzzing::seal_package(&bytes_of(RECIPIENT), &plaintext).unwrap();
        let body = json!({"package": package, "recipient_key": RECIPIENT_KEY});
        is_refused(&World::new(), body, text);
    }
    let package = mfacore::fuzzing::seal_package(&bytes_of(RECIPIENT), &honest).unwrap();
    let body = json!({"package": package, "recipient_key": RECIPIENT_KEY});
    assert_eq!(import(&World::new(), body).outcome, Outcome::Done);
}
