//! Every input in `fuzz/corpus` again, through the functions that libFuzzer calls.
//!
//! `MFACORE_FUZZ=seeds cargo test --test fuzz_corpus seeds` writes the seeds that follow from the stored forms anew:
//! needed after a change of these forms, or the fuzzer starts from what no longer decodes.
#![allow(missing_docs)]

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::path::{Path, PathBuf};

use fuzz::TARGETS;
use fuzz::world::{keys, scene};
use mfacore::UserKey;
use mfacore::fuzzing::{open_record, open_token};

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

#[allow(clippy::disallowed_methods, reason = "the inputs are files")]
fn inputs(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(corpus(target)).unwrap_or_else(|error| panic!("{target}: {error}"));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// Names the input that fails.
struct Running<'a>(&'a Path);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("failing input: {}", self.0.display());
        }
    }
}

#[test]
fn every_corpus_is_replayed_and_none_is_empty() {
    for (target, run) in TARGETS {
        let inputs = inputs(target);
        assert!(!inputs.is_empty(), "fuzz/corpus/{target} is empty");
        for (path, input) in &inputs {
            let running = Running(path);
            run(input);
            drop(running);
        }
    }
}

#[test]
fn every_target_is_a_binary_and_has_its_corpus() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    for (folder, suffix) in [("fuzz_targets", ".rs"), ("corpus", "")] {
        let entries = root.join(folder).read_dir().unwrap();
        let mut found: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().trim_end_matches(suffix).to_owned())
            .collect();
        found.sort();
        assert_eq!(found, TARGETS.map(|(target, _)| target), "{folder}");
    }
}

/// The seeds still are what they were made to be: not merely bytes that are refused.
#[test]
fn the_corpora_reach_what_they_are_for() {
    let plain = inputs("record_plain");
    for (form, again) in fuzz::record_plain::FORMS.iter().enumerate() {
        let decodes = |input: &[u8]| {
            let (first, plaintext) = input.split_first().unwrap_or((&0, &[]));
            usize::from(*first) % fuzz::record_plain::FORMS.len() == form && again(plaintext).is_some()
        };
        assert!(
            plain.iter().any(|(_, input)| decodes(input)),
            "no seed decodes as form {form}: write them anew"
        );
    }
    let sealed = inputs("record_sealed");
    let opens = |input: &[u8]| input[0] > 0 && mfacore::fuzzing::version_of(&input[1..]).is_some();
    assert!(sealed.iter().any(|(_, input)| opens(input)));
}

#[allow(clippy::disallowed_methods, reason = "the switch that rewrites the seeds, which are files")]
fn write(target: &str, name: &str, bytes: &[u8]) {
    std::fs::write(corpus(target).join(format!("seed_{name}")), bytes).unwrap();
}

