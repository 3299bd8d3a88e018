//! Tests for those who write a store or a binding for mfacore: the store suite, the runner of
//! scenarios, and a push device.
#![forbid(unsafe_code)]
#![deny(missing_docs, missing_debug_implementations, unreachable_pub)]

pub mod device;
pub mod scenario;
pub mod store_suite;
