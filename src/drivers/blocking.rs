//! A driver that blocks the calling thread.

use std::time::Duration;

use super::{Clock, Entropy, Sources, failed, finished};
use crate::caller::Caller;
use crate::commands::Command;
use crate::engine::Engine;
use crate::operation::{Operation, Want};
use crate::reply::{Finished, Replied};
use crate::store::Store;

/// An engine with a blocking store. Share it between threads as it is, or in an `Arc`.
#[derive(Clone)]
pub struct Mfa<S> {
    engine: Engine,
    store: S,
    sources: Sources,
    pause: std::sync::Arc<dyn Fn(Duration) + Send + Sync>,
}

impl<S> std::fmt::Debug for Mfa<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mfa").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl<S: Store> Mfa<S> {
    /// The engine on `store`, with the system's clock and generator.
    #[allow(clippy::disallowed_methods, reason = "a driver is what waits")]
    pub fn new(engine: Engine, store: S) -> Self {
        Self { engine, store, sources: Sources::system(), pause: std::sync::Arc::new(std::thread::sleep) }
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

    /// The same with another way to wait between tries, for tests and simulations.
    #[must_use]
    pub fn with_pause(mut self, pause: std::sync::Arc<dyn Fn(Duration) + Send + Sync>) -> Self {
        self.pause = pause;
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

    /// Runs a command to its end. The reply is readable once its write is committed.
    pub fn run<C: Command>(&self, command: C, caller: Caller) -> Finished<C::Reply> {
        match (self.sources.entropy)() {
            Ok(seed) => self.drive(self.engine.operation(command, caller, (self.sources.clock)(), seed)),
            Err(error) => failed(error),
        }
    }

    /// Runs the command of this name, its body and its reply in the contract's JSON.
    pub fn call(&self, name: &str, body: &str, caller: Caller) -> Finished<Replied> {
        match (self.sources.entropy)() {
            Ok(seed) => self.drive(self.engine.call(name, body, caller, (self.sources.clock)(), seed)),
            Err(error) => failed(error),
        }
    }

    /// Runs an operation to its end.
    pub fn drive<R>(&self, mut operation: Operation<R>) -> Finished<R> {
        loop {
            match operation.want() {
                Want::Load { key, after_ms } => {
                    if after_ms > 0 {
                        (self.pause)(Duration::from_millis(after_ms));
                    }
                    let found = self.store.load(key);
                    operation.loaded(found);
                }
                Want::Swap { key, write } => {
                    let answer = self.store.swap(key, write);
                    operation.swapped(answer);
                }
                Want::Done => return finished(operation),
            }
        }
    }
}