fn behind(first: u8, bytes: &[u8]) -> Vec<u8> {
    [&[first], bytes].concat()
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the switch that rewrites the seeds")]
fn seeds_are_written_where_that_is_asked_for() {
    if std::env::var_os("MFACORE_FUZZ").is_none_or(|value| value != "seeds") {
        return;
    }
    let scene = scene();
    for user in ["ann", "eve"] {
        let stored = scene.world.stored(user).unwrap();
        let plaintext = open_record(keys(), &UserKey::new("", user).unwrap(), stored).unwrap();
        write("record_plain", user, &behind(0, &plaintext));
        write("record_sealed", user, &behind(1, &plaintext));
        write("record_sealed", &format!("{user}_stored"), &behind(0, &stored.bytes));
    }
    let limiter = [&[0x87, 1, 0x50][..], &[7; 16], &[0, 0x50], &[3; 16], &[0, 0x50], &[9; 16], &[0]].concat();
    write("record_plain", "limiter", &behind(1, &limiter));
    let package = fuzz::packages::honest();
    write("record_plain", "package", &behind(2, &package));
    write("packages", "honest", &package);
    write("packages", "hashed", &fuzz::packages::hashed());
    let tokens = [
        ("mfa", scene.mfa_token.as_str()),
        ("oob", &scene.oob_code),
        ("access", &scene.access),
        ("ticket", &scene.ticket),
        ("push", scene.push.transaction_token.expose()),
    ];
    for (name, text) in tokens {
        let plaintext = open_token(keys(), text).unwrap();
        write("tokens", name, &behind(1, &plaintext));
        write("tokens", &format!("{name}_cut"), &behind(0, &text.as_bytes()[..40]));
        write("record_plain", &format!("token_{name}"), &behind(3, &plaintext));
    }
    for (name, text) in JSON_CALLS {
        write("json_calls", name, text.as_bytes());
    }
    for (name, moves) in MOVES {
        write("commands", name, moves);
    }
    for (name, moves) in ATTACKS {
        write("commands", &format!("attack_{name}"), &[&ENROLLED, moves].concat());
    }
    // The fuzzer begins with inputs as long as the longest seed.
    let moves: Vec<u8> = MOVES.iter().flat_map(|(_, moves)| &moves[1..]).copied().collect();
    write("commands", "one_after_another", &behind(0, &moves));
    write("commands", "one_after_another_chained", &behind(3, &moves));
}

const JSON_CALLS: [(&str, &str); 22] = [
    (
        "require",
        "require\n{\"authority\":{\"host\":\"ann\"},\"client\":\"app\",\"facts\":{\"mfa_audience\":\"enroll\",\"verified_emails\":[\"ann@acme.example\"],\"transaction\":\"x\",\"expects\":\"enrolled\",\"trust_browser\":true,\"purpose\":\"step_up\"}}\n{\"device_token\":\"$device\"}",
    ),
    ("trusted", "require\n{\"authority\":{\"host\":\"ann\"}}\n{\"device_token\":\"$device\"}"),
    (
        "list",
        "list_authenticators\n{\"authority\":{\"token\":{\"text\":\"$access\",\"subject\":{\"expected\":\"ann\"}}}}\n{}",
    ),
    ("describe", "describe\n{\"authority\":{\"host\":\"ann\"},\"facts\":{\"sequence_min\":3}}\n{}"),
    (
        "associate_sms",
        "associate\n{\"authority\":{\"token\":{\"text\":\"$access\",\"subject\":\"from_token\"}},\"facts\":{\"locale\":\"de\"}}\n{\"authenticator_types\":[\"oob\"],\"oob_channels\":[\"sms\"],\"phone_number\":\"+4930123450000\"}",
    ),
    (
        "associate_email",
        "associate\n{\"authority\":{\"token\":{\"text\":\"$eve\",\"subject\":\"from_token\"}},\"facts\":{\"account_label\":\"eve\"}}\n{\"authenticator_types\":[\"oob\",\"otp\"],\"oob_channels\":[\"email\",\"auth0\"],\"email\":\"eve@acme.example\"}",
    ),
    (
        "challenge",
        "challenge\n{\"authority\":{\"token\":{\"text\":\"$mfa\",\"subject\":\"from_token\"}}}\n{\"challenge_type\":\"oob otp\",\"authenticator_id\":\"$id1\"}",
    ),
    (
        "verify_otp",
        "verify_otp\n{\"authority\":{\"token\":{\"text\":\"$mfa\",\"subject\":\"from_token\"}}}\n{\"otp\":\"$otp\"}",
    ),
    (
        "confirm_otp",
        "verify_otp\n{\"authority\":{\"token\":{\"text\":\"$access\",\"subject\":\"from_token\"}}}\n{\"otp\":\"$pending\"}",
    ),
    (
        "verify_oob",
        "verify_oob\n{\"authority\":{\"token\":{\"text\":\"$mfa\",\"subject\":\"from_token\"}}}\n{\"oob_code\":\"$oob\",\"binding_code\":\"$code\"}",
    ),
    (
        "poll",
        "verify_oob\n{\"authority\":{\"token\":{\"text\":\"$push_mfa\",\"subject\":\"from_token\"}}}\n{\"oob_code\":\"$push_oob\"}",
    ),
    (
        "recover",
        "verify_recovery_code\n{\"authority\":{\"token\":{\"text\":\"$mfa\",\"subject\":\"from_token\"}}}\n{\"recovery_code\":\"$recovery\"}",
    ),
    (
        "remove",
        "remove_authenticator\n{\"authority\":{\"token\":{\"text\":\"$access\",\"subject\":\"from_token\"}}}\n{\"authenticator_id\":\"$id0\"}",
    ),
    (
        "rename",
        "rename_authenticator\n{\"authority\":{\"host\":\"ann\"}}\n{\"authenticator_id\":\"$id2\",\"name\":\"new\"}",
    ),
    (
        "replace_phone",
        "replace_phone\n{\"authority\":{\"token\":{\"text\":\"$access\",\"subject\":\"from_token\"}}}\n{\"authenticator_id\":\"$id1\",\"phone_number\":\"+4930123450000\",\"oob_channel\":\"voice\"}",
    ),
    ("regenerate", "regenerate_recovery_codes\n{\"authority\":{\"host\":\"ann\"}}\n{}"),
    (
        "enroll_device",
        "enroll_push_device\n{\"authority\":{\"token\":{\"text\":\"$ticket\",\"subject\":\"from_token\"}}}\n{\"name\":\"x\",\"public_key\":{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"},\"push_address\":\"p\",\"signature\":\"AAAA\"}",
    ),
    (
        "answer_push",
        "answer_push\n{\"authority\":{\"token\":{\"text\":\"$push_token\",\"subject\":\"from_token\"}}}\n{\"decision\":\"deny\",\"number\":\"12\",\"signature\":\"AAAA\"}",
    ),
    (
        "import",
        "import\n{\"authority\":{\"host\":\"eve\"}}\n{\"otp\":[{\"uri\":\"otpauth://totp/Old:eve?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Old\",\"name\":\"Old app\"}],\"recovery_codes\":[\"abcd-efgh-ijkl\"],\"mfa_factors\":[{\"phone\":{\"value\":\"+4930123450000\"}},{\"email\":{\"value\":\"a@b.example\"}},{\"totp\":{\"secret\":\"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\"}}]}",
    ),
    (
        "import_hashes",
        "import\n{\"authority\":{\"host\":\"ann\"}}\n{\"recovery_code_hashes\":[\"$pbkdf2-sha256$i=1000$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"],\"recovery_code_bits\":70,\"recovery_code_form\":\"upper\",\"migration\":[]}",
    ),
    (
        "export",
        "export\n{\"authority\":{\"host\":\"ann\"}}\n{\"recipient\":\"hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo\"}",
    ),
    ("erase", "erase\n{\"authority\":{\"host\":\"ann\"}}\n{}"),
];

