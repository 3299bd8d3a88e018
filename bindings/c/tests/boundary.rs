//! What a careless or hostile C caller may do: nothing of it is more than a status, and nothing of it grants.
#![allow(missing_docs)]

mod support;

use std::ptr::{null, null_mut};

use mfacore_c::about::{MFACORE_ABI, mfacore_abi, mfacore_commands, mfacore_version};
use mfacore_c::calls::*;
use mfacore_c::engine::*;
use mfacore_c::finished::*;
use mfacore_c::operation::*;
use mfacore_c::otp::*;
use mfacore_c::slice::mfacore_slice;
use mfacore_c::status::*;
use mfacore_c::store::*;
use mfacore_c::table::*;
use mfacore_c::want::*;

use support::*;

#[test]
fn null_is_refused_everywhere_and_freed_everywhere() {
    let null_keys = null_mut::<mfacore_keys>();
    assert_eq!(status(told(|e| mfacore_keys_new(1, ROOT.as_ptr(), null_mut(), e))), MFACORE_ERROR_ARGUMENT);
    assert_eq!(
        status(told(|e| mfacore_keys_add_retired(null_keys, 2, ROOT.as_ptr(), e))),
        MFACORE_ERROR_ARGUMENT
    );
    assert_eq!(
        status(told(|e| mfacore_keys_set_naming(null_keys, ROOT.as_ptr(), e))),
        MFACORE_ERROR_ARGUMENT
    );
    assert_eq!(status(told(|e| mfacore_engine_new(null_keys, EMPTY, null_mut(), e))), MFACORE_ERROR_ARGUMENT);
    assert_eq!(
        status(told(|e| mfacore_engine_with_policy(null(), slice("a"), EMPTY, null_mut(), e))),
        MFACORE_ERROR_ARGUMENT
    );
    assert_eq!(
        status(told(|e| mfacore_operation_new(null(), EMPTY, EMPTY, EMPTY, 0, null(), null_mut(), e))),
        MFACORE_ERROR_ARGUMENT
    );
    let nothing = null_mut::<mfacore_operation>();
    assert_eq!(status(told(|e| mfacore_operation_next(nothing, null_mut(), e))), MFACORE_ERROR_ARGUMENT);
    for outcome in [MFACORE_LOADED_FAILED, MFACORE_LOADED_ABSENT] {
        assert_eq!(
            status(told(|e| mfacore_operation_loaded(nothing, outcome, null(), EMPTY, e))),
            MFACORE_ERROR_ARGUMENT
        );
    }
    assert_eq!(status(told(|e| mfacore_operation_stored(nothing, 1, e))), MFACORE_ERROR_ARGUMENT);
    assert_eq!(status(told(|e| mfacore_operation_run(nothing, null(), e))), MFACORE_ERROR_ARGUMENT);
    assert_eq!(status(told(|e| mfacore_operation_run_store(nothing, null(), e))), MFACORE_ERROR_ARGUMENT);
    assert_eq!(status(told(|e| mfacore_operation_message(nothing, null_mut(), e))), MFACORE_ERROR_ARGUMENT);
    assert_eq!(
        status(told(|e| mfacore_operation_get(nothing, EMPTY, null_mut(), e))),
        MFACORE_ERROR_ARGUMENT
    );
    assert_eq!(status(told(|e| mfacore_operation_effect(nothing, 0, null_mut(), e))), MFACORE_ERROR_ARGUMENT);
    assert_eq!(mfacore_operation_outcome(nothing), MFACORE_OUTCOME_NONE);
    assert_eq!(mfacore_operation_effect_count(nothing), 0);
    assert_eq!(mfacore_operation_sequence(nothing), 0);
    assert_eq!(
        status(told(|e| mfacore_found_put(null_mut(), ROOT.as_ptr(), EMPTY, e))),
        MFACORE_ERROR_ARGUMENT
    );
    assert_eq!(status(told(|e| mfacore_store_open(slice("memory:"), null_mut(), e))), MFACORE_ERROR_ARGUMENT);
    assert_eq!(status(told(|e| mfacore_otp_new_secret(null_mut(), e))), MFACORE_ERROR_ARGUMENT);
    assert_eq!(status(told(|e| mfacore_qr_svg(slice("a"), null_mut(), e))), MFACORE_ERROR_ARGUMENT);
    assert_eq!(mfacore_error_status(null()), MFACORE_OK);
    assert!(mfacore_error_message(null()).data.is_null() && mfacore_text_get(null()).data.is_null());
    mfacore_keys_free(null_mut());
    mfacore_engine_free(null_mut());
    mfacore_operation_free(null_mut());
    mfacore_store_free(null_mut());
    mfacore_text_free(null_mut());
    mfacore_error_free(null_mut());
}

