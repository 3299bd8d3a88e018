//! Key rings and engines.

use mfacore::{Engine, KeyRing, Policy};
use zeroize::Zeroizing;

use crate::slice::{free, handle, handle_mut, handle_output, mfacore_slice};
use crate::status::{Failure, MFACORE_ERROR_CONFIG, guard, guard_value, mfacore_error, mfacore_status};

/// 32 secret bytes that stay at one place until they are wiped.
type Key = Box<Zeroizing<[u8; 32]>>;

/// A ring of root keys while it is put together. One thread at a time.
#[allow(non_camel_case_types)]
pub struct mfacore_keys {
    active: (u32, Key),
    retired: Vec<(u32, Key)>,
    naming: Option<Key>,
}

impl mfacore_keys {
    fn ring(&self) -> Result<KeyRing, Failure> {
        let mut ring = KeyRing::new(self.active.0, **self.active.1).map_err(config)?;
        for (id, key) in &self.retired {
            ring = ring.with_retired(*id, ***key).map_err(config)?;
        }
        match &self.naming {
            Some(key) => ring.with_naming_key(***key).map_err(config),
            None => Ok(ring),
        }
    }
}

pub(crate) fn config(error: impl std::fmt::Display) -> Failure {
    Failure::new(MFACORE_ERROR_CONFIG, error.to_string())
}

fn key(bytes: *const u8, name: &str) -> Result<Key, Failure> {
    if bytes.is_null() {
        return Err(Failure::argument(format!("{name} is NULL")));
    }
    let mut key = Box::new(Zeroizing::new([0; 32]));
    // SAFETY: not NULL, and by the header's contract 32 readable bytes; the box is ours alone.
    unsafe { bytes.copy_to_nonoverlapping(key.as_mut_ptr(), 32) };
    Ok(key)
}

/// Begins a ring with the key that seals, and the number that names it: 32 bytes from the system's generator, kept in
/// your secret manager. They are copied; wipe yours. `out` is yours: free it with `mfacore_keys_free`, which you may do
/// once engines are made. Any thread. Errors: `MFACORE_ERROR_ARGUMENT`; `MFACORE_ERROR_CONFIG` for a key that was
/// never filled.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_keys_new(
    id: u32,
    root: *const u8,
    out: *mut *mut mfacore_keys,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        let out = handle_output(out)?;
        let keys = mfacore_keys { active: (id, key(root, "root")?), retired: Vec::new(), naming: None };
        keys.ring()?;
        out.put(Box::into_raw(Box::new(keys)));
        Ok(())
    })
}

/// Adds a key that opens what it has sealed and seals nothing any more. 32 bytes, copied. Engines made before do not
/// have it. Errors, after which the ring is as it was: `MFACORE_ERROR_ARGUMENT`; `MFACORE_ERROR_CONFIG` for a key that
/// was never filled, an id that is there already, or a ring that is full.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_keys_add_retired(
    keys: *mut mfacore_keys,
    id: u32,
    root: *const u8,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        let keys = handle_mut(keys, "keys")?;
        keys.retired.push((id, key(root, "root")?));
        if let Err(failure) = keys.ring() {
            keys.retired.pop();
            return Err(failure);
        }
        Ok(())
    })
}

/// Sets the key that names the budgets which cross users: needed with the factors phone and email. 32 bytes,
/// copied; give the same ones for ever. Engines made before do not have it. Errors, after which the ring is as it was:
/// `MFACORE_ERROR_ARGUMENT`; `MFACORE_ERROR_CONFIG` for a key that was never filled.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_keys_set_naming(
    keys: *mut mfacore_keys,
    naming: *const u8,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        let keys = handle_mut(keys, "keys")?;
        let before = keys.naming.replace(key(naming, "naming")?);
        if let Err(failure) = keys.ring() {
            keys.naming = before;
            return Err(failure);
        }
        Ok(())
    })
}

/// Frees and wipes a ring; engines made of it live on. NULL is nothing.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_keys_free(keys: *mut mfacore_keys) {
    // SAFETY: NULL, or made by `mfacore_keys_new`, and freed once by the header's contract.
    guard_value((), || unsafe { free(keys) });
}

/// Keys and policy of a tenant. Any number of threads at once.
#[allow(non_camel_case_types)]
pub struct mfacore_engine {
    pub(crate) engine: Engine,
}

/// Makes an engine. `policy_json` is an object: `{"profile": "recommended", "issuer": "ACME"}`; empty: the
/// recommended policy as it is; docs/json.md has its members. `keys` stays yours, and `out` is: free it with `mfacore_engine_free`. Any thread.
/// Errors: `MFACORE_ERROR_CONFIG`, whose message says what to change; `MFACORE_ERROR_ARGUMENT`, `_UTF8`.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_engine_new(
    keys: *const mfacore_keys,
    policy_json: mfacore_slice,
    out: *mut *mut mfacore_engine,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        let out = handle_output(out)?;
        let engine = Engine::new(handle(keys, "keys")?.ring()?, policy(policy_json)?).map_err(config)?;
        out.put(Box::into_raw(Box::new(mfacore_engine { engine })));
        Ok(())
    })
}

/// Makes an engine of another tenant, a name of 1 to 48 bytes, that shares the keys of `engine`. Nothing of one tenant
/// opens for another. `engine` stays yours and may be freed first; `out` is yours: free it with
/// `mfacore_engine_free`. Any thread. Errors: as `mfacore_engine_new`.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_engine_with_policy(
    engine: *const mfacore_engine,
    tenant: mfacore_slice,
    policy_json: mfacore_slice,
    out: *mut *mut mfacore_engine,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        let out = handle_output(out)?;
        let first = &handle(engine, "engine")?.engine;
        let engine = first.with_policy(tenant.text("tenant")?, policy(policy_json)?).map_err(config)?;
        out.put(Box::into_raw(Box::new(mfacore_engine { engine })));
        Ok(())
    })
}

fn policy(json: mfacore_slice) -> Result<Policy, Failure> {
    match json.text("policy_json")? {
        "" => Ok(Policy::recommended()),
        json => Policy::from_json(json).map_err(config),
    }
}

/// Frees an engine, which no call uses any more; operations begun with it live on. NULL is nothing.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_engine_free(engine: *mut mfacore_engine) {
    // SAFETY: NULL, or made by `mfacore_engine_new` or `_with_policy`, and freed once by the header's contract.
    guard_value((), || unsafe { free(engine) });
}
