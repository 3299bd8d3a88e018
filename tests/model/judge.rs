//! The end of an attempt, held against what was expected of it.

use mfacore::event::FailureReason;
use mfacore::{Denial, DenialCode, EventKind, Refusal, VerifyReply};

use super::call::Done;
use super::model::{Fate, Stage};
use super::sim::Sim;
use super::spend::Refused;

/// What an attempt is, before it is made.
pub struct Attempt {
    pub user: usize,
    pub token: usize,
    /// How sure it is that the attempt passes.
    pub passes: Fate,
    /// What it costs in 6-digit codes, where that is certain.
    pub cost: Option<u64>,
    /// Tested enrollments that a failure counts for.
    pub tested: Vec<usize>,
    pub is_recovery: bool,
}

impl Sim {
    /// Holds an attempt's end against what was expected of it, counts its failure, and returns the reply.
    pub fn judge(
        &mut self,
        attempt: Attempt,
        done: Done<VerifyReply>,
        wrong: Option<DenialCode>,
    ) -> Option<VerifyReply> {
        let Attempt { user, token, passes, cost, tested, is_recovery } = attempt;
        let known = &self.users[user];
        let facts = &known.tokens[token];
        let reserved = facts.facts().is_some_and(|facts| facts.reserved);
        // A budget that is perhaps the other one is no certainty.
        let sure_budget = facts.fate == Fate::Live || !facts.is_mfa();
        let holds = match cost {
            Some(0) => Fate::Live,
            Some(cost) => self.holds_codes(user, reserved, cost),
            None => Fate::Perhaps,
        };
        let locked = holds == Fate::Dead && sure_budget;
        let now_ms = self.now_ms;
        let room = self.users[user].spent_until_ms.iter().filter(|until| **until > now_ms).count() < 60;
        let failed: Vec<FailureReason> = reasons(&done.events);
        let past = done.is_of_the_past();
        match done.result {
            Ok(reply) => {
                assert!(passes != Fate::Dead, "passed with what must not pass");
                assert!(!locked, "passed while locked");
                let passed = |event: &&EventKind| matches!(event, EventKind::VerificationPassed { .. });
                let is_login = !matches!(reply, VerifyReply::Confirmed(_));
                assert_eq!(
                    done.events.iter().filter(passed).count(),
                    usize::from(is_login),
                    "one event a login"
                );
                assert!(failed.is_empty(), "passed and failed");
                assert!(done.trace.landed, "passed and not written");
                match cost {
                    Some(0) => {}
                    Some(_) if sure_budget => self.give_back_codes(user, reserved),
                    _ => self.charge_codes_perhaps(user, 8),
                }
                if is_recovery {
                    self.users[user].budgets.recovery.give_back(now_ms);
                }
                Some(reply)
            }
            Err(Refusal::Denied(denial)) => {
                assert!(failed.len() <= 1, "two failures of one code: {failed:?}");
                let must = passes == Fate::Live && holds == Fate::Live && room && !past && sure_budget;
                let capped = matches!(denial.code, DenialCode::TooManyAuthenticators)
                    || matches!(&denial.code, DenialCode::InvalidRequest(text) if text.contains("already"));
                // The chain's next link is switched off.
                let is_short = self.users[user].tokens[token].proofs.len() + 1
                    < self.policy(user).chained_factors.into();
                let ends = is_short && denial.code == DenialCode::NoUsableAuthenticator;
                assert!(!must || capped || ends, "what is right was refused: {denial}");
                self.judge_denial(user, token, &denial, (wrong, failed, past));
                if denial.code == DenialCode::TooManyAttempts {
                    let cost = cost.unwrap_or(8);
                    let refused = Refused { cost, token: Some(token), past, ..Refused::default() };
                    self.check_limit(user, &done.events, refused);
                } else if denial.counted {
                    assert!(!locked, "a code was looked at while locked");
                    self.count_failure(
                        user,
                        reserved && sure_budget,
                        cost.filter(|_| sure_budget),
                        tested,
                        is_recovery,
                    );
                }
                None
            }
            Err(Refusal::Error(_)) => None,
        }
    }

    fn judge_denial(
        &mut self,
        user: usize,
        token: usize,
        denial: &Denial,
        (wrong, failed, past): (Option<DenialCode>, Vec<FailureReason>, bool),
    ) {
        let fate = self.fate(user, token);
        let is_counted = wrong.as_ref() == Some(&denial.code);
        assert_eq!(denial.counted, is_counted, "every failure is counted, and nothing else: {denial}");
        match &denial.code {
            DenialCode::InvalidOtp | DenialCode::InvalidBindingCode | DenialCode::InvalidRecoveryCode => {
                assert_eq!(failed.len(), 1, "a wrong code without its event");
                assert!(fate != Fate::Dead || past, "a code was looked at for a dead token");
            }
            DenialCode::TooManyAttempts => assert_eq!(failed, [FailureReason::Locked], "locked"),
            DenialCode::TokenExpired => {
                let is_far = self.users[user].tokens[token].issued_ms > self.now_ms;
                assert!(fate != Fate::Live || past || is_far, "a token that is alive was refused");
            }
            _ => {}
        }
    }

    fn count_failure(
        &mut self,
        user: usize,
        reserved: bool,
        cost: Option<u64>,
        tested: Vec<usize>,
        is_recovery: bool,
    ) {
        self.tally.count("counted failures");
        let (now_ms, budgets) = (self.now_ms, self.policy(user).budgets);
        match cost {
            Some(0) => {}
            Some(cost) => self.charge_codes(user, reserved, cost),
            None => self.charge_codes_perhaps(user, 8),
        }
        let known = &mut self.users[user];
        if is_recovery {
            assert!(
                known.budgets.recovery.charge(budgets.recovery, 1, now_ms),
                "too many wrong recovery codes"
            );
        }
        for at in tested {
            let enrollment = &mut known.enrollments[at];
            // What is pending is not disabled.
            let counts = enrollment.stage == Stage::Active && enrollment.sure && cost.is_some();
            let (least, most) = enrollment.failures;
            enrollment.failures = (least + u32::from(counts), most + 1);
        }
    }
}

fn reasons(events: &[EventKind]) -> Vec<FailureReason> {
    let failed = events.iter().filter_map(|event| match event {
        EventKind::VerificationFailed { reason } => Some(*reason),
        _ => None,
    });
    failed.collect()
}
