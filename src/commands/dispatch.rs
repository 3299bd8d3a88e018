//! From a record and a call to a decision: token and expectation checked, attempt charged, handler run on a
//! copy.

use super::{Call, Charge, kept_answer};
use crate::caller::{Authority, Expectation};
use crate::context::{Context, Persist};
use crate::denial::{Denial, DenialCode};
use crate::error::Error;
use crate::event::{EventKind, FailureReason};
use crate::limiter::Limit;
use crate::limits::{CLOCK_DRIFT_MS_MAX, SUSPECT_FAILURES};
use crate::record::authenticator::Suffix;
use crate::record::budget::{Bucket, Buckets, Budget};
use crate::record::enrollment::Enrollment;
use crate::record::{Life, Record};
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
        Err(mut refusal) => {
            if let Refusal::Denied(denial) = &mut refusal {
                report(denial, context);
            }
            return Ok(unchanged(Err(refusal)));
        }
    };
    if let Some((wait_ms, limit)) = wait(&charge, &before, context) {
        if charge.codes > 0 || charge.recovery > 0 {
            context.event(EventKind::VerificationFailed { reason: FailureReason::Locked });
        }
        return Ok(unchanged(Err(too_many(context, limit, wait_ms).into())));
    }
    let mut work = before.clone();
    charge.take(&mut work.buckets, context);
    let told = std::mem::take(&mut context.told);
    let mut result = call.apply(&mut work, context);
    // What a handler told has not happened where it was refused, or where there is nothing it happened to.
    let is_undone = is_absent && !call.allows().creates;
    let by_handler = std::mem::replace(&mut context.told, told);
    let change = match &mut result {
        _ if is_undone => Change::None,
        Ok(_) => {
            context.told.extend(by_handler);
            tell_of_lapsed(&before, &work, context);
            charge.give_back(&mut work.buckets, context);
            match context.persist {
                Persist::Delete => Change::Delete,
                Persist::IfChanged if work == before => Change::None,
                Persist::Always | Persist::IfChanged => Change::Write(work),
            }
        }
        Err(Refusal::Denied(denial)) if denial.keeps_change => {
            context.told.extend(by_handler);
            tell_of_lapsed(&before, &work, context);
            failed(denial, work, &charge, context)
        }
        Err(Refusal::Denied(denial)) => {
            context
                .told
                .events
                .extend(by_handler.events.into_iter().filter(|event| event.kind.is_of_limit()));
            failed(denial, charged(before, &charge, context), &charge, context)
        }
        Err(Refusal::Error(_)) => Change::None,
    };
    Ok(Decision { result, change })
}

/// Every enrollment that was begun has an end in the audit log, whatever ended it: a fourth one, the first one that
/// was confirmed, or a new epoch.
fn tell_of_lapsed(before: &Record, after: &Record, context: &mut Context<'_>) {
    if matches!(after.life, Life::Erased { .. }) {
        return;
    }
    let is_gone = |suffix: &Suffix| after.all_enrollments().all(|enrollment| enrollment.suffix != *suffix);
    let lapsed: Vec<String> = before
        .live_pending(context.now_ms)
        .map(|pending| &pending.enrollment)
        .filter(|enrollment| is_gone(&enrollment.suffix) && !context.told.has_end_of(enrollment))
        .map(Enrollment::authenticator_id)
        .collect();
    for authenticator in lapsed {
        context.event(EventKind::EnrollmentExpired { authenticator });
    }
}

fn charged(mut before: Record, charge: &Charge, context: &Context<'_>) -> Record {
    charge.take(&mut before.buckets, context);
    before
}

