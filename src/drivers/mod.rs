//! The loop over an [`crate::Operation`] with a store, a clock and the system's generator: blocking and
//! asynchronous.

pub mod blocking;
pub mod nonblocking;
#[cfg(feature = "tracing")]
mod trace;

use std::sync::Arc;

use crate::error::Error;
use crate::operation::Operation;
use crate::reply::Finished;

/// Tells the time in milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Fills 32 bytes that no other operation ever gets.
pub type Entropy = Arc<dyn Fn() -> Result<[u8; 32], Error> + Send + Sync>;

/// Where a driver takes time and entropy from.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) clock: Clock,
    pub(crate) entropy: Entropy,
}

impl Sources {
    /// The system's clock, and its generator: asked for every operation, so that forked workers never share a
    /// state.
    #[allow(
        clippy::disallowed_types,
        clippy::disallowed_methods,
        reason = "a driver is where time and entropy enter"
    )]
    pub(crate) fn system() -> Self {
        let clock = || {
            let since_1970 =
                std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since_1970.as_millis()).unwrap_or_default()
        };
        let entropy = || {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).map_err(|_| Error::Misuse("the system's generator failed"))?;
            Ok(seed)
        };
        Self { clock: Arc::new(clock), entropy: Arc::new(entropy) }
    }
}

/// The end of an operation, told to the subscriber of `tracing` where that feature is on.
pub(crate) fn finished<R>(operation: Operation<R>) -> Finished<R> {
    let finished = operation.finish();
    #[cfg(feature = "tracing")]
    trace::trace(&finished);
    finished
}

/// An operation that could not begin.
pub(crate) fn failed<R>(error: Error) -> Finished<R> {
    finished(Operation::ended(Err(error.into()), Vec::new()))
}
