//! How an operation ended: outcome, body, values by name, effects.

use mfacore::{Outcome, SecretString};

use crate::ended::Ended;
use crate::growing::{Growing, growing_output};
use crate::operation::mfacore_operation;
use crate::slice::{handle, mfacore_slice, output};
use crate::status::{Failure, MFACORE_ERROR_NOT_FOUND, guard, guard_value, mfacore_error, mfacore_status};

/// No outcome: the operation runs still, or ended in an error. Deny.
pub const MFACORE_OUTCOME_NONE: i32 = 0;
/// Done. From `require`: nothing is required, and the first factor is enough; from any other call no login.
pub const MFACORE_OUTCOME_DONE: i32 = 11;
/// A factor must be passed, or enrolled, first. Nobody is logged in.
pub const MFACORE_OUTCOME_REQUIRED: i32 = 22;
/// Refused.
pub const MFACORE_OUTCOME_DENIED: i32 = 33;
/// A later factor was confirmed. Nobody is logged in.
pub const MFACORE_OUTCOME_CONFIRMED: i32 = 44;
/// The user whom `verified.user` names passed what policy asks for: log that user in where `verified.purpose` is
/// `log_in`; where it is `step_up`, do what `verified.transaction` says.
pub const MFACORE_OUTCOME_GRANTED: i32 = 0x4D46_4121;

fn number(outcome: Outcome) -> i32 {
    match outcome {
        Outcome::None => MFACORE_OUTCOME_NONE,
        Outcome::Done => MFACORE_OUTCOME_DONE,
        Outcome::Required => MFACORE_OUTCOME_REQUIRED,
        Outcome::Denied => MFACORE_OUTCOME_DENIED,
        Outcome::Confirmed => MFACORE_OUTCOME_CONFIRMED,
        Outcome::Granted => MFACORE_OUTCOME_GRANTED,
    }
}

// One number everywhere: a host that reads both interfaces must not meet two.
const _: () = {
    assert!(MFACORE_OUTCOME_NONE == Outcome::None as i32);
    assert!(MFACORE_OUTCOME_DONE == Outcome::Done as i32);
    assert!(MFACORE_OUTCOME_REQUIRED == Outcome::Required as i32);
    assert!(MFACORE_OUTCOME_DENIED == Outcome::Denied as i32);
    assert!(MFACORE_OUTCOME_CONFIRMED == Outcome::Confirmed as i32);
    assert!(MFACORE_OUTCOME_GRANTED == Outcome::Granted as i32);
};

/// Something to send.
pub const MFACORE_EFFECT_DELIVERY: i32 = 1;
/// Something for the audit log.
pub const MFACORE_EFFECT_EVENT: i32 = 2;

/// An effect. Set `struct_size` to `sizeof(mfacore_effect)` and the rest to zero.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mfacore_effect {
    /// The size that the caller was compiled with.
    pub struct_size: usize,
    /// `MFACORE_EFFECT_..`.
    pub kind: i32,
    /// Zero.
    pub reserved: i32,
    /// The whole effect as JSON. As all slices here it is borrowed until the operation is freed.
    pub json: mfacore_slice,
    /// Delivery: `sms`, `voice`, `email` or `auth0` (push). Event: its name.
    pub name: mfacore_slice,
    /// Delivery: the number, the address, or where the push service reaches the device. NULL for an event.
    pub destination: mfacore_slice,
    /// Delivery of a code: the code. NULL else.
    pub code: mfacore_slice,
}

// SAFETY: `repr(C)`, begins with a `usize`, `tests/layout.rs` shows that it has no padding, and zero bytes are a
// value of each member.
unsafe impl Growing for mfacore_effect {
    const FIRST_SIZE: usize = 80;
}

fn slice(text: &SecretString) -> mfacore_slice {
    mfacore_slice::of(text.expose().as_bytes())
}

fn optional(text: Option<&SecretString>) -> mfacore_slice {
    text.map_or(mfacore_slice::EMPTY, slice)
}

/// The outcome, `MFACORE_OUTCOME_..`; `MFACORE_OUTCOME_NONE` while the operation runs, for NULL, and where it
/// ended in an error. A login is `MFACORE_OUTCOME_GRANTED` alone, and after `require` `MFACORE_OUTCOME_DONE`.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_operation_outcome(operation: *const mfacore_operation) -> i32 {
    guard_value(MFACORE_OUTCOME_NONE, || {
        let ended = handle(operation, "operation").and_then(mfacore_operation::ended);
        ended.map_or(MFACORE_OUTCOME_NONE, |ended| number(ended.outcome()))
    })
}

