//! One call: its end, what holds of every one, and what it teaches about the record.

use std::sync::atomic::Ordering;

use mfacore::commands::{Command, EnrollPushDevice};
use mfacore::{Caller, Delivery, DenialCode, Error, EventKind, Finished, Refusal};

use super::device::ends_ticket;
use super::model::{DAY_MS, Stage};
use super::sim::Sim;
use super::store::Trace;

/// The end of a call, and what the store really did.
pub struct Done<R> {
    pub result: Result<R, Refusal>,
    pub deliveries: Vec<Delivery>,
    pub events: Vec<EventKind>,
    pub trace: Trace,
}

impl<R> Done<R> {
    pub fn code(&self) -> Option<&DenialCode> {
        match &self.result {
            Err(Refusal::Denied(denial)) => Some(&denial.code),
            _ => None,
        }
    }

    /// Whether something happened, beside a clock that went back.
    pub fn acts(&self) -> bool {
        self.events.iter().any(|event| !matches!(event, EventKind::ClockWentBackwards { .. }))
    }

    pub fn is_error(&self) -> bool {
        matches!(self.result, Err(Refusal::Error(_)))
    }

    /// Whether the answer, one that changed nothing, is perhaps about an older state.
    pub fn is_of_the_past(&self) -> bool {
        self.trace.stale && !self.trace.landed
    }
}

impl Sim {
    /// Runs a command at the tenant of `user`, whose record it is about.
    pub fn run<C: Command>(&mut self, user: usize, command: C, caller: Caller) -> Done<C::Reply> {
        let tenant = self.users[user].tenant;
        self.run_at(tenant, user, command, caller)
    }

    /// Runs a command at `tenant`; `user` is the only one whom it may touch.
    pub fn run_at<C: Command>(
        &mut self,
        tenant: usize,
        user: usize,
        command: C,
        caller: Caller,
    ) -> Done<C::Reply> {
        self.tally.count("commands");
        self.moves.step += 1;
        let now_ms = self.now_ms;
        self.clock.store(now_ms, Ordering::Relaxed);
        let was_far_ahead = self.far_ahead(user);
        let is_stale_fine = C::ALLOWS.mfa_token || C::ALLOWS.device.is_some();
        let (caller, first_may_be_stale) = match self.users[user].sequence {
            sequence if sequence > 0 && self.users[user].tenant == tenant && self.chance.one_in(3) => {
                (caller.sequence_min(sequence), true)
            }
            _ => (caller, is_stale_fine && !C::ALLOWS.host),
        };
        // Now and then the store is all but down.
        let per_mille = match self.per_mille {
            0 => 0,
            _ if self.chance.one_in(20) => 750,
            per_mille => per_mille,
        };
        self.store.begin(&self.users[user].key.clone(), per_mille, first_may_be_stale);
        let finished = self.mfas[tenant].run(command, caller);
        let trace = self.store.end();
        let Finished { result, deliveries, events, sequence, .. } = finished;
        let kinds: Vec<EventKind> = events.into_iter().map(|event| event.kind).collect();
        let done = Done { result, deliveries, events: kinds, trace };
        self.check_call(tenant, user, C::NAME, &done);
        self.note(user, sequence, was_far_ahead, &done);
        self.count_notices(user, &done.deliveries);
        done
    }

    /// What holds of every call.
    fn check_call<R>(&mut self, tenant: usize, user: usize, name: &str, done: &Done<R>) {
        let Done { result, deliveries, events, trace } = done;
        let said = match result {
            Ok(_) => "ok".to_owned(),
            Err(Refusal::Denied(denial)) => format!("{:?}", denial.code),
            Err(Refusal::Error(error)) => error.to_string(),
        };
        self.moves.add(&said);
        if trace.faults > 0 {
            self.moves.add(&format!("{trace:?}").replace("Trace ", ""));
        }
        self.tally.add("faults", trace.faults.into());
        let own = &self.users[user].key;
        for key in &trace.written {
            let is_limiter = key.first() == Some(&b'l');
            assert!(is_limiter || key == own, "{name} wrote another user's record");
        }
        assert!(tenant == self.users[user].tenant || trace.written.is_empty(), "{name} at another tenant");
        if result.is_err() {
            assert!(deliveries.is_empty(), "{name} denied and delivered");
            let passed = |kind: &EventKind| matches!(kind, EventKind::VerificationPassed { .. });
            assert!(!events.iter().any(passed), "{name} denied and passed");
        }
        if !deliveries.is_empty() {
            assert!(trace.landed, "{name} delivered what is not written");
        }
        self.tally.add("deliveries", deliveries.len() as u64);
        match result {
            Ok(_) => self.tally.count(&format!("ok {name}")),
            Err(Refusal::Denied(denial)) => {
                let code = format!("{:?}", denial.code);
                let code = code.split('(').next().unwrap_or_default();
                self.tally.count(&format!("denied {code}"));
                let changes = denial.counted
                    || (name == <EnrollPushDevice as Command>::NAME && ends_ticket(&denial.code));
                assert_eq!(
                    changes, trace.landed,
                    "{name}: a denial is written iff it is counted: {denial:?}"
                );
                assert!(!trace.late || trace.landed, "{name}: {denial:?} may land yet");
            }
            Err(Refusal::Error(error)) => {
                let kind = format!("{error:?}");
                let kind = kind.split(['(', ' ']).next().unwrap_or_default();
                self.tally.count(&format!("error {kind}"));
                match error {
                    Error::Store(_) | Error::OutcomeUnknown => assert!(trace.faults > 0, "{name}: {error}"),
                    Error::Busy => {
                        assert!(trace.faults > 0, "{name}: {error}");
                        assert!(!trace.landed && !trace.late, "{name}: busy, and written");
                    }
                    Error::RolledBack { .. } => assert!(trace.stale, "{name}: {error}"),
                    _ => panic!("{name}: {error}"),
                }
            }
        }
    }

