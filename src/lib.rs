//! An embeddable multi-factor-authentication engine: the whole life of a second factor over storage that you
//! keep.
//!
//! - [`Engine`] holds keys and [`Policy`]; [`drivers`] run [`commands`] on a [`store`].
//! - A command is called by a [`Caller`]: the host itself, or whoever holds a token.
//! - A [`Finished`] holds the reply or the [`Refusal`], and the audit events. Only a [`Verified`] logs a user in.
//! - [`Operation`] is the loop below the drivers, for hosts with an event loop or transactions of their own.
//! - [`otp`] works without all of this.
//!
//! "CONTRACT section N" is `docs/contract.md`: the behaviour of Auth0's MFA API as it is reproduced here. The
//! README has an example; `examples/tour` shows every factor. Time is in milliseconds since 1970 throughout.
#![forbid(unsafe_code)]
#![deny(missing_docs, missing_debug_implementations, unnameable_types, unreachable_pub)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::disallowed_methods,
        clippy::disallowed_types,
        clippy::dbg_macro,
        clippy::print_stdout,
        clippy::print_stderr,
        clippy::incompatible_msrv
    )
)]

mod caller;
pub mod commands;
mod context;
pub mod crypto;
mod delivery;
mod denial;
mod destination;
pub mod drivers;
mod engine;
mod error;
pub mod event;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod limiter;
pub mod limits;
mod operation;
pub mod otp;
pub mod policy;
mod profiles;
mod record;
mod reply;
pub mod store;
mod token;
mod user_key;

pub use caller::{Caller, Expectation, Purpose, Subject};
pub use context::Context;
pub use crypto::keys::{KeyId, KeyRing};
pub use crypto::secret::SecretString;
pub use delivery::{Content, Delivery, NumberEntry, Occasion, PushMessage};
pub use denial::{Denial, DenialCode, Surface};
pub use destination::Channel;
pub use engine::Engine;
pub use error::{ConfigError, Error};
pub use event::{Event, EventKind};
pub use limiter::Limit;
pub use operation::{Operation, Want};
pub use policy::{Odds, Policy};
pub use record::Record;
pub use record::authenticator::{AuthenticatorType, FactorKind};
pub use record::budget::Budget;
pub use record::recovery::HashedForm;
pub use reply::{
    AccessGrant, Empty, Finished, Granted, MfaRequired, Outcome, Refusal, Replied, Reply, RequirementType,
    Requirements, Verified, VerifyReply,
};
pub use token::{Scopes, UnknownScope};
pub use user_key::{UserKey, UserKeyError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
