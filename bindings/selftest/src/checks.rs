//! The cases of the store suite that a table can show, each with what to do where it fails.

use crate::place::Keys;
use crate::selftest::Threads;

pub(crate) struct Check {
    /// The name of the case in the suite.
    pub(crate) name: &'static str,
    pub(crate) keys: Keys,
    /// What the case needs.
    pub(crate) threads: Threads,
    /// What to do where it fails.
    pub(crate) advice: &'static str,
}

const fn alone(name: &'static str, keys: Keys, advice: &'static str) -> Check {
    Check { name, keys, threads: Threads::One, advice }
}

const fn racing(name: &'static str, advice: &'static str) -> Check {
    Check { name, keys: Keys::Prefixed, threads: Threads::Many, advice }
}

pub(crate) const CHECKS: &[Check] = &[
    alone(
        "create_finds_nothing_there",
        Keys::Prefixed,
        "load says MFACORE_LOADED_ABSENT, and puts nothing, where no record is there; swap with expected NULL inserts, \
         and says MFACORE_STORED_CONFLICT where a record is there. Begin with an empty table.",
    ),
    alone(
        "stale_version_conflicts",
        Keys::Prefixed,
        "swap writes only where the version that is there equals expected, all 16 bytes, in the same statement; where \
         that changed no row it says MFACORE_STORED_CONFLICT.",
    ),
    alone(
        "delete_removes",
        Keys::Prefixed,
        "swap with version NULL deletes the record, under the same condition as a write.",
    ),
    alone(
        "recreated_key_is_new",
        Keys::Prefixed,
        "keep nothing of a record that was deleted: its version matches no more.",
    ),
    alone(
        "keys_are_bytes",
        Keys::Raw,
        "the key is up to 200 bytes of any value with the length given, zero bytes among them: take a binary column, \
         no text, no collation, nothing trimmed or cut.",
    ),
    alone(
        "values_are_bytes",
        Keys::Prefixed,
        "the record is 0 to 32768 bytes of any value with the length given: take a binary column that holds them all, \
         bind it with its length, and replace it whole.",
    ),
    alone(
        "versions_are_bytes",
        Keys::Prefixed,
        "a version is 16 bytes of any value, zero bytes among them: keep and compare all of them, as bytes.",
    ),
    racing(
        "create_race",
        "compare and write in one atomic step, a unique key with one INSERT, or under one lock; say \
         MFACORE_STORED_COMMITTED only where your own write did it.",
    ),
    racing(
        "swap_race",
        "compare and write in one atomic step, one UPDATE with the version in its condition, or under one lock; say \
         MFACORE_STORED_COMMITTED only where your own write did it.",
    ),
    racing(
        "delete_race",
        "a delete compares and removes in one atomic step, as a write does; say MFACORE_STORED_COMMITTED only where \
         your own did it.",
    ),
    racing(
        "load_sees_every_swap",
        "load reads what was committed last, on every thread: no cache, no replica, no old snapshot of a transaction; \
         version and bytes in one read.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// What one table cannot show: a second connection, a scan, a restart.
    const BEYOND: [&str; 9] = [
        "create_race_over_two_handles",
        "swap_race_over_two_handles",
        "delete_race_over_two_handles",
        "load_sees_every_swap_of_the_other_handle",
        "scan_is_in_order",
        "scan_resumes",
        "scan_while_written",
        "reopen_keeps",
        "kill_keeps",
    ];

    #[test]
    fn every_case_of_the_suite_is_a_check_or_beyond_a_table() {
        let known: Vec<&str> = CHECKS.iter().map(|check| check.name).chain(BEYOND).collect();
        assert_eq!(mfacore_conformance::store_suite::case_names().collect::<Vec<_>>(), known);
    }
}
