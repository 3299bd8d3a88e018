//! Both drivers over stores as they are handed around: by value, as trait objects, through `Arc`.
#![allow(missing_docs, clippy::disallowed_types)]

mod support;

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use mfacore::commands::{Describe, Import, ImportedOtp, Require, RequireReply};
use mfacore::drivers::{blocking, nonblocking};
use mfacore::store::{AsyncStore, Loaded, Memory, Store, StoreError, Swapped, Write};
use mfacore::{Caller, Error, Policy, Refusal, SecretString};
use support::{START_MS, World, engine, seed};

fn import() -> Import {
    let uri = SecretString::from("otpauth://totp/ann?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP");
    Import { otp: vec![ImportedOtp { uri, name: None }], ..Import::default() }
}

fn imports(store: impl Store) {
    let mfa = blocking::Mfa::new(engine(Policy::recommended()), store);
    mfa.run(import(), Caller::host("ann")).result.unwrap();
    assert!(matches!(mfa.run(Require::default(), Caller::host("ann")).result, Ok(RequireReply::Required(_))));
}

#[test]
fn a_blocking_store_is_taken_in_any_form() {
    imports(Memory::new());
    imports(Arc::new(Memory::new()));
    let memory = Memory::new();
    imports(&memory);
    imports(Box::new(Memory::new()) as Box<dyn Store>);
    imports(Arc::new(Memory::new()) as Arc<dyn Store>);
}

#[tokio::test]
async fn an_asynchronous_store_is_taken_in_any_form() {
    async fn imports(store: impl AsyncStore) {
        let pause = Arc::new(|pause| Box::pin(tokio::time::sleep(pause)) as _);
        let mfa = nonblocking::Mfa::new(engine(Policy::recommended()), store, pause);
        mfa.run(import(), Caller::host("ann")).await.result.unwrap();
        let described = mfa.call("describe", "{}", Caller::host("ann")).await.result.unwrap();
        assert!(described.body.expose().contains("\"type\":\"totp\""));
    }
    let folder = tempfile::tempdir().unwrap();
    let sqlite = mfacore_sqlite::Sqlite::open_path(&folder.path().join("mfa.db")).unwrap();
    imports(Memory::new()).await;
    imports(sqlite.clone()).await;
    assert!(AsyncStore::load(&sqlite, support::key("ann").storage_key()).await.unwrap().is_some());
    imports(Box::new(Memory::new()) as Box<dyn AsyncStore>).await;
    imports(Arc::new(Memory::new()) as Arc<dyn AsyncStore>).await;
}

/// A driver's future can move between threads, whatever the runtime.
#[test]
fn futures_of_the_driver_are_send() {
    fn is_send<T: Send>(_: T) {}
    let pause = Arc::new(|_| Box::pin(std::future::ready(())) as _);
    let mfa = nonblocking::Mfa::new(engine(Policy::recommended()), Memory::new(), pause);
    is_send(mfa.run(Describe {}, Caller::host("ann")));
}

/// A store that always says conflict.
struct NeverCommits(Memory);

impl Store for NeverCommits {
    fn load(&self, key: &[u8]) -> Result<Option<Loaded>, StoreError> {
        Store::load(&self.0, key)
    }
    fn swap(&self, _: &[u8], _: Write<'_>) -> Result<Swapped, StoreError> {
        Ok(Swapped::Conflict)
    }
    fn durable(&self) -> bool {
        false
    }
}

#[test]
fn a_store_that_never_commits_is_asked_with_growing_pauses_and_denies() {
    let pauses = Arc::new(Mutex::new(Vec::new()));
    let seen = pauses.clone();
    let mfa = blocking::Mfa::new(engine(Policy::recommended()), NeverCommits(Memory::new()))
        .with_clock(Arc::new(|| START_MS))
        .with_entropy(Arc::new(|| Ok(seed(1))))
        .with_pause(Arc::new(move |pause: Duration| seen.lock().unwrap().push(pause.as_millis())));
    let finished = mfa.run(import(), Caller::host("ann"));
    assert!(matches!(finished.result, Err(Refusal::Error(Error::OutcomeUnknown))), "{finished:?}");
    assert_eq!(*pauses.lock().unwrap(), [2, 4, 8, 16, 32, 64, 128, 256]);
}

#[test]
fn a_generator_that_fails_denies() {
    let store = Arc::new(Memory::new());
    let mfa = blocking::Mfa::new(engine(Policy::recommended()), store)
        .with_entropy(Arc::new(|| Err(Error::Misuse("the system's generator failed"))));
    let finished = mfa.run(import(), Caller::host("ann"));
    assert!(matches!(finished.result, Err(Refusal::Error(Error::Misuse(_)))));
}

#[test]
fn a_clock_out_of_its_bounds_is_misuse() {
    let world = World::new();
    for now_ms in [0, 1, mfacore::limits::NOW_MS_MIN - 1, mfacore::limits::NOW_MS_MAX, u64::MAX] {
        world.set_now_ms(now_ms);
        let result = world.run(Require::default(), Caller::host("ann"));
        assert!(matches!(result, Err(Refusal::Error(Error::Misuse(_)))), "{now_ms}");
    }
}
