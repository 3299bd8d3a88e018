//! Second factors live and die on a SQLite file: `cargo run --example tour [FILE]`.
//!
//! Every step says what must come of it, and what goes out; the tour ends with an error where anything else does.
//! Time is the tour's own.

mod authenticator_app;
mod expect;
mod messages;
mod push;
mod stage;
mod trusted_browser;

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
    of_the_app(&mut stage)?;
    messages::sms_and_voice(&mut stage)?;
    messages::email(&mut stage)?;
    messages::limiter(&mut stage)?;
    of_push(&mut stage)?;
    trusted_browser::trust(&mut stage)?;
    Ok(stage.steps())
}

fn of_the_app(stage: &mut Stage) -> Result<()> {
    let (phone, recovery_code) = authenticator_app::enroll(stage)?;
    authenticator_app::log_in(stage, &phone)?;
    let tablet = authenticator_app::add_a_second_factor(stage, &phone)?;
    authenticator_app::recover(stage, &recovery_code)?;
    authenticator_app::lock_out(stage, &tablet)?;
    stage.reopen()?;
    authenticator_app::remove(stage, &tablet)
}

fn of_push(stage: &mut Stage) -> Result<()> {
    let device = push::enroll(stage)?;
    push::approve(stage, &device)?;
    push::deny(stage, &device)?;
    push::cross(stage, &device)?;
    push::remove(stage, &device)
}
