//! The self-test of a host's storage as a C library. `README.md` says how a test program calls it.
#![deny(missing_docs, unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]
#![allow(clippy::missing_safety_doc, clippy::not_unsafe_ptr_arg_deref, reason = "the header is the contract")]

mod checks;
mod place;
mod report;
pub mod selftest;
