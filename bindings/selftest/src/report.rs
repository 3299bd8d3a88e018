//! What the self-test found, as text.

use std::fmt;
use std::sync::Arc;

use mfacore::store::Store;
use mfacore_conformance::store_suite::{Outcome, check_store_case};

use crate::checks::{CHECKS, Check};
use crate::place::{Keys, PREFIX, Place};
use crate::selftest::Threads;

pub(crate) struct Report {
    lines: Vec<Line>,
    /// Keys that could not be deleted after their check.
    left_behind: usize,
}

struct Line {
    check: &'static Check,
    outcome: Found,
}

enum Found {
    Kept,
    Broken(String),
    LeftOut,
}

impl Report {
    /// Runs every check that the host's threads allow.
    pub(crate) fn of(store: Arc<dyn Store>, threads: Threads) -> Self {
        let mut report = Self { lines: Vec::new(), left_behind: 0 };
        for check in CHECKS {
            let outcome = if check.threads == Threads::Many && threads == Threads::One {
                Found::LeftOut
            } else {
                let place = Place::new(Arc::clone(&store), check.name, check.keys);
                let outcome = run(check, &place);
                report.left_behind += place.clear();
                outcome
            };
            report.lines.push(Line { check, outcome });
        }
        report
    }

    /// Whether checks passed, and none failed.
    pub(crate) fn is_ok(&self) -> bool {
        self.count(|found| matches!(found, Found::Broken(_))) == 0
            && self.count(|found| matches!(found, Found::Kept)) > 0
    }

    fn count(&self, counted: fn(&Found) -> bool) -> usize {
        self.lines.iter().filter(|line| counted(&line.outcome)).count()
    }
}

/// A check that did not run to its end has shown nothing, and fails.
fn run(check: &Check, place: &Place) -> Found {
    match check_store_case(check.name, place).map(|case| case.outcome) {
        Some(Outcome::Passed) => Found::Kept,
        Some(Outcome::Failed(reason)) => Found::Broken(reason),
        Some(Outcome::Skipped(reason)) => Found::Broken(format!("the check was not run: {reason}")),
        None => Found::Broken("the check is not known".to_owned()),
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Check { name, advice, .. } = self.check;
        match &self.outcome {
            Found::Kept => writeln!(f, "ok        {name}"),
            Found::LeftOut => writeln!(f, "left out  {name}: it needs several threads, and one was allowed"),
            Found::Broken(found) => writeln!(f, "FAILED    {name}: {found}\n          to do: {advice}"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let raw = CHECKS.iter().filter(|check| check.keys == Keys::Raw).map(|check| check.name);
        let raw = raw.collect::<Vec<_>>().join(", ");
        writeln!(
            f,
            "mfacore self-test of a store. Each key begins with {PREFIX}NAME OF THE CHECK/, which is"
        )?;
        writeln!(f, "left away below and not counted; the keys of {raw} are as they are.")?;
        self.lines.iter().try_for_each(|line| line.fmt(f))?;
        if self.left_behind > 0 {
            writeln!(f, "left behind: {} keys could not be deleted. Empty the table.", self.left_behind)?;
        }
        let passed = self.count(|found| matches!(found, Found::Kept));
        let failed = self.count(|found| matches!(found, Found::Broken(_)));
        let left_out = self.count(|found| matches!(found, Found::LeftOut));
        writeln!(f, "{passed} ok, {failed} failed, {left_out} left out")?;
        writeln!(f, "Not checked: a loss of power, a restart, replicas, a second connection.")
    }
}
