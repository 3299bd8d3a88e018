//! Drives the reference HTTP server as applications do: over loopback, in plain HTTP, on connections that stay open.
//!
//! The program measures it under load; the tests kill it, end it and keep it waiting.

pub mod application;
pub mod authenticator;
pub mod burst;
pub mod connection;
pub mod directory;
pub mod latencies;
pub mod load;
pub mod memory;
pub mod server_process;
