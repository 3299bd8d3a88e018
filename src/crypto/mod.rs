//! Keys, message authentication, comparison and the operation's random stream, over RustCrypto's primitives.

pub mod secret;
