//! An embeddable multi-factor-authentication engine.
#![forbid(unsafe_code)]
#![deny(missing_docs, missing_debug_implementations, unreachable_pub)]
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

pub mod crypto;
pub mod limits;
pub mod otp;
pub mod store;