/// HTTP status and the contract's JSON (empty for 204), whichever way the operation ended; borrowed until it is
/// freed. Errors: `MFACORE_ERROR_ARGUMENT`; `MFACORE_ERROR_ORDER` where it has not ended.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_operation_body(
    operation: *const mfacore_operation,
    http_status: *mut i32,
    json: *mut mfacore_slice,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        let http_status = output(http_status, 0, "http_status");
        let json = output(json, mfacore_slice::EMPTY, "json");
        let (http_status, json) = (http_status?, json?);
        let response = handle(operation, "operation")?.ended()?.response();
        http_status.put(response.status.into());
        json.put(slice(&response.body));
        Ok(())
    })
}

/// Why the operation was refused or failed, for a log: holds no secret; empty where it was neither. Borrowed until
/// it is freed. Errors: `MFACORE_ERROR_ARGUMENT`; `MFACORE_ERROR_ORDER` where it has not ended.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_operation_message(
    operation: *const mfacore_operation,
    message: *mut mfacore_slice,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        let message = output(message, mfacore_slice::EMPTY, "message")?;
        message.put(mfacore_slice::of(handle(operation, "operation")?.ended()?.message().as_bytes()));
        Ok(())
    })
}

/// A value by name: a member of the body (`mfa_token`, `oob_code`, `error`, ..; a text as it is, anything else as
/// JSON), or of the proof of a login, which the body does not hold: `verified.user`, `verified.authenticator`,
/// `verified.challenge` (hexadecimal), `verified.amr` (JSON), `verified.acr`, `verified.at_ms`,
/// `verified.purpose` (`log_in` or `step_up`), `verified.is_weak` (`true` or `false`), `verified.transaction`.
/// Borrowed until the operation is freed. Errors: `MFACORE_ERROR_NOT_FOUND` where there is none, never an empty text
/// in its place; `MFACORE_ERROR_ARGUMENT`, `_UTF8`; `MFACORE_ERROR_ORDER` where the operation has not ended.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_operation_get(
    operation: *const mfacore_operation,
    name: mfacore_slice,
    value: *mut mfacore_slice,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        let value = output(value, mfacore_slice::EMPTY, "value")?;
        let (ended, name) = (handle(operation, "operation")?.ended()?, name.text("name")?);
        let found = ended.value(name);
        value.put(slice(found.ok_or_else(|| not_found("there is no value of this name"))?));
        Ok(())
    })
}

/// The record's sequence, to be kept outside the store and given as the fact `sequence_min`: shows that storage was
/// set back. 0 where none was read, for NULL, and while the operation runs.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_operation_sequence(operation: *const mfacore_operation) -> u64 {
    guard_value(0, || {
        handle(operation, "operation").and_then(mfacore_operation::ended).map_or(0, Ended::sequence)
    })
}

/// How many effects there are: deliveries first, then events. 0 for NULL, and while the operation runs: nothing may
/// be sent before its write is committed.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_operation_effect_count(operation: *const mfacore_operation) -> usize {
    guard_value(0, || {
        handle(operation, "operation").and_then(mfacore_operation::ended).map_or(0, Ended::effects_len)
    })
}

/// The effect at `index`, from 0. Send each delivery once, log each event, whatever the outcome. Errors:
/// `MFACORE_ERROR_NOT_FOUND` past the last one; `MFACORE_ERROR_ARGUMENT`; `MFACORE_ERROR_ORDER` where the operation
/// has not ended.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_operation_effect(
    operation: *const mfacore_operation,
    index: usize,
    effect: *mut mfacore_effect,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        let out = growing_output(effect, "effect")?;
        let found = handle(operation, "operation")?.ended()?.effect(index);
        let found = found.ok_or_else(|| not_found("there is no effect at this index"))?;
        out.put(mfacore_effect {
            struct_size: 0,
            kind: found.kind,
            reserved: 0,
            json: slice(&found.json),
            name: slice(&found.name),
            destination: optional(found.destination.as_ref()),
            code: optional(found.code.as_ref()),
        });
        Ok(())
    })
}

fn not_found(text: &str) -> Failure {
    Failure::new(MFACORE_ERROR_NOT_FOUND, text)
}
