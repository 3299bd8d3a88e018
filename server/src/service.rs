//! The engine as the endpoints call it: on tasks of their own, with what it wants sent handed over.

use std::sync::Arc;
use std::time::Duration;

use mfacore::commands::Command;
use mfacore::drivers::nonblocking::Mfa;
use mfacore::store::{AsyncStore, BoxFuture, Memory, Scan};
use mfacore::{Caller, Engine, Refusal, SecretString};
use mfacore_sqlite::Sqlite;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::answer::Refused;
use crate::deliveries::Deliveries;

/// Records looked at when a store is opened: enough that one is a user's, beside the budgets across users.
const FIRST_KEYS: usize = 1_000;
/// How long the end waits for operations.
const FINISH_TIMEOUT: Duration = Duration::from_secs(5);

/// The engine, its store, and whoever sends its messages.
#[derive(Clone)]
pub struct Service {
    mfa: Mfa<Arc<dyn AsyncStore>>,
    deliveries: Deliveries,
    operations: TaskTracker,
}

impl Service {
    /// The engine on its store, and whoever sends.
    pub fn new(mfa: Mfa<Arc<dyn AsyncStore>>, deliveries: Deliveries) -> Self {
        Self { mfa, deliveries, operations: TaskTracker::new() }
    }

    /// Runs a command to its end, though the client goes away meanwhile: what was charged is not lost, and what is
    /// to be sent is sent.
    ///
    /// # Errors
    /// The engine's refusal; 500 where the task panicked.
    pub async fn run<C: Command>(&self, command: C, caller: Caller) -> Result<C::Reply, Refused> {
        let Self { mfa, deliveries, operations } = self.clone();
        let operation = async move {
            let finished = mfa.run(command, caller).await;
            deliveries.send(finished.deliveries);
            if let Err(Refusal::Error(error)) = &finished.result {
                // What the store itself said is for this log alone.
                tracing::error!(%error, command = C::NAME);
            }
            finished.result
        };
        let task = operations.spawn(operation.in_current_span());
        match task.await {
            Ok(result) => result.map_err(|refusal: Refusal| refusal.into()),
            Err(_) => Err(Refused::internal()),
        }
    }

    /// The user whom a token names: no proof, but for whom to look up.
    pub fn user_of_token(&self, token: &SecretString, now_ms: u64) -> Option<String> {
        self.mfa.engine().user_of_token(token.expose(), now_ms)
    }

    /// Waits, for a while, for operations that go on though their clients are gone, and for messages on their way.
    pub async fn finish(&self) {
        self.operations.close();
        if tokio::time::timeout(FINISH_TIMEOUT, self.operations.wait()).await.is_err() {
            tracing::warn!("operations are left that did not end");
        }
        self.deliveries.flush().await;
    }

    /// The messages that wait to be seen, in development.
    pub fn deliveries(&self) -> &Deliveries {
        &self.deliveries
    }
}

/// The engine on a store, with the clock and the generator of this machine.
pub fn engine_on(store: Arc<dyn AsyncStore>, engine: Engine) -> Mfa<Arc<dyn AsyncStore>> {
    let pause = |pause: Duration| Box::pin(tokio::time::sleep(pause)) as BoxFuture<'static, ()>;
    Mfa::new(engine, store, Arc::new(pause))
}

/// A store, and the keys of some of its records.
pub struct Opened {
    /// The store.
    pub store: Arc<dyn AsyncStore>,
    /// The first keys, none where it is empty.
    pub first_keys: Vec<Vec<u8>>,
}

/// The store at a URL. For a database of your own implement [`AsyncStore`] (or `Store`), try it with
/// `mfacore-conformance`, and open it here.
///
/// # Errors
/// Why it cannot be opened.
pub fn open_store(url: &str) -> Result<Opened, String> {
    if url == "memory:" {
        return Ok(Opened { store: Arc::new(Memory::new()), first_keys: Vec::new() });
    }
    let store = Sqlite::open(url).map_err(|error| error.to_string())?;
    let first_keys = store.scan(None, FIRST_KEYS).map_err(|error| error.source().to_string())?;
    Ok(Opened { store: Arc::new(store), first_keys })
}