    /// What a call teaches about the record, whatever it was.
    fn note<R>(&mut self, user: usize, sequence: u64, was_far_ahead: bool, done: &Done<R>) {
        let now_ms = self.now_ms;
        let Trace { landed, late, .. } = done.trace;
        if landed {
            self.saw(user, was_far_ahead);
        } else if late {
            let known = &mut self.users[user];
            // What comes late may also be what corrects a time that was far ahead.
            let least = if known.seen_ms.0 > now_ms + DAY_MS { now_ms } else { known.seen_ms.0 };
            known.seen_ms = (least, known.seen_ms.1.max(now_ms));
        }
        if done.result.is_ok() && landed {
            self.users[user].sequence = sequence;
        }
        if done.is_error() && (landed || late) {
            self.tally.count("lost answers");
            self.lost(user);
        }
    }

    /// The record perhaps saw a time so far ahead that it is not believed: older tokens are dead for now, and for
    /// good once something is written. Says whether that is certain.
    pub fn far_ahead(&mut self, user: usize) -> bool {
        let now_ms = self.now_ms;
        let known = &mut self.users[user];
        if known.seen_ms.1 > now_ms + DAY_MS {
            known.tokens.iter_mut().for_each(|token| token.fate.doubt());
            known.challenges.iter_mut().for_each(|challenge| challenge.fate.doubt());
            known.browsers.iter_mut().for_each(|browser| browser.fate.doubt());
            let pending = known.enrollments.iter_mut().filter(|e| e.stage == Stage::Pending);
            pending.for_each(|pending| pending.sure = false);
        }
        known.seen_ms.0 > now_ms + DAY_MS
    }

    /// The record was written with this step's time.
    pub fn saw(&mut self, user: usize, was_far_ahead: bool) {
        let now_ms = self.now_ms;
        let known = &mut self.users[user];
        // A time that lies further ahead is believed no more, which is certain only where all that it can be does.
        known.seen_ms = match known.seen_ms {
            (least, _) if least > now_ms + DAY_MS => (now_ms, now_ms),
            (_, most) if most > now_ms + DAY_MS => (now_ms, now_ms + DAY_MS),
            (least, most) => (least.max(now_ms), most.max(now_ms)),
        };
        if was_far_ahead {
            known.raise_epoch();
            self.tally.count("clock was far ahead");
        }
    }

    pub fn lost(&mut self, user: usize) {
        let now_ms = self.now_ms;
        let (budgets, messages) = (self.policy(user).budgets, self.policy(user).messages);
        let known = &mut self.users[user];
        known.lost(now_ms);
        known.budgets.all().into_iter().for_each(|bounds| bounds.restamp(now_ms));
        let own = &mut known.budgets;
        own.codes.perhaps(budgets.codes, 8, now_ms);
        own.reserved.perhaps(budgets.reserved, 8, now_ms);
        if let Some((slow, reserved)) = budgets.codes_slow.zip(budgets.reserved_slow) {
            own.codes_slow.perhaps(slow, 8, now_ms);
            own.reserved_slow.perhaps(reserved, 8, now_ms);
        }
        own.recovery.perhaps(budgets.recovery, 1, now_ms);
        own.phone.perhaps(messages.phone, 4, now_ms);
        own.email.perhaps(messages.email, 4, now_ms);
        own.push.perhaps(messages.push, 1, now_ms);
    }
}
