//! Every scenario of `testdata/scenarios` through every Rust runner, twice, with the same bytes each time.
#![allow(missing_docs)]

use std::fmt::Write as _;
use std::path::Path;

use mfacore::store::{Store, StoreError};
use mfacore_conformance::scenario::{
    BlockingRunner, LoopRunner, NonblockingRunner, Played, RunnerFactory, Scenario, play,
};
use sha2::{Digest as _, Sha256};

/// A SQLite file that goes with its folder.
struct OnDisk {
    store: mfacore_sqlite::Sqlite,
    _folder: tempfile::TempDir,
}

impl Store for OnDisk {
    fn load(&self, key: &[u8]) -> Result<Option<mfacore::store::Loaded>, StoreError> {
        Store::load(&self.store, key)
    }
    fn swap(
        &self,
        key: &[u8],
        write: mfacore::store::Write<'_>,
    ) -> Result<mfacore::store::Swapped, StoreError> {
        Store::swap(&self.store, key, write)
    }
    fn durable(&self) -> bool {
        Store::durable(&self.store)
    }
}

fn on_disk() -> Result<Box<dyn Store>, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let store = mfacore_sqlite::Sqlite::open_path(&folder.path().join("mfa.db"));
    Ok(Box::new(OnDisk { store: store.map_err(|error| error.to_string())?, _folder: folder }))
}

fn scenarios() -> Vec<(String, Scenario)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/scenarios");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let named = files.into_iter().map(|path| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let json = std::fs::read_to_string(&path).unwrap();
        (name.clone(), Scenario::parse(&json).unwrap_or_else(|error| panic!("{name}: {error}")))
    });
    named.collect()
}

#[test]
fn every_scenario_plays_alike_through_every_runner() {
    let runners: [Box<dyn RunnerFactory>; 4] = [
        Box::new(BlockingRunner::in_memory("blocking")),
        Box::new(NonblockingRunner::in_memory("async")),
        Box::new(LoopRunner::in_memory("loop")),
        Box::new(BlockingRunner::on("sqlite", Box::new(on_disk))),
    ];
    let scenarios = scenarios();
    assert!(scenarios.len() >= 10, "the scenarios were not found");
    let mut table = format!("{:32}", "scenario");
    runners.iter().for_each(|runner| table += &format!(" {:>9}", runner.name()));
    let mut failures = Vec::new();
    for (name, scenario) in &scenarios {
        table += &format!("\n{name:32}");
        let first = play(name, scenario, &*runners[0]);
        for runner in &runners {
            let played = play(name, scenario, &**runner);
            let result = if played.is_ok() && played == first { "ok" } else { "FAILED" };
            table += &format!(" {result:>9}");
            if let Err(error) = played {
                failures.push(format!("{}: {error}", runner.name()));
            } else if played != first {
                failures.push(format!("{}: {name} gave other bytes", runner.name()));
            }
        }
    }
    println!("{table}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_scenario_that_does_not_hold_fails() {
    for (steps, part) in [
        (
            r#"{"call":"require","caller":{"authority":{"host":"ann"}},"reply":{"outcome":"granted","status":200}}"#,
            "should be granted",
        ),
        (
            r#"{"call":"require","caller":{"authority":{"host":"ann"}},"reply":{"outcome":"done","status":200,"body":{"mfa_token":"*"}}}"#,
            "mfa_token is missing",
        ),
        (
            r#"{"call":"require","caller":{"authority":{"host":"ann"}},"events":["erased"]}"#,
            "should leave the events",
        ),
        (r#"{"call":"require","caller":{"authority":{"host":"ann"}},"save":{"a":"/b"}}"#, "/b is not in"),
        (
            r#"{"call":"require","caller":{"authority":{"host":"ann"}},"parallel":2,"outcomes":{"granted":2}}"#,
            "came to",
        ),
        (r#"{"call":"require","caller":{"authority":{"root":"ann"}}}"#, "caller"),
        (
            r#"{"call":"require","caller":{"authority":{"host":"ann"}},"deliveries":[{"channel":"sms"}]}"#,
            "deliveries should be",
        ),
        (
            r#"{"call":"require","caller":{"authority":{"host":"ann"}},"save_delivery":{"a":"/0/content"}}"#,
            "/0/content is not in",
        ),
        (r#"{"scan":"otpauth://totp/ACME:ann?secret=a","device":1,"save":{}}"#, "without a ticket"),
        (r#"{"answer_push":"${push}","device":1,"decision":"deny","save":{}}"#, "nothing was saved"),
    ] {
        let json = format!(r#"{{"about":"","policy":{{}},"start_ms":1767225600000,"steps":[{steps}]}}"#);
        let scenario = Scenario::parse(&json).unwrap();
        let error = play("broken", &scenario, &BlockingRunner::in_memory("blocking")).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}

/// What bindings in other languages compare their responses with: a line for each response.
fn digest(played: &Played) -> String {
    let mut lines = String::new();
    for response in &played.responses {
        let (outcome, status, body) = (&response.outcome, response.status, &response.body);
        let user = response.verified_user.as_deref().unwrap_or("-");
        let _ = writeln!(lines, "{outcome} {status} {body} {user} {}", response.events.join(","));
    }
    Sha256::digest(lines).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// After a wanted change run `MFACORE_DIGESTS=write cargo test --test scenarios`.
#[test]
#[allow(clippy::disallowed_methods, reason = "writes the file that it compares with")]
fn the_committed_digests_are_those_of_the_rust_driver() {
    let blocking = BlockingRunner::in_memory("blocking");
    let lines = scenarios().into_iter().map(|(name, scenario)| {
        let played = play(&name, &scenario, &blocking).unwrap();
        format!("{}  {name}\n", digest(&played))
    });
    let digests: String = lines.collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/scenarios.sha256");
    if std::env::var_os("MFACORE_DIGESTS").is_some_and(|value| value == "write") {
        std::fs::write(&path, &digests).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), digests);
}
