//! One call of the engine: begun, driven by the host's storage, freed.

use mfacore::store::{Loaded, StoreError, Swapped, Write};
use mfacore::{Caller, Operation, Replied, Want};
use zeroize::Zeroizing;

use crate::ended::Ended;
use crate::engine::{config, mfacore_engine};
use crate::slice::{array, free, handle, handle_mut, handle_output, mfacore_slice};
use crate::status::{
    Failure, MFACORE_ERROR_ENTROPY, MFACORE_ERROR_ORDER, guard, guard_value, mfacore_error, mfacore_status,
};

/// One call. One thread at a time; it may move between threads. It has no outcome until its storage answered all
/// that it wants; a host that gives up before that frees it, and denies.
#[allow(non_camel_case_types)]
pub struct mfacore_operation {
    state: State,
}

enum State {
    Running(Box<Operation<Replied>>),
    Ended(Box<Ended>),
    /// A call further up this thread's stack works on it, and a callback of the host may look at it meanwhile.
    Away,
    /// Freed by such a callback: the call that works on it takes it away at its end.
    Freed,
    /// A contained panic left nothing of it.
    Lost,
}

impl State {
    fn of(running: Box<Operation<Replied>>) -> Self {
        match running.want() {
            Want::Done => State::Ended(Box::new(Ended::of(running.finish()))),
            Want::Load { .. } | Want::Swap { .. } => State::Running(running),
        }
    }

    /// Why there is no outcome, or nothing to answer.
    fn refusal(&self) -> Failure {
        let text = match self {
            State::Running(_) => {
                "the operation still wants something of your storage: there is no outcome yet"
            }
            State::Ended(_) => "the operation has ended: read its outcome",
            State::Away | State::Freed => "the operation is being run: its callbacks may not touch it",
            State::Lost => "the operation was lost to a bug in mfacore: deny, and free it",
        };
        Failure::new(MFACORE_ERROR_ORDER, text)
    }
}

/// An operation that is away from its handle; at the end, or where a panic passes by, the handle gets what is next.
struct Away {
    handle: *mut mfacore_operation,
    next: State,
}

impl Drop for Away {
    fn drop(&mut self) {
        let next = std::mem::replace(&mut self.next, State::Lost);
        // SAFETY: the handle was live when this was made, and `mfacore_operation_free` leaves it to us since.
        unsafe {
            match (*self.handle).state {
                State::Freed => free(self.handle),
                _ => (*self.handle).state = next,
            }
        }
    }
}

impl mfacore_operation {
    pub(crate) fn begin(operation: Operation<Replied>) -> *mut Self {
        Box::into_raw(Box::new(Self { state: State::of(Box::new(operation)) }))
    }

    /// How it ended.
    pub(crate) fn ended(&self) -> Result<&Ended, Failure> {
        match &self.state {
            State::Ended(ended) => Ok(ended),
            other => Err(other.refusal()),
        }
    }

    /// What it wants.
    pub(crate) fn want(&self) -> Result<Want<'_>, Failure> {
        match &self.state {
            State::Running(running) => Ok(running.want()),
            State::Ended(_) => Ok(Want::Done),
            other => Err(other.refusal()),
        }
    }

    /// Works on a running operation. No reference to the handle is held meanwhile: the work may call the host,
    /// and the host may do anything with the handle.
    pub(crate) fn work(
        pointer: *mut Self,
        work: impl FnOnce(&mut Operation<Replied>),
    ) -> Result<(), Failure> {
        let mut running = {
            let operation = handle_mut(pointer, "operation")?;
            match std::mem::replace(&mut operation.state, State::Away) {
                State::Running(running) => running,
                other => {
                    let refusal = other.refusal();
                    operation.state = other;
                    return Err(refusal);
                }
            }
        };
        let mut away = Away { handle: pointer, next: State::Lost };
        work(&mut running);
        away.next = State::of(running);
        // SAFETY: live, as in `Away::drop`.
        let was_freed = matches!(unsafe { &(*pointer).state }, State::Freed);
        drop(away);
        match was_freed {
            true => Err(Failure::new(
                MFACORE_ERROR_ORDER,
                "a callback freed the operation that it was called for",
            )),
            false => Ok(()),
        }
    }

    /// Does what the operation asks for until it needs nothing more.
    pub(crate) fn run(
        pointer: *mut Self,
        load: impl Fn(&[u8]) -> Result<Option<Loaded>, StoreError>,
        swap: impl Fn(&[u8], Write<'_>) -> Result<Swapped, StoreError>,
    ) -> Result<(), Failure> {
        if handle(pointer, "operation")?.ended().is_ok() {
            return Ok(());
        }
        Self::work(pointer, |running| {
            loop {
                match running.want() {
                    Want::Load { key, after_ms } => {
                        if after_ms > 0 {
                            std::thread::sleep(std::time::Duration::from_millis(after_ms));
                        }
                        let found = load(key);
                        running.loaded(found);
                    }
                    Want::Swap { key, write } => {
                        let answer = swap(key, write);
                        running.swapped(answer);
                    }
                    Want::Done => return,
                }
            }
        })
    }
}

/// Milliseconds since 1970; 0 is the system's clock.
pub(crate) fn clock(now_ms: u64) -> u64 {
    if now_ms != 0 {
        return now_ms;
    }
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or_default()
}

