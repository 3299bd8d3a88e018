//! What library this is, and what it can do, as data.

use std::sync::LazyLock;

use mfacore::commands::COMMANDS;

use crate::slice::mfacore_slice;
use crate::status::guard_value;

/// The number of the binary interface; within one number things are only added.
pub const MFACORE_ABI: u32 = 1;

/// The version of the library that is linked, UTF-8; compare it with `MFACORE_VERSION`. Borrowed for ever. Any
/// thread.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_version() -> mfacore_slice {
    guard_value(mfacore_slice::EMPTY, || mfacore_slice::of(env!("CARGO_PKG_VERSION").as_bytes()))
}

/// The interface number of the library that is linked; it must be `MFACORE_ABI`. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_abi() -> u32 {
    MFACORE_ABI
}

/// Every call with those who may make it, as JSON: `[{"name": "require", "host": true, "mfa_token": false,
/// "access": null, "device": false}, ..]`. `access` names the scopes that an access token needs, or is null where
/// none will do; `device` says whether a push device makes it. Borrowed for ever. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_commands() -> mfacore_slice {
    static LIST: LazyLock<String> = LazyLock::new(|| {
        let one = |(name, allows): &(&str, mfacore::commands::Allows)| {
            serde_json::json!({
                "name": name,
                "host": allows.host,
                "mfa_token": allows.mfa_token,
                "access": allows.access.map(|scopes| scopes.to_string()),
                "device": allows.device.is_some(),
            })
        };
        serde_json::Value::Array(COMMANDS.iter().map(one).collect()).to_string()
    });
    guard_value(mfacore_slice::EMPTY, || mfacore_slice::of(LIST.as_bytes()))
}
