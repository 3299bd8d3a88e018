//! What a start is told: flags, each with an environment variable beside it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use mfacore::SecretString;

/// The policy of a server that is given none: everybody passes a second factor.
pub const DEFAULT_POLICY: &str = r#"{"profile":"recommended","enforcement":"always"}"#;

/// A reference HTTP server for mfacore: Auth0's MFA API over the engine.
///
/// Without --users it serves a demo user whose password it prints, and is in development mode.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub struct Options {
    /// A tool in place of the server.
    #[command(subcommand)]
    pub tool: Option<Tool>,
    /// The server.
    #[command(flatten)]
    pub serve: Serve,
}

/// Tools for the files that the server reads.
#[derive(Debug, Subcommand)]
pub enum Tool {
    /// Reads a password from standard input and prints its Argon2id hash, for the users file.
    HashPassword,
    /// Prints a new root key, for the keys file.
    NewKey,
    /// Brings every record in --store under the active key in --keys, so that a retired one may go. Servers may be running
    /// that were started with both keys.
    Reseal(Box<Serve>),
    /// Prints a new client secret and its SHA-256, for the client and for the clients file.
    NewSecret,
}

/// How the server is set up.
#[derive(Debug, Args)]
pub struct Serve {
    /// Address and port; port 0 takes a free one.
    #[arg(long, env = "MFACORE_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Where records are kept: sqlite:PATH, or memory: for a trial.
    #[arg(long, env = "MFACORE_STORE", value_name = "URL", default_value = "sqlite:mfacore.db")]
    pub store: String,
    /// The keys; made at the first start, while the store is empty, readable by their owner alone. Whoever has it reads every record.
    #[arg(long, env = "MFACORE_KEYS", value_name = "FILE", default_value = "mfacore-keys.json")]
    pub keys: PathBuf,
    /// The URL that clients reach the server by, with a trailing slash; from what it listens on where left out.
    #[arg(long, env = "MFACORE_ISSUER", value_name = "URL")]
    pub issuer: Option<String>,
    /// A profile (recommended, auth0, asvs_l2, nist_800_63b), a file of JSON, or JSON (docs/json.md).
    #[arg(long, env = "MFACORE_POLICY", value_name = "POLICY", default_value = DEFAULT_POLICY)]
    pub policy: String,
    /// The certificate chain in PEM: the server speaks HTTPS.
    #[arg(long, env = "MFACORE_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key in PEM.
    #[arg(long, env = "MFACORE_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// The users: a JSON list of {id, username, password_hash, email?, email_verified?, name?, enrolled?}.
    #[arg(long, env = "MFACORE_USERS", value_name = "FILE", requires = "clients")]
    pub users: Option<PathBuf>,
    /// The clients: a JSON list of {client_id, secret_sha256?, audiences?, origins?}.
    #[arg(long, env = "MFACORE_CLIENTS", value_name = "FILE", requires = "users")]
    pub clients: Option<PathBuf>,
    /// What bearers of the management API present, 32 characters at least; without it that API refuses everybody.
    #[arg(long, env = "MFACORE_MANAGEMENT_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub management_token: Option<SecretString>,
    /// Where messages to users are posted (https, or http on loopback).
    #[arg(long, env = "MFACORE_WEBHOOK", value_name = "URL", requires = "webhook_secret")]
    pub webhook: Option<String>,
    /// What those posts are signed with: `whsec_` and at least 24 bytes in base64 (Standard Webhooks).
    #[arg(
        long,
        env = "MFACORE_WEBHOOK_SECRET",
        value_name = "SECRET",
        hide_env_values = true,
        requires = "webhook"
    )]
    pub webhook_secret: Option<SecretString>,
    /// Prints messages and their codes, and serves them at /dev/outbox; on loopback only.
    #[arg(long, env = "MFACORE_DEVELOPMENT", value_parser = FalseyValueParser::new())]
    pub development: bool,
    /// How the log on standard error is written. RUST_LOG filters it.
    #[arg(long, env = "MFACORE_LOG", value_enum, default_value = "text")]
    pub log: LogFormat,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}