/// The refusal of a spent budget, with its event.
pub(super) fn too_many(context: &mut Context<'_>, limit: Limit, wait_ms: u64) -> Denial {
    let retry_after_s = wait_ms.div_ceil(1_000);
    context.event(EventKind::LimitReached { limit, retry_after_s });
    context.deny(DenialCode::TooManyAttempts).retry_after_s(retry_after_s)
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

/// Tells the audit log why a code failed, which the caller is not told.
fn report(denial: &mut Denial, context: &mut Context<'_>) {
    if let Some(reason) = denial.failure.take() {
        context.event(EventKind::VerificationFailed { reason });
    }
}

/// Reports a failed attempt, which leaves `record`, already charged: a counted one keeps its charge, and may
/// make the first factor suspect or disable what was tested.
fn failed(denial: &mut Denial, record: Record, charge: &Charge, context: &mut Context<'_>) -> Change {
    report(denial, context);
    if !denial.counted || *charge == Charge::default() {
        return if denial.keeps_change { Change::Write(record) } else { Change::None };
    }
    let record = charge.fail(record);
    if record.failures == SUSPECT_FAILURES {
        context.event(EventKind::FirstFactorSuspect);
    }
    for enrollment in record.all_enrollments().filter(|enrollment| charge.tested.contains(&enrollment.suffix))
    {
        if context.policy.disable_after == Some(enrollment.failures) {
            context.event(EventKind::AuthenticatorDisabled { authenticator: enrollment.authenticator_id() });
        }
    }
    Change::Write(record)
}

/// How long until the buckets hold the charge, and the list of spent tokens has room for the caller's; `None`
/// where they do. Known before the code is looked at, so that right and wrong wait alike.
fn wait(charge: &Charge, record: &Record, context: &Context<'_>) -> Option<(u64, Limit)> {
    let mut buckets = record.buckets;
    let parts = charge.parts(&mut buckets, context).into_iter().flatten();
    let waits = parts.map(|Part { bucket, budget, attempts, limit }| {
        (bucket.wait_ms(budget, attempts, context.now_ms).unwrap_or(u64::MAX), limit)
    });
    let logs_in = matches!(context.token(), Some(Token { grant: Grant::Mfa(_), .. }));
    let room_ms = if logs_in && charge.spends_token { record.spent_room_ms(context.now_ms) } else { 0 };
    let waits = waits.chain([(room_ms, Limit::Tokens)]).filter(|(wait_ms, _)| *wait_ms > 0);
    waits.max_by_key(|(wait_ms, _)| *wait_ms)
}

/// A bucket that a charge draws on.
struct Part<'a> {
    bucket: &'a mut Bucket,
    budget: Budget,
    attempts: u32,
    limit: Limit,
}

impl Charge {
    /// The buckets that are charged.
    fn parts<'a>(&self, buckets: &'a mut Buckets, context: &Context<'_>) -> [Option<Part<'a>>; 3] {
        let budgets = &context.policy.budgets;
        let part = |bucket, budget: Option<Budget>, attempts, limit| {
            budget.filter(|_| attempts > 0).map(|budget| Part { bucket, budget, attempts, limit })
        };
        let (codes, slow) = if context.draws_on_reserved() {
            let slow = (&mut buckets.reserved_slow, budgets.reserved_slow);
            ((&mut buckets.reserved, Some(budgets.reserved)), slow)
        } else {
            ((&mut buckets.codes, Some(budgets.codes)), (&mut buckets.codes_slow, budgets.codes_slow))
        };
        [
            part(codes.0, codes.1, self.codes, Limit::Codes),
            part(slow.0, slow.1, self.codes, Limit::Codes),
            part(&mut buckets.recovery, Some(budgets.recovery), self.recovery, Limit::RecoveryCodes),
        ]
    }

    fn take(&self, buckets: &mut Buckets, context: &Context<'_>) {
        for Part { bucket, budget, attempts, .. } in self.parts(buckets, context).into_iter().flatten() {
            bucket.charge(budget, attempts, context.now_ms);
        }
    }

    /// Counts the failure, once it is one: an authenticator is not disabled by the attempt that is being
    /// made.
    fn fail(&self, mut record: Record) -> Record {
        record.failures = record.failures.saturating_add(1);
        for enrollment in
            record.enrollments_mut().filter(|enrollment| self.tested.contains(&enrollment.suffix))
        {
            enrollment.failures = enrollment.failures.saturating_add(1);
        }
        record
    }

    /// Gives back what [`Charge::take`] took.
    fn give_back(&self, buckets: &mut Buckets, context: &Context<'_>) {
        for Part { bucket, budget, attempts, .. } in self.parts(buckets, context).into_iter().flatten() {
            bucket.give_back(budget, attempts);
        }
    }
}
