//! `mfacore-server`: reads options, and serves until it is told to end.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use mfacore::SecretString;
use mfacore_server::keys::new_key;
use mfacore_server::options::{LogFormat, Options, Serve, Tool};
use mfacore_server::passwords::hash_password;
use mfacore_server::reseal::{Swept, reseal};
use mfacore_server::secrets::{SecretDigest, token};
use mfacore_server::start::{Signals, Started};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let options = Options::parse();
    let ended = match &options.tool {
        Some(tool) => run(tool),
        None => serve(&options.serve),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("mfacore-server: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(tool: &Tool) -> Result<(), String> {
    let text = match tool {
        Tool::HashPassword => {
            let mut typed = String::new();
            std::io::stdin().read_line(&mut typed).map_err(|error| error.to_string())?;
            let typed = SecretString::from(typed);
            let password = typed.expose().trim_end_matches(['\r', '\n']);
            if password.is_empty() {
                return Err("there was no password on standard input".to_owned());
            }
            hash_password(&password.into())?
        }
        Tool::Reseal(options) => {
            let Swept { users, failed, reason } = reseal(options).map_err(|error| error.to_string())?;
            if let Some(reason) = reason {
                return Err(format!(
                    "{failed} of {} records could not be moved; the first: {reason}",
                    users + failed
                ));
            }
            format!("{users} records are under the active key")
        }
        Tool::NewKey => new_key()?.expose().to_owned(),
        Tool::NewSecret => {
            let secret = token()?;
            let digest = SecretDigest::of(secret.expose()).to_text();
            format!("client_secret {}\nsecret_sha256 {digest}", secret.expose())
        }
    };
    print(&format!("{text}\n"))
}

fn serve(options: &Serve) -> Result<(), String> {
    log(options.log);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        let started = Started::new(options).await.map_err(|error| error.to_string())?;
        let signals = Signals::new().map_err(|error| error.to_string())?;
        tokio::spawn(signals.end(started.handle()));
        print(&started.announcement())?;
        started.serve().await.map_err(|error| error.to_string())
    })
}

fn print(text: &str) -> Result<(), String> {
    let mut output = std::io::stdout().lock();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(|error| error.to_string())
}

/// Audit events, requests and what goes wrong, on standard error.
fn log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false)
        .with_ansi(colours);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}
