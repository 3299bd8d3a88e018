//! A driver for asynchronous stores, of any runtime: the host says how to pause.

use std::sync::Arc;
use std::time::Duration;

use super::{Clock, Entropy, Sources, failed, finished};
use crate::caller::Caller;
use crate::commands::Command;
use crate::engine::Engine;
use crate::operation::{Operation, Want};
use crate::reply::{Finished, Replied};
use crate::store::{AsyncStore, BoxFuture};

/// Waits without blocking, as the runtime at hand does it: `Arc::new(|pause|
/// Box::pin(tokio::time::sleep(pause)))`.
pub type Pause = Arc<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

/// An engine with an asynchronous store.
///
/// A future that is dropped before its end leaves the operation's outcome open, as a client does that goes
/// away: what was written stays written, and nobody learns the reply. A call that sends a message may have charged
/// budgets across users by then, which it would have given back: where clients can hang up, run calls on tasks of
/// their own.
#[derive(Clone)]
pub struct Mfa<S> {
    engine: Engine,
    store: S,
    sources: Sources,
    pause: Pause,
}

impl<S> std::fmt::Debug for Mfa<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mfa").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl<S: AsyncStore> Mfa<S> {
    /// The engine on `store`, with the system's clock and generator.
    pub fn new(engine: Engine, store: S, pause: Pause) -> Self {
        Self { engine, store, sources: Sources::system(), pause }
    }

    /// The same with another clock, for tests and simulations.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.sources.clock = clock;
        self
    }

    /// The same with another source of entropy, for tests and simulations.
    #[must_use]
    pub fn with_entropy(mut self, entropy: Entropy) -> Self {
        self.sources.entropy = entropy;
        self
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// As [`super::blocking::Mfa::run`].
    pub async fn run<C: Command>(&self, command: C, caller: Caller) -> Finished<C::Reply> {
        match (self.sources.entropy)() {
            Ok(seed) => {
                self.drive(self.engine.operation(command, caller, (self.sources.clock)(), seed)).await
            }
            Err(error) => failed(error),
        }
    }

    /// As [`super::blocking::Mfa::call`].
    pub async fn call(&self, name: &str, body: &str, caller: Caller) -> Finished<Replied> {
        match (self.sources.entropy)() {
            Ok(seed) => self.drive(self.engine.call(name, body, caller, (self.sources.clock)(), seed)).await,
            Err(error) => failed(error),
        }
    }

    /// Runs an operation to its end.
    pub async fn drive<R>(&self, mut operation: Operation<R>) -> Finished<R> {
        loop {
            match operation.want() {
                Want::Load { key, after_ms } => {
                    if after_ms > 0 {
                        (self.pause)(Duration::from_millis(after_ms)).await;
                    }
                    let found = self.store.load(key).await;
                    operation.loaded(found);
                }
                Want::Swap { key, write } => {
                    let answer = self.store.swap(key, write).await;
                    operation.swapped(answer);
                }
                Want::Done => return finished(operation),
            }
        }
    }
}
