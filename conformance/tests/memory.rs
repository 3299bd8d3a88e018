//! The engine's own store in memory keeps every rule, and the report says so.

mod twisted;

use std::sync::Arc;

use mfacore::store::{AsyncStore, Memory, StoreError};
use mfacore_conformance::store_suite::{
    Case, Factory, Home, Opened, Outcome, Report, check_async_store, check_store,
};
use twisted::{Make, Twist, Twisted};

#[derive(Default)]
struct Sound;

impl Twist for Sound {}

struct Futures;

impl Factory<dyn AsyncStore> for Futures {
    fn fresh(&self) -> Result<Box<dyn Home<dyn AsyncStore>>, StoreError> {
        Ok(Box::new(Self))
    }
}

impl Home<dyn AsyncStore> for Futures {
    fn open(&self) -> Result<Opened<dyn AsyncStore>, StoreError> {
        let store = Arc::new(Memory::new());
        Ok(Opened::nonblocking(Arc::clone(&store)).scanned_by(store))
    }
    fn open_second(&self) -> Option<Result<Opened<dyn AsyncStore>, StoreError>> {
        None
    }
    fn reopen(&self) -> Option<Result<Opened<dyn AsyncStore>, StoreError>> {
        None
    }
    fn reopen_killed(&self) -> Option<Result<Opened<dyn AsyncStore>, StoreError>> {
        None
    }
}

fn assert_all_of_one_handle(report: &Report) {
    report.assert_ok();
    let skipped: Vec<&str> = report
        .cases
        .iter()
        .filter(|case| matches!(case.outcome, Outcome::Skipped(_)))
        .map(|case| case.name)
        .collect();
    let expected = [
        "create_race_over_two_handles",
        "swap_race_over_two_handles",
        "delete_race_over_two_handles",
        "load_sees_every_swap_of_the_other_handle",
        "reopen_keeps",
        "kill_keeps",
    ];
    assert_eq!(skipped, expected, "{report}");
}

#[test]
fn memory_passes() {
    assert_all_of_one_handle(&check_store(&Make(Memory::new)));
}

#[test]
fn memory_passes_by_futures() {
    let report = check_async_store(&Futures);
    assert_all_of_one_handle(&report);
    assert_eq!(report.outcome("dropped_swap_is_whole"), Some(&Outcome::Passed));
}

/// Otherwise the broken stores could be caught for what they are made of.
#[test]
fn a_store_with_nothing_wrong_passes() {
    assert_all_of_one_handle(&check_store(&Make(Twisted::<Sound>::default)));
}

#[test]
fn the_report_is_readable() {
    let report = Report {
        cases: vec![
            Case { name: "create_race", outcome: Outcome::Passed },
            Case { name: "kill_keeps", outcome: Outcome::Skipped("Home::reopen_killed is None".to_owned()) },
            Case { name: "keys_are_bytes", outcome: Outcome::Failed("creating KEY was answered".to_owned()) },
        ],
    };
    let text = "passed   create_race\n\
                skipped  kill_keeps: Home::reopen_killed is None\n\
                FAILED   keys_are_bytes: creating KEY was answered\n\
                1 passed, 1 skipped, 1 failed";
    assert_eq!(report.to_string(), text);
    let panic = std::panic::catch_unwind(|| report.assert_ok()).expect_err("a failed case passed");
    assert!(panic.downcast_ref::<String>().is_some_and(|panic| panic.contains(text)));
}