#[test]
fn without_a_place_for_the_error_the_status_says_it() {
    let mut out = rubbish();
    assert_eq!(mfacore_keys_new(1, null(), &raw mut out, null_mut()), MFACORE_ERROR_ARGUMENT);
    assert!(out.is_null());
    assert_eq!(mfacore_operation_next(null(), null_mut(), null_mut()), MFACORE_ERROR_ARGUMENT);
}

#[test]
fn every_output_is_zero_after_a_failure_however_early_it_is() {
    let engine = engine();
    let mut keys = rubbish::<mfacore_keys>();
    assert!(told(|e| mfacore_keys_new(1, null(), &raw mut keys, e)).is_err());
    assert!(keys.is_null());
    let mut other = rubbish::<mfacore_engine>();
    assert!(told(|e| mfacore_engine_new(null(), FULL, &raw mut other, e)).is_err());
    assert!(other.is_null());
    let mut operation = rubbish::<mfacore_operation>();
    assert!(
        told(|e| mfacore_operation_new(null(), FULL, FULL, FULL, 0, null(), &raw mut operation, e)).is_err()
    );
    assert!(operation.is_null());
    operation = rubbish();
    assert!(
        told(|e| mfacore_require(engine.0, FULL, EMPTY, EMPTY, 0, null(), &raw mut operation, e)).is_err()
    );
    assert!(operation.is_null());
    let mut store = rubbish::<mfacore_store>();
    assert!(told(|e| mfacore_store_open(EMPTY, &raw mut store, e)).is_err());
    assert!(store.is_null());
    let mut made = rubbish::<mfacore_text>();
    assert!(told(|e| mfacore_otp_generate(&totp("!"), 1, &raw mut made, e)).is_err());
    assert!(made.is_null());

    // One place is NULL: the other one is zeroed all the same.
    let (mut http, mut json) = (200, slice("stale"));
    assert!(told(|e| mfacore_operation_body(null(), null_mut(), &raw mut json, e)).is_err());
    assert!(told(|e| mfacore_operation_body(null(), &raw mut http, null_mut(), e)).is_err());
    assert!(json.data.is_null() && json.len == 0 && http == 0);
    let (mut result, mut step) = (MFACORE_OTP_ACCEPTED, 1);
    let check = |result, step, e| mfacore_otp_check(&totp("!"), slice("123456"), 1, 77, result, step, e);
    assert!(told(|e| check(null_mut(), &raw mut step, e)).is_err());
    assert!(told(|e| check(&raw mut result, null_mut(), e)).is_err());
    assert_eq!((result, step), (MFACORE_OTP_WRONG, 77));
    let mut value = slice("stale");
    assert!(told(|e| mfacore_operation_get(null(), FULL, &raw mut value, e)).is_err());
    assert!(value.data.is_null());
}

