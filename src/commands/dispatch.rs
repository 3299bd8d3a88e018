//! From a record and a call to a decision: token and expectation checked, attempt charged, handler run on a
//! copy.

use super::{Call, Charge, kept_answer};
use crate::caller::{Authority, Expectation};
use crate::context::{Context, Persist};
use crate::denial::DenialCode;
use crate::error::Error;
use crate::event::EventKind;
use crate::limits::{CLOCK_DRIFT_MS_MAX, SUSPECT_FAILURES};
use crate::policy::Policy;
use crate::record::Record;
use crate::record::budget::{Bucket, Buckets, Budget};
use crate::reply::Refusal;
use crate::token::{Dead, Grant, Token};

/// What a call came to, and what is left of it in the record.
pub(crate) struct Decision<R> {
    pub(crate) result: Result<R, Refusal>,
    pub(crate) change: Change,
}

/// What becomes of the record.
#[expect(clippy::large_enum_variant, reason = "one a call, moved once")]
pub(crate) enum Change {
    None,
    Write(Record),
    Delete,
}

/// Runs `call` on what was found. A record that did not change is not written.
pub(crate) fn decide<R>(
    call: &dyn Call<R>,
    found: Option<Record>,
    context: &mut Context<'_>,
) -> Result<Decision<R>, Error> {
    let is_absent = found.is_none();
    let mut before = match found {
        Some(record) => record,
        None => Record::new(&mut context.stream)?,
    };
    judge_clock(&mut before, context);
    let admitted = admit(&before, is_absent, context);
    // A spent token gets nothing but the secrets that its own call was answered with.
    if matches!(admitted, Ok(()) | Err(NotAdmitted { is_spent: true, .. }))
        && let Some(kept) = kept_answer::find(&before, context)
        && let Some(again) = call.again(kept.expose(), context)
    {
        return Ok(unchanged(again));
    }
    if let Err(NotAdmitted { code, .. }) = admitted {
        return Ok(unchanged(Err(context.deny(code).into())));
    }
    let charge = match call.charge(&before, context) {
        Ok(charge) => charge,
        Err(refusal) => return Ok(unchanged(Err(refusal))),
    };
    if let Some(wait_ms) = wait_ms(&charge, &before, context) {
        let retry_after_s = wait_ms.div_ceil(1_000);
        context.event(EventKind::LimitReached { retry_after_s });
        let denial = context.deny(DenialCode::TooManyAttempts).retry_after_s(retry_after_s);
        return Ok(unchanged(Err(denial.into())));
    }
    let mut work = before.clone();
    charge.take(&mut work.buckets, context);
    let told = context.events.len();
    let mut result = call.apply(&mut work, context);
    let change = match &mut result {
        Ok(_) => {
            charge.give_back(&mut work.buckets, context.policy);
            match context.persist {
                Persist::Delete => Change::Delete,
                Persist::IfChanged if work == before => Change::None,
                Persist::Always | Persist::IfChanged => Change::Write(work),
            }
        }
        Err(refusal) => {
            // What the handler told has not happened.
            context.events.truncate(told);
            failed(refusal, before, &charge, context)
        }
    };
    if is_absent && !call.allows().creates {
        // There is nothing that anything could have been done to.
        context.events.truncate(told);
        return Ok(unchanged(result));
    }
    Ok(Decision { result, change })
}

fn unchanged<R>(result: Result<R, Refusal>) -> Decision<R> {
    Decision { result, change: Change::None }
}

/// Why a caller is not admitted.
struct NotAdmitted {
    code: DenialCode,
    is_spent: bool,
}

impl From<DenialCode> for NotAdmitted {
    fn from(code: DenialCode) -> Self {
        Self { code, is_spent: false }
    }
}

/// Checks the caller against the record: a token's life, or what the host expects.
fn admit(record: &Record, is_absent: bool, context: &mut Context<'_>) -> Result<(), NotAdmitted> {
    match (context.token(), &context.caller.authority) {
        (Some(_), _) if is_absent => {
            // `Require` creates the record of a token, and a tombstone outlives it: storage has lost the record.
            context.event(EventKind::RecordMissing);
            Err(DenialCode::TokenExpired.into())
        }
        (Some(token), _) => match token.check(record, context.now_ms) {
            Ok(()) => Ok(()),
            Err(Dead::Revoked | Dead::Expired) => Err(DenialCode::TokenExpired.into()),
            Err(Dead::Spent) => Err(NotAdmitted { code: DenialCode::TokenExpired, is_spent: true }),
        },
        (None, Authority::Host(_)) => {
            if context.caller.facts.expects == Expectation::Enrolled && !record.is_established() {
                context.event(EventKind::RecordMissing);
                return Err(DenialCode::RecordMissing.into());
            }
            Ok(())
        }
        (None, Authority::Token { .. }) => Err(DenialCode::TokenMalformed.into()),
    }
}

