//! One-time passwords: HOTP (RFC 4226), TOTP (RFC 6238), typed codes, `otpauth` URIs, Google
//! Authenticator's exports and QR codes.
//!
//! All of it is pure: time is a parameter, in milliseconds since 1970. The check of a code does the same work
//! for a right, a wrong and a spent code: every step of its window is computed, and nothing branches on or
//! indexes by a secret. Who remembers the last accepted step or counter is the caller; see [`Totp::check`]
//! and [`hotp::check`].

pub mod code;
pub mod hotp;
pub mod migration;
mod pads;
pub mod qr;
pub mod seed;
pub mod totp;
pub mod uri;

pub use code::{Code, CodeError, normalize_recovery, parse_otp};
pub use hotp::{Algorithm, Digits};
pub use migration::{Batch, Migration, MigrationError};
pub use seed::{Seed, SeedError};
pub use totp::{Match, Period, Skew, Totp};
pub use uri::{Kind, OtpauthUri, UriError};