/// 32 bytes of the caller; NULL is the system's generator.
pub(crate) fn entropy(seed: *const u8) -> Result<Zeroizing<[u8; 32]>, Failure> {
    if let Some(given) = array(seed) {
        return Ok(Zeroizing::new(given));
    }
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed)
        .map_err(|_| Failure::new(MFACORE_ERROR_ENTROPY, "the system's generator failed"))?;
    Ok(seed)
}

/// Begins the call `name` (`mfacore_commands` lists them) with `body_json`; an empty one is `{}`.
///
/// `caller_json` says on whose word, and whose it must be: `{"authority":{"host":"ann"}}`, or
/// `{"authority":{"token":{"text":"..","subject":{"expected":"ann"}}}}`, where `"subject":"from_token"` is for
/// endpoints without a session; beside it `client`, and in `facts` what only the host knows (docs/json.md). A name that
/// is no call's ends without an outcome, with status 500. Build it from your own
/// session, never from what a client sent.
///
/// `now_ms` is milliseconds since 1970, 0 the system's clock. `seed` is 32 bytes from the system's generator, for
/// this operation alone; NULL: the library asks that generator itself.
///
/// A refusal is no failure of this function: it is the operation's outcome. Nothing is loaded yet. `out` is yours:
/// free it with `mfacore_operation_free`. The engine may be freed before it. Any thread. Errors:
/// `MFACORE_ERROR_ARGUMENT`, `_UTF8`, `_CONFIG` (`caller_json` is no caller), `_ENTROPY`.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_operation_new(
    engine: *const mfacore_engine,
    name: mfacore_slice,
    caller_json: mfacore_slice,
    body_json: mfacore_slice,
    now_ms: u64,
    seed: *const u8,
    out: *mut *mut mfacore_operation,
    error: *mut *mut mfacore_error,
) -> mfacore_status {
    guard(error, || {
        let out = handle_output(out)?;
        let engine = &handle(engine, "engine")?.engine;
        let name = name.text("name")?;
        let caller: Caller = serde_json::from_str(caller_json.text("caller_json")?).map_err(|error| {
            // serde's own text may quote a token.
            let (line, column) = (error.line(), error.column());
            config(format!("caller_json is not a caller: line {line}, column {column}"))
        })?;
        let body = match body_json.text("body_json")? {
            "" => "{}",
            body => body,
        };
        let seed = entropy(seed)?;
        out.put(mfacore_operation::begin(engine.call(name, body, caller, clock(now_ms), *seed)));
        Ok(())
    })
}

/// Frees and wipes an operation, at any time; what it wrote stays written. All slices that came of it end. NULL is
/// nothing. In a callback of its own `mfacore_operation_run` it is taken away when that call returns.
#[unsafe(no_mangle)]
pub extern "C" fn mfacore_operation_free(operation: *mut mfacore_operation) {
    guard_value((), || {
        let Ok(known) = handle_mut(operation, "operation") else { return };
        match known.state {
            State::Away | State::Freed => known.state = State::Freed,
            // SAFETY: made by `mfacore_operation::begin`, and freed once by the header's contract.
            _ => unsafe { free(operation) },
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finished::{MFACORE_OUTCOME_NONE, mfacore_operation_outcome};
    use crate::status::{MFACORE_ERROR_PANIC, MFACORE_OK};
    use mfacore::{Engine, KeyRing, Policy};

    fn operation() -> *mut mfacore_operation {
        let keys = KeyRing::new(1, *b"the key that all scenarios share").unwrap();
        let engine = Engine::new(keys, Policy::recommended()).unwrap();
        let call = engine.call("require", "{}", Caller::host("ann"), 1_767_225_600_000, [1; 32]);
        mfacore_operation::begin(call)
    }

    #[test]
    fn a_panic_loses_the_operation_and_nothing_else() {
        let lost = operation();
        let status = guard(std::ptr::null_mut(), || mfacore_operation::work(lost, |_| panic!("a bug")));
        assert_eq!(status, MFACORE_ERROR_PANIC);
        assert_eq!(mfacore_operation_outcome(lost), MFACORE_OUTCOME_NONE);
        let again = guard(std::ptr::null_mut(), || mfacore_operation::work(lost, |_| ()));
        assert_eq!(again, MFACORE_ERROR_ORDER);
        mfacore_operation_free(lost);
    }

    #[test]
    fn a_panic_after_a_free_from_within_frees_it_once() {
        let freed = operation();
        let status = guard(std::ptr::null_mut(), || {
            mfacore_operation::work(freed, |_| {
                mfacore_operation_free(freed);
                panic!("a bug")
            })
        });
        assert_eq!(status, MFACORE_ERROR_PANIC);
        let other = operation();
        assert_eq!(guard(std::ptr::null_mut(), || mfacore_operation::work(other, |_| ())), MFACORE_OK);
        mfacore_operation_free(other);
    }

    /// What the header says of threads.
    #[test]
    fn handles_move_between_threads_and_engines_are_shared() {
        fn moves<T: Send>() {}
        fn is_shared<T: Send + Sync>() {}
        moves::<mfacore_operation>();
        moves::<crate::engine::mfacore_keys>();
        moves::<crate::status::mfacore_error>();
        moves::<crate::otp::mfacore_text>();
        is_shared::<mfacore_engine>();
        is_shared::<crate::store::mfacore_store>();
    }
}
