//! What can go wrong that is no answer about the user: misuse, storage, keys. Every error denies.

use crate::crypto::keys::KeyId;
use crate::store::StoreError;

/// Why an operation ended without an answer. Nobody is let in; nothing is said about a code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The host called in a way that cannot be right; the text says what to change.
    #[error("misuse: {0}")]
    Misuse(&'static str),
    /// The store failed until no try was left. Where it was asked to write, the write may arrive yet.
    #[error("the store failed: {0}")]
    Store(StoreError),
    /// Too many others wrote the same record; nothing of this operation was written. Try again.
    #[error("the record is contended: nothing was written, try again")]
    Busy,
    /// A write may have happened and its result cannot be known any more. It is never applied again.
    #[error("the outcome of a write is unknown: ask the user to start again")]
    OutcomeUnknown,
    /// The record was sealed under a key that the ring does not hold. Add the key; nothing is lost.
    #[error("the key ring has no key {0}: add it as a retired key")]
    KeyMissing(KeyId),
    /// The record does not open: edited, moved from another user or tenant, cut, or inconsistent; or sealed
    /// under another root key that bore the same id.
    #[error(
        "the record does not open: it was edited, moved or cut, or its key's id was given to another key"
    )]
    Corrupt,
    /// The record needs a newer build of this library.
    #[error(
        "the record is of format {0}, which this build does not read: update before it touches this user"
    )]
    NewerFormat(u8),
    /// The record is older than the host says it must be.
    #[error(
        "the record has sequence {found}, older than {wanted}, which the host asks for: storage was set back"
    )]
    RolledBack {
        /// The sequence found.
        found: u64,
        /// The sequence that the host asked for.
        wanted: u64,
    },
    /// The seed was used before. The host's generator repeats itself, as after a fork.
    #[error("the operation's seed was used before: fix the generator of the host")]
    EntropyRepeated,
    /// A bound of `limits.rs` would be passed.
    #[error("a limit would be passed: {0}")]
    Cap(&'static str),
}

impl Error {
    /// The HTTP status of CONTRACT section 3: 503 where trying again can help, 500 else.
    pub fn status(&self) -> u16 {
        match self {
            Error::Store(_) | Error::Busy | Error::OutcomeUnknown => 503,
            _ => 500,
        }
    }

    /// The contract's `error`.
    pub fn error(&self) -> &'static str {
        if self.status() == 503 { "temporarily_unavailable" } else { "server_error" }
    }
}

/// Why a key ring, a policy or an engine was refused when it was built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// All bytes of the key are the same.
    #[error("key {0} is one byte repeated: fill it from the system's generator")]
    WeakKey(KeyId),
    /// All bytes of the naming key are the same.
    #[error("the naming key is one byte repeated: fill it from the system's generator")]
    WeakNamingKey,
    /// Two keys have one id.
    #[error("key {0} is in the ring already: give each key an id of its own")]
    DuplicateKey(KeyId),
    /// More keys than [`crate::limits::RING_KEYS_MAX`].
    #[error("the ring is full: drop keys that no record needs any more")]
    TooManyKeys,
    /// A setting is out of its bounds; the text names it and says what it may be.
    #[error("policy: {0}")]
    Policy(String),
    /// Policy enables telephones or e-mail, and the ring has no naming key.
    #[error("factors phone and email need KeyRing::with_naming_key: budgets across users are named under it")]
    NamingKeyMissing,
    /// A tenant's name is empty or too long.
    #[error("a tenant's name has 1 to 48 bytes")]
    Tenant,
}
