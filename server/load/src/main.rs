//! Measures the reference HTTP server, and prints a table.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use mfacore_server_load::application::Audience;
use mfacore_server_load::burst::{Compared, Target, compare};
use mfacore_server_load::directory;
use mfacore_server_load::load::{Failure, Login, Measured, enroll_all, measure};
use mfacore_server_load::memory::Memory;
use mfacore_server_load::server_process::{POLICY, ServerProcess};

/// Measures mfacore-server over loopback on SQLite in a temporary folder, with its log dropped.
#[derive(Debug, Parser)]
struct Options {
    /// The binary of mfacore-server.
    #[arg(long, value_name = "PATH")]
    server: PathBuf,
    /// How long each row is measured; the last two, in turns, together.
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    seconds: u64,
    /// Connections that log in at once.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Users; each logs in at most 60 times.
    #[arg(long, default_value_t = 4096)]
    users: usize,
}

/// Connections that guess at one user.
const GUESSING: usize = 16;
/// Turns of either kind in the comparison.
const TURNS: u32 = 5;

const ROWS: [(&str, Login); 3] = [
    ("password, recovery code", Login::Password),
    ("refresh token, recovery code; token of an API", Login::Session(Audience::Api)),
    ("refresh token, recovery code; token of the MFA API", Login::Session(Audience::MfaApi)),
];

fn main() -> ExitCode {
    let options = Options::parse();
    let ended = tokio::runtime::Runtime::new()
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(run(&options)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("mfacore-server-load: {reason}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    // One more than log in, to be guessed at.
    directory::write(&options.server, folder.path(), options.users + 1)?;
    let server = ServerProcess::start(&options.server, folder.path(), POLICY)?;
    let at_start = memory(&server)?;

    let begun = Instant::now();
    let workers = enroll_all(server.address(), options.connections, options.users).await;
    let mut workers = workers.map_err(|failure| format!("enrolling: {failure:?}"))?;
    println!("{} users enrolled in {:.1} s\n", options.users, begun.elapsed().as_secs_f64());

    let before = memory(&server)?;
    let duration = Duration::from_secs(options.seconds);
    println!("| what | logins a second | p50 ms | p99 ms | errors |\n| --- | ---: | ---: | ---: | ---: |");
    for (what, login) in ROWS {
        let measured = measure(&mut workers, login, duration).await;
        print_row(what, &measured)?;
    }
    let target = Target { address: server.address(), user: options.users, connection_count: GUESSING };
    let login = Login::Session(Audience::MfaApi);
    let compared = compare(&mut workers, login, duration / (2 * TURNS), TURNS, target).await;
    print_comparison(&compared.map_err(|failure| format!("the burst: {failure:?}"))?)?;
    println!("\n| memory of the server | resident KiB | at most KiB |\n| --- | ---: | ---: |");
    for (when, memory) in [("started", at_start), ("enrolled", before), ("after", memory(&server)?)] {
        println!("| {when} | {} | {} |", memory.resident_kib, memory.resident_max_kib);
    }
    Ok(())
}

fn print_comparison(compared: &Compared) -> Result<(), String> {
    print_row("the last, in turns with the next", &compared.calm)?;
    print_row("the same, while one user's codes are guessed", &compared.burst)?;
    let guesses = &compared.guesses;
    println!(
        "\nguesses from {GUESSING} connections: {} wrong, {} refused unlooked at, {} others",
        guesses.wrong, guesses.refused, guesses.other
    );
    Ok(())
}

fn print_row(what: &str, measured: &Measured) -> Result<(), String> {
    if measured.failures.contains(&Failure::NoUserLeft) {
        return Err("all users of a connection have logged in 60 times: give more --users".to_owned());
    }
    let (rate, errors) = (measured.rate(), measured.failures.len());
    let [p50, p99] = [50, 99].map(|percent| measured.latencies.percentile(percent).as_secs_f64() * 1_000.0);
    println!("| {what} | {rate:.0} | {p50:.1} | {p99:.1} | {errors} |");
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for failure in &measured.failures {
        *kinds.entry(format!("{failure:?}")).or_default() += 1;
    }
    for (kind, count) in kinds {
        eprintln!("{count} times {kind}");
    }
    Ok(())
}

fn memory(server: &ServerProcess) -> Result<Memory, String> {
    Memory::of(server.id()).ok_or_else(|| "/proc does not tell the server's memory".to_owned())
}