/// Reports a clock that went back. Where it had been so far ahead that it is not believed, spent tokens were
/// dropped as expired that live again now: every older token is dead instead.
fn judge_clock(record: &mut Record, context: &mut Context<'_>) {
    let by_ms = record.seen_ms.saturating_sub(context.now_ms);
    if by_ms > CLOCK_DRIFT_MS_MAX {
        context.event(EventKind::ClockWentBackwards { by_ms });
    }
    if record.was_far_ahead(context.now_ms) {
        record.raise_epoch();
        context.persist = Persist::Always;
    }
}

/// Reports a failed attempt; a counted one leaves its charge, and may make the first factor suspect or
/// disable what was tested.
fn failed(refusal: &mut Refusal, before: Record, charge: &Charge, context: &mut Context<'_>) -> Change {
    let Refusal::Denied(denial) = refusal else { return Change::None };
    if let Some(reason) = denial.failure.take() {
        context.event(EventKind::VerificationFailed { reason });
    }
    if !denial.counted || *charge == Charge::default() {
        return Change::None;
    }
    let mut record = before;
    charge.take(&mut record.buckets, context);
    let record = charge.fail(record);
    if record.failures == SUSPECT_FAILURES {
        context.event(EventKind::FirstFactorSuspect);
    }
    for enrollment in
        record.enrollments.iter().filter(|enrollment| charge.tested.contains(&enrollment.suffix))
    {
        if context.policy.disable_after == Some(enrollment.failures) {
            context.event(EventKind::AuthenticatorDisabled { authenticator: enrollment.authenticator_id() });
        }
    }
    Change::Write(record)
}

/// How long until the buckets hold the charge, and the list of spent tokens has room for the caller's; `None`
/// where they do. Known before the code is looked at, so that right and wrong wait alike.
fn wait_ms(charge: &Charge, record: &Record, context: &Context<'_>) -> Option<u64> {
    let mut buckets = record.buckets;
    let parts = charge.parts(&mut buckets, context.policy).into_iter().flatten();
    let waits_ms = parts.map(|(bucket, budget, attempts)| {
        bucket.wait_ms(budget, attempts, context.now_ms).unwrap_or(u64::MAX)
    });
    let logs_in = matches!(context.token(), Some(Token { grant: Grant::Mfa(_), .. }));
    let spends = logs_in && *charge != Charge::default();
    let room_ms = if spends { record.spent_room_ms(context.now_ms) } else { 0 };
    waits_ms.chain([room_ms]).max().filter(|wait_ms| *wait_ms > 0)
}

impl Charge {
    /// The buckets that are charged, each with its budget and how many attempts.
    fn parts<'a>(
        &self,
        buckets: &'a mut Buckets,
        policy: &Policy,
    ) -> [Option<(&'a mut Bucket, Budget, u32)>; 3] {
        let budgets = &policy.budgets;
        let codes = (self.codes > 0).then_some(self.codes);
        [
            codes.map(|codes| (&mut buckets.codes, budgets.codes, codes)),
            codes.zip(budgets.codes_slow).map(|(codes, slow)| (&mut buckets.codes_slow, slow, codes)),
            (self.recovery > 0).then_some((&mut buckets.recovery, budgets.recovery, self.recovery)),
        ]
    }

    fn take(&self, buckets: &mut Buckets, context: &Context<'_>) {
        for (bucket, budget, attempts) in self.parts(buckets, context.policy).into_iter().flatten() {
            bucket.charge(budget, attempts, context.now_ms);
        }
    }

    /// Counts the failure, once it is one: an authenticator is not disabled by the attempt that is being
    /// made.
    fn fail(&self, mut record: Record) -> Record {
        record.failures = record.failures.saturating_add(1);
        for enrollment in
            record.enrollments.iter_mut().filter(|enrollment| self.tested.contains(&enrollment.suffix))
        {
            enrollment.failures = enrollment.failures.saturating_add(1);
        }
        record
    }

    /// Gives back what [`Charge::take`] took.
    fn give_back(&self, buckets: &mut Buckets, policy: &Policy) {
        for (bucket, budget, attempts) in self.parts(buckets, policy).into_iter().flatten() {
            bucket.give_back(budget, attempts);
        }
    }
}
