//! A second factor lives and dies on a SQLite file: `cargo run --example tour [FILE]`.
//!
//! Every step says what must come of it; the tour ends with an error where anything else does. Time is the
//! tour's own.

mod chapters;
mod stage;

use std::process::ExitCode;

use stage::{Result, Stage};

fn main() -> ExitCode {
    match tour() {
        Ok(steps) => {
            anstream::println!("\nAll {steps} steps came to what they said.");
            ExitCode::SUCCESS
        }
        Err(error) => {
            anstream::eprintln!("\nThe tour differs from what it says: {error}");
            ExitCode::FAILURE
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "an example is a host: it may read its arguments")]
fn tour() -> Result<u32> {
    let folder = tempfile::tempdir()?;
    let path = match std::env::args().nth(1) {
        Some(path) => path.into(),
        None => folder.path().join("tour.db"),
    };
    let mut stage = Stage::open(path)?;
    let (phone, recovery_code) = chapters::enroll(&mut stage)?;
    chapters::log_in(&mut stage, &phone)?;
    let tablet = chapters::add_a_second_factor(&mut stage, &phone)?;
    chapters::recover(&mut stage, &recovery_code)?;
    chapters::lock_out(&mut stage, &tablet)?;
    stage.reopen()?;
    chapters::remove(&mut stage, &tablet)?;
    Ok(stage.steps())
}
