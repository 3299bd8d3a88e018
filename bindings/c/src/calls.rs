//! What servers call at login, without writing JSON.

use mfacore::commands::{Challenge, Command, Require, VerifyOob, VerifyOtp, VerifyRecoveryCode};
use mfacore::{Caller, Subject};

use crate::engine::mfacore_engine;
use crate::operation::{clock, entropy, mfacore_operation};
use crate::slice::{handle, handle_output, mfacore_slice};
use crate::status::{Failure, guard, mfacore_error, mfacore_status};

/// The token must be of the user named in `user`.
pub const MFACORE_SUBJECT_EXPECTED: i32 = 1;
/// Whoever the token names: for endpoints that have no session yet. `user` must be empty.
pub const MFACORE_SUBJECT_FROM_TOKEN: i32 = 2;

/// The common part of these functions: the output first, then the command and its caller, as `call` reads them.
fn begin<C: Command>(
    engine: *const mfacore_engine,
    now_ms: u64,
    seed: *const u8,
    out: *mut *mut mfacore_operation,
    call: impl FnOnce() -> Result<(C, Caller), Failure>,
) -> Result<(), Failure> {
    let out = handle_output(out)?;
    let engine = &handle(engine, "engine")?.engine;
    let (command, caller) = call()?;
    let seed = entropy(seed)?;
    out.put(mfacore_operation::begin(engine.call_command(command, caller, clock(now_ms), *seed)));
    Ok(())
}

fn with_client(caller: Caller, client: mfacore_slice) -> Result<Caller, Failure> {
    Ok(match client.text("client")? {
        "" => caller,
        client => caller.client(client),
    })
}

/// A token's bearer, whose it must be said by constant: forgetting to say it is no option.
fn bearer(
    token: mfacore_slice,
    subject: i32,
    user: mfacore_slice,
    client: mfacore_slice,
) -> Result<Caller, Failure> {
    let subject = match (subject, user.text("user")?) {
        (MFACORE_SUBJECT_EXPECTED, "") => {
            return Err(Failure::argument("user is empty: name the user of your session"));
        }
        (MFACORE_SUBJECT_EXPECTED, user) => Subject::Expected(user.to_owned()),
        (MFACORE_SUBJECT_FROM_TOKEN, "") => Subject::FromToken,
        (MFACORE_SUBJECT_FROM_TOKEN, _) => {
            return Err(Failure::argument("user is given, and MFACORE_SUBJECT_FROM_TOKEN would ignore it"));
        }
        _ => return Err(Failure::argument("subject is none of MFACORE_SUBJECT_..")),
    };
    with_client(Caller::token(token.text("token")?, subject), client)
}

fn optional(slice: mfacore_slice, name: &str) -> Result<Option<String>, Failure> {
    Ok(Some(slice.text(name)?.to_owned()).filter(|text| !text.is_empty()))
}

/// After the first factor of `user` was right: is a second one due? `MFACORE_OUTCOME_DONE` says no: log the user in.
/// `client` and `device_token` may be empty. For facts on the user call `mfacore_operation_new`. Time, seed,
/// ownership, threads and errors as there.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_require(
    engine: *const mfacore_engine,
    user: mfacore_slice,
    client: mfacore_slice,
    device_token: mfacore_slice,
    now_ms: u64,
    seed: *const u8,
    out: *mut *mut mfacore_operation,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        begin(engine, now_ms, seed, out, || {
            let caller = with_client(Caller::host(user.text("user")?), client)?;
            let device_token = optional(device_token, "device_token")?.map(Into::into);
            Ok((Require { device_token }, caller))
        })
    })
}

/// Takes or picks the authenticator that is to be passed, and sends what it needs: read the effects.
/// `challenge_type` and `authenticator_id` may be empty; `subject` is `MFACORE_SUBJECT_..`. The rest as
/// `mfacore_operation_new`.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_challenge(
    engine: *const mfacore_engine,
    mfa_token: mfacore_slice,
    subject: i32,
    user: mfacore_slice,
    client: mfacore_slice,
    challenge_type: mfacore_slice,
    authenticator_id: mfacore_slice,
    now_ms: u64,
    seed: *const u8,
    out: *mut *mut mfacore_operation,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        begin(engine, now_ms, seed, out, || {
            let command = Challenge {
                challenge_type: optional(challenge_type, "challenge_type")?,
                authenticator_id: optional(authenticator_id, "authenticator_id")?,
            };
            Ok((command, bearer(mfa_token, subject, user, client)?))
        })
    })
}

/// Verifies a typed one-time password; `client` and `authenticator_id` may be empty. `token` is an `mfa_token`, or,
/// to confirm what was enrolled with it, an access token; `subject` is `MFACORE_SUBJECT_..`. The rest as
/// `mfacore_operation_new`.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_verify_otp(
    engine: *const mfacore_engine,
    token: mfacore_slice,
    subject: i32,
    user: mfacore_slice,
    client: mfacore_slice,
    otp: mfacore_slice,
    authenticator_id: mfacore_slice,
    now_ms: u64,
    seed: *const u8,
    out: *mut *mut mfacore_operation,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        begin(engine, now_ms, seed, out, || {
            let authenticator_id = optional(authenticator_id, "authenticator_id")?;
            let command = VerifyOtp { otp: otp.text("otp")?.into(), authenticator_id };
            Ok((command, bearer(token, subject, user, client)?))
        })
    })
}

/// Verifies what was sent; `binding_code` is empty for a push, which this polls. The rest as `mfacore_verify_otp`.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_verify_oob(
    engine: *const mfacore_engine,
    token: mfacore_slice,
    subject: i32,
    user: mfacore_slice,
    client: mfacore_slice,
    oob_code: mfacore_slice,
    binding_code: mfacore_slice,
    now_ms: u64,
    seed: *const u8,
    out: *mut *mut mfacore_operation,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        begin(engine, now_ms, seed, out, || {
            let binding_code = optional(binding_code, "binding_code")?.map(Into::into);
            let command = VerifyOob { oob_code: oob_code.text("oob_code")?.into(), binding_code };
            Ok((command, bearer(token, subject, user, client)?))
        })
    })
}

/// Verifies a typed recovery code. The rest as `mfacore_verify_otp`.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_verify_recovery_code(
    engine: *const mfacore_engine,
    token: mfacore_slice,
    subject: i32,
    user: mfacore_slice,
    client: mfacore_slice,
    recovery_code: mfacore_slice,
    now_ms: u64,
    seed: *const u8,
    out: *mut *mut mfacore_operation,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        begin(engine, now_ms, seed, out, || {
            let command = VerifyRecoveryCode { recovery_code: recovery_code.text("recovery_code")?.into() };
            Ok((command, bearer(token, subject, user, client)?))
        })
    })
}
