//! The reference server of mfacore: Auth0's MFA API over the engine, as an example of how to host it.
//!
//! `README.md` says how to run it and where one's own parts plug in. [`start::Started`] is a server that listens;
//! [`server::router`] is all of it without a socket.
#![deny(missing_docs)]

pub mod answer;
pub mod clients;
pub mod clock;
pub mod deliveries;
pub mod endpoints;
pub mod error;
pub mod issuer;
pub mod keys;
mod layers;
mod openapi;
pub mod options;
mod parameters;
pub mod passwords;
pub mod policy;
mod rates;
pub mod reseal;
pub mod secrets;
pub mod server;
pub mod service;
pub mod start;
pub mod tls;
pub mod tokens;
pub mod users;
