//! Tests for those who write a store or a binding for mfacore.
#![forbid(unsafe_code)]
#![deny(missing_docs, missing_debug_implementations, unreachable_pub)]

pub mod store_suite;