/// The first byte chooses one factor or two; a move is a user, its kind, and what the kind draws.
const MOVES: [(&str, &[u8]); 7] = [
    (
        "replace_phone",
        &[
            0, 0, 0, 1, 0, 2, 0, 0, 0, 6, 0, 0, 0, 2, 0, 2, 0, 9, 12, 0, 18, 0, 0, 0, 9, 12, 0, 13, 0, 0, 0,
            0, 0, 4, 0, 5, 0, 9, 12,
        ],
    ),
    (
        "enroll_and_log_in",
        &[0, 0, 0, 1, 0, 2, 0, 0, 0, 6, 0, 0, 0, 13, 0, 0, 0, 3, 0, 6, 0, 0, 0, 6, 0, 0, 0, 0, 0xc1],
    ),
    (
        "two_factors",
        &[
            3, 0, 0, 1, 0, 2, 0, 0, 0, 6, 0, 0, 0, 2, 0, 2, 0, 9, 12, 0, 13, 0, 0, 0, 1, 0, 6, 0, 0, 0, 4, 0,
            0, 0, 9, 12,
        ],
    ),
    ("push", &[0, 0, 0, 1, 0, 2, 0, 5, 0, 12, 0, 0, 9, 0, 0, 0, 1, 0, 4, 0, 1, 0, 12, 0, 0, 9, 0]),
    (
        "recover_and_remove",
        &[
            0, 0, 0, 1, 0, 2, 0, 0, 0, 6, 0, 0, 0, 13, 0, 0, 0, 1, 0, 11, 0, 0, 0, 0, 1, 0, 6, 0, 0, 0, 17,
            0, 0, 0, 17, 0, 0,
        ],
    ),
    ("support", &[0, 2, 16, 9, 2, 0, 1, 0, 6, 0, 0, 0, 14, 3, 0, 14, 5, 0, 14, 6, 2, 14, 7, 2, 0, 1]),
    // A finding: what was sent outlived the enrollment that it was sent for, and nothing could be written.
    (
        "late_enrollment",
        &[
            0, 0, 0, 1, 0, 2, 0, 0, 0, 6, 0, 0, 0, 13, 5, 0, 13, 4, 0, 13, 3, 0, 2, 0, 2, 0, 13, 4, 0, 0, 0,
            0, 6, 0, 0,
        ],
    ),
];

/// Ann enrolls an app.
const ENROLLED: [u8; 12] = [0, 0, 0, 1, 0, 2, 0, 0, 0, 6, 0, 0];

/// What follows, and must be refused at its end.
const ATTACKS: [(&str, &[u8]); 9] = [
    ("otp_again", &[0, 13, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 6, 0, 0]),
    ("otp_with_spent_token", &[0, 13, 0, 0, 0, 0, 0, 6, 0, 0, 0, 13, 0, 0, 6, 0, 0]),
    ("otp_with_revoked_token", &[0, 13, 0, 0, 0, 0, 0, 14, 5, 0, 6, 0, 0]),
    ("otp_with_expired_token", &[0, 13, 0, 0, 0, 0, 0, 13, 6, 0, 6, 0, 0]),
    ("wrong_binding_code", &[0, 2, 0, 2, 0, 9, 4]),
    (
        "binding_code_again",
        &[0, 2, 0, 2, 0, 9, 12, 0, 13, 0, 0, 0, 0, 0, 4, 0, 5, 0, 9, 12, 0, 0, 0, 0, 9, 12],
    ),
    ("recovery_code_again", &[0, 13, 0, 0, 0, 0, 0, 11, 0, 0, 0, 0, 0, 0, 11, 0, 1]),
    ("wrong_number", &[0, 2, 0, 5, 0, 12, 0, 0, 9, 0, 0, 13, 0, 0, 0, 0, 0, 4, 0, 5, 0, 12, 64, 0, 9, 0]),
    ("other_device", &[0, 2, 0, 5, 0, 12, 0, 0, 9, 0, 0, 13, 0, 0, 0, 0, 0, 4, 0, 5, 0, 12, 12, 0, 9, 0]),
];