#[test]
fn texts_that_are_none_are_refused() {
    let engine = engine();
    let absurd = mfacore_slice { data: b"x".as_ptr(), len: usize::MAX };
    let long = mfacore_slice { data: b"x".as_ptr(), len: (1 << 24) + 1 };
    let wrong = [
        (FULL, MFACORE_ERROR_ARGUMENT),
        (absurd, MFACORE_ERROR_ARGUMENT),
        (long, MFACORE_ERROR_ARGUMENT),
        (slice(b"\xff"), MFACORE_ERROR_UTF8),
        (slice(b"a\xed\xa0\x80"), MFACORE_ERROR_UTF8),
    ];
    let (caller, mut out) = (slice(r#"{"authority":{"host":"ann"}}"#), null_mut());
    for (text, expected) in wrong {
        let new = |name, caller, body, out| {
            status(told(|e| mfacore_operation_new(engine.0, name, caller, body, NOW_MS, null(), out, e)))
        };
        assert_eq!(new(text, caller, EMPTY, &raw mut out), expected);
        assert_eq!(new(slice("require"), text, EMPTY, &raw mut out), expected);
        assert_eq!(new(slice("require"), caller, text, &raw mut out), expected);
        let place = &raw mut out;
        let verify = |token, user, otp| {
            status(told(|e| {
                mfacore_verify_otp(engine.0, token, 1, user, EMPTY, otp, EMPTY, NOW_MS, null(), place, e)
            }))
        };
        assert_eq!(verify(text, slice("ann"), slice("1")), expected);
        assert_eq!(verify(slice("t"), text, slice("1")), expected);
        assert_eq!(verify(slice("t"), slice("ann"), text), expected);
        assert!(out.is_null());
        let mut store = null_mut();
        assert_eq!(status(told(|e| mfacore_store_open(text, &raw mut store, e))), expected);
        let mut svg = null_mut();
        assert_eq!(status(told(|e| mfacore_qr_svg(text, &raw mut svg, e))), expected);
    }
    // Length 0 goes with any pointer.
    let mut other = null_mut();
    let nowhere = mfacore_slice { data: std::ptr::without_provenance(1), len: 0 };
    told(|e| mfacore_engine_new(keys().0, nowhere, &raw mut other, e)).unwrap();
    mfacore_engine_free(other);
}

#[test]
fn keys_policies_and_callers_are_refused_with_a_reason_and_without_a_secret() {
    let keys = keys();
    let mut out = null_mut();
    assert_eq!(
        status(told(|e| mfacore_keys_new(1, [0; 32].as_ptr(), &raw mut out, e))),
        MFACORE_ERROR_CONFIG
    );
    let retired =
        |id, root: &[u8; 32]| status(told(|e| mfacore_keys_add_retired(keys.0, id, root.as_ptr(), e)));
    assert_eq!(retired(1, b"another key, under the same id.."), MFACORE_ERROR_CONFIG);
    assert_eq!(retired(2, &[7; 32]), MFACORE_ERROR_CONFIG);
    assert_eq!(retired(2, b"another key, under its own id..."), MFACORE_OK);
    assert_eq!(status(told(|e| mfacore_keys_set_naming(keys.0, [1; 32].as_ptr(), e))), MFACORE_ERROR_CONFIG);

    let mut engine = null_mut();
    let policy = slice(r#"{"profile":"none such"}"#);
    assert_eq!(
        status(told(|e| mfacore_engine_new(keys.0, policy, &raw mut engine, e))),
        MFACORE_ERROR_CONFIG
    );
    told(|e| mfacore_engine_new(keys.0, EMPTY, &raw mut engine, e)).unwrap();
    let engine = Owned::new(engine, mfacore_engine_free);
    let mut tenant = null_mut();
    let long = "t".repeat(49);
    for name in ["", &long] {
        let made = told(|e| mfacore_engine_with_policy(engine.0, slice(name), EMPTY, &raw mut tenant, e));
        assert_eq!(status(made), MFACORE_ERROR_CONFIG);
    }

    let mut operation = null_mut();
    for caller in [
        "",
        "{}",
        "[]",
        r#"{"authority":{"token":{"text":"a-secret"}}}"#,
        r#"{"authority":{"token":{"text":"a-secret","subject":"a-secret"}}}"#,
        r#"{"authority":{"host":"ann"},"a-secret":1}"#,
    ] {
        let made = told(|e| {
            let (name, caller) = (slice("verify_otp"), slice(caller));
            mfacore_operation_new(engine.0, name, caller, EMPTY, NOW_MS, null(), &raw mut operation, e)
        });
        let (status, message) = made.unwrap_err();
        assert_eq!(status, MFACORE_ERROR_CONFIG);
        assert!(message.contains("caller_json") && !message.contains("a-secret"), "{message}");
    }
}

#[test]
fn whose_token_it_must_be_cannot_be_forgotten() {
    let engine = engine();
    for (subject, user) in [(0, ""), (0, "ann"), (1, ""), (2, "ann"), (3, "ann"), (-1, "ann"), (i32::MAX, "")]
    {
        let mut out = rubbish();
        let (token, otp, user) = (slice("token"), slice("123456"), slice(user));
        let refused = [
            status(told(|e| {
                mfacore_verify_otp(
                    engine.0,
                    token,
                    subject,
                    user,
                    EMPTY,
                    otp,
                    EMPTY,
                    0,
                    null(),
                    &raw mut out,
                    e,
                )
            })),
            status(told(|e| {
                mfacore_verify_oob(
                    engine.0,
                    token,
                    subject,
                    user,
                    EMPTY,
                    otp,
                    EMPTY,
                    0,
                    null(),
                    &raw mut out,
                    e,
                )
            })),
            status(told(|e| {
                mfacore_verify_recovery_code(
                    engine.0,
                    token,
                    subject,
                    user,
                    EMPTY,
                    otp,
                    0,
                    null(),
                    &raw mut out,
                    e,
                )
            })),
            status(told(|e| {
                mfacore_challenge(
                    engine.0,
                    token,
                    subject,
                    user,
                    EMPTY,
                    otp,
                    EMPTY,
                    0,
                    null(),
                    &raw mut out,
                    e,
                )
            })),
        ];
        assert_eq!(refused, [MFACORE_ERROR_ARGUMENT; 4], "{subject}");
        assert!(out.is_null());
    }
}

#[test]
fn a_store_that_cannot_be_opened_says_why() {
    let mut store = rubbish();
    let opened = told(|e| mfacore_store_open(slice("/no/such/folder/mfa.db"), &raw mut store, e));
    assert_eq!(opened.unwrap_err().0, MFACORE_ERROR_STORE);
    assert!(store.is_null());
}

#[test]
fn one_time_passwords_alone() {
    let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let generate = |algorithm, digits, period, now_ms| {
        let mut made = null_mut();
        let totp = mfacore_totp { algorithm, digits, period_s: period, ..totp(secret) };
        told(|e| mfacore_otp_generate(&totp, now_ms, &raw mut made, e))
            .map(|()| text(mfacore_text_get(Owned::new(made, mfacore_text_free).0)))
            .map_err(|(status, _)| status)
    };
    // RFC 6238, appendix B.
    assert_eq!(generate(MFACORE_OTP_SHA1, 8, 30, 59_000).unwrap(), "94287082");
    // Zero is what apps have.
    assert_eq!(generate(0, 0, 0, 59_000).unwrap(), "287082");
    assert_eq!(generate(2, 6, 30, 59_000), Err(MFACORE_ERROR_ARGUMENT));
    for (digits, period) in [(u32::MAX, 30), (262, 30), (5, 30), (6, u32::MAX)] {
        let made = generate(MFACORE_OTP_SHA1, digits, period, 59_000).unwrap_err();
        assert!([MFACORE_ERROR_ARGUMENT, MFACORE_ERROR_CONFIG].contains(&made), "{digits} {period}");
    }
    let check = |typed: &str, last_step, back| {
        let (mut result, mut step) = (-1, 0);
        let typed = slice(typed);
        let (result_at, step_at) = (&raw mut result, &raw mut step);
        let totp = mfacore_totp { digits: 8, steps_back: back, ..totp(secret) };
        told(|e| mfacore_otp_check(&totp, typed, 59_000, last_step, result_at, step_at, e))
            .map(|()| (result, step))
            .map_err(|(status, _)| status)
    };
    assert_eq!(check("94287082", MFACORE_OTP_NO_STEP, 1), Ok((MFACORE_OTP_ACCEPTED, 1)));
    assert_eq!(check("94287082", 0, 1), Ok((MFACORE_OTP_ACCEPTED, 1)));
    // The step that a careless host keeps, whatever the result, is never lower than the one it had.
    assert_eq!(check("94287082", 1, 1), Ok((MFACORE_OTP_REPLAYED, 1)));
    assert_eq!(check("94287082", 7, 1), Ok((MFACORE_OTP_REPLAYED, 7)));
    assert_eq!(check("94287083", 7, 1), Ok((MFACORE_OTP_WRONG, 7)));
    assert_eq!(check("no code", 7, 1), Ok((MFACORE_OTP_WRONG, 7)));
    assert_eq!(check("", MFACORE_OTP_NO_STEP, 1), Ok((MFACORE_OTP_WRONG, MFACORE_OTP_NO_STEP)));
    assert_eq!(check("94287082", 0, 257), Err(MFACORE_ERROR_CONFIG));

    let (mut secret, mut uri, mut svg) = (null_mut(), null_mut(), null_mut());
    told(|e| mfacore_otp_new_secret(&raw mut secret, e)).unwrap();
    let secret = Owned::new(secret, mfacore_text_free);
    let of = mfacore_text_get(secret.0);
    assert_eq!(of.len, 32);
    let shown = mfacore_totp { secret: of, ..totp("") };
    told(|e| mfacore_otp_uri(&shown, slice("ACME"), slice("ann"), &raw mut uri, e)).unwrap();
    for wrong in [mfacore_totp { reserved: 1, ..shown }, mfacore_totp { struct_size: 47, ..shown }] {
        let mut none = rubbish();
        assert_eq!(
            status(told(|e| mfacore_otp_generate(&wrong, 1, &raw mut none, e))),
            MFACORE_ERROR_ARGUMENT
        );
        assert!(none.is_null());
    }
    let uri = Owned::new(uri, mfacore_text_free);
    assert!(text(mfacore_text_get(uri.0)).starts_with("otpauth://totp/ACME:ann?"));
    told(|e| mfacore_qr_svg(mfacore_text_get(uri.0), &raw mut svg, e)).unwrap();
    assert!(text(mfacore_text_get(Owned::new(svg, mfacore_text_free).0)).contains("<svg"));
    let long = "x".repeat(10_000);
    let mut none = rubbish();
    assert_eq!(status(told(|e| mfacore_qr_svg(slice(&long), &raw mut none, e))), MFACORE_ERROR_CONFIG);
    assert!(none.is_null());
}

#[test]
fn the_library_says_what_it_is() {
    assert_eq!(text(mfacore_version()), env!("CARGO_PKG_VERSION"));
    assert_eq!(mfacore_abi(), MFACORE_ABI);
    let commands: serde_json::Value = serde_json::from_slice(bytes(mfacore_commands())).unwrap();
    let require = commands.as_array().unwrap().iter().find(|command| command["name"] == "require").unwrap();
    assert_eq!(require["host"], true);
    assert_eq!(require["mfa_token"], false);
}
