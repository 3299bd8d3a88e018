//! The C library of mfacore. The header says what each function does; `bindings/README.md` how to write a
//! binding over it. This crate is the only one with `unsafe`, each use with its reason.
#![deny(missing_docs, unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]
#![allow(clippy::missing_safety_doc, clippy::not_unsafe_ptr_arg_deref, reason = "the header is the contract")]
#![allow(clippy::too_many_arguments, reason = "C has no named ones")]
#![allow(missing_debug_implementations, reason = "handles are opaque")]

pub mod about;
pub mod calls;
mod ended;
pub mod engine;
pub mod finished;
mod growing;
pub mod operation;
pub mod otp;
pub mod slice;
pub mod status;
pub mod store;
pub mod table;
pub mod want;
