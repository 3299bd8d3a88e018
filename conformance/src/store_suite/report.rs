//! What the suite found.

use std::fmt;

/// The outcome of every case, in the order in which they ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// One entry a case.
    pub cases: Vec<Case>,
}

/// One case and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The rule that the case tests.
    pub name: &'static str,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The store keeps the rule.
    Passed,
    /// The store, or its factory, does not have what the case needs.
    Skipped(String),
    /// The store breaks the rule, in this way.
    Failed(String),
}

impl Report {
    /// What came of the case of that name; `None` if it was not run.
    pub fn outcome(&self, name: &str) -> Option<&Outcome> {
        self.cases.iter().find(|case| case.name == name).map(|case| &case.outcome)
    }

    /// Whether no case failed.
    pub fn is_ok(&self) -> bool {
        self.count(|outcome| matches!(outcome, Outcome::Failed(_))) == 0
    }

    /// Panics with the whole report if a case failed.
    pub fn assert_ok(&self) {
        assert!(self.is_ok(), "the store breaks rules that the engine relies on\n{self}");
    }

    fn count(&self, counted: fn(&Outcome) -> bool) -> usize {
        self.cases.iter().filter(|case| counted(&case.outcome)).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Case { name, outcome } in &self.cases {
            match outcome {
                Outcome::Passed => writeln!(f, "passed   {name}")?,
                Outcome::Skipped(reason) => writeln!(f, "skipped  {name}: {reason}")?,
                Outcome::Failed(reason) => writeln!(f, "FAILED   {name}: {reason}")?,
            }
        }
        let passed = self.count(|outcome| matches!(outcome, Outcome::Passed));
        let skipped = self.count(|outcome| matches!(outcome, Outcome::Skipped(_)));
        let failed = self.count(|outcome| matches!(outcome, Outcome::Failed(_)));
        write!(f, "{passed} passed, {skipped} skipped, {failed} failed")
    }
}
