//! A thousand concurrent logins on SQLite, with totals that add up: `cargo run --release --example
//! async_logins`.
//!
//! Half of the users type a right code, the others a wrong one; every right code is sent twice at once, as by
//! a client that retries. Exactly the right ones get in, each of them once.

#![allow(
    clippy::disallowed_methods,
    reason = "an example is a host: keys and secrets come from the system's generator"
)]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use mfacore::commands::{Import, ImportedOtp, Require, RequireReply, VerifyOtp};
use mfacore::drivers::nonblocking::Mfa;
use mfacore::otp::{Seed, Totp};
use mfacore::{Caller, Engine, KeyRing, Policy, Refusal, SecretString, Subject, VerifyReply};
use mfacore_sqlite::Sqlite;
use tokio::task::JoinSet;

const USERS: usize = 1_000;
const NOW_MS: u64 = 1_767_258_000_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    granted: usize,
    wrong: usize,
    replayed: usize,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let store = Sqlite::open_path(&folder.path().join("logins.db"))?;
    let mut root = [0; 32];
    getrandom::fill(&mut root)?;
    let engine = Engine::new(KeyRing::new(1, root)?, Policy::recommended())?;
    let pause = Arc::new(|pause: Duration| {
        Box::pin(tokio::time::sleep(pause)) as mfacore::store::BoxFuture<'static, ()>
    });
    let mfa = Arc::new(Mfa::new(engine, store, pause).with_clock(Arc::new(|| NOW_MS)));

    let mut logins = JoinSet::new();
    for number in 0..USERS {
        logins.spawn(log_in(mfa.clone(), number));
    }
    let mut totals = Totals::default();
    while let Some(login) = logins.join_next().await {
        let login = login?.map_err(|error| error.to_string())?;
        totals.granted += login.granted;
        totals.wrong += login.wrong;
        totals.replayed += login.replayed;
    }
    let counts = mfa.store().counts();
    println!("{USERS} users: {totals:?}; {} writes in {} commits", counts.swaps, counts.commits);
    let half = USERS / 2;
    if totals != (Totals { granted: half, wrong: half, replayed: half }) {
        return Err("the totals do not add up".into());
    }
    Ok(())
}

/// One user: brought over, first factor passed, code typed.
async fn log_in(mfa: Arc<Mfa<Sqlite>>, number: usize) -> Result<Totals, Box<dyn Error + Send + Sync>> {
    let user = format!("user-{number}");
    let mut secret = vec![0; 20];
    getrandom::fill(&mut secret)?;
    let seed = Seed::new(secret)?;
    let uri = SecretString::from(format!("otpauth://totp/{user}?secret={}", seed.to_base32().expose()));
    let import = Import { otp: vec![ImportedOtp { uri, name: None }], ..Import::default() };
    mfa.run(import, Caller::host(&user)).await.result?;
    let RequireReply::Required(required) = mfa.run(Require::default(), Caller::host(&user)).await.result?
    else {
        return Err("an established user must pass a factor".into());
    };
    let code = Totp::default().generate(&seed, Totp::default().step(NOW_MS)).to_text();
    let caller = || Caller::token(required.mfa_token.clone(), Subject::Expected(user.clone()));
    let mut totals = Totals::default();
    if number.is_multiple_of(2) {
        let verify = || mfa.run(VerifyOtp { otp: code.clone(), authenticator_id: None }, caller());
        let (first, second) = tokio::join!(verify(), verify());
        for finished in [first, second] {
            match finished.result {
                Ok(VerifyReply::Granted(_)) => totals.granted += 1,
                Err(Refusal::Denied(_)) => totals.replayed += 1,
                other => return Err(format!("neither granted nor denied: {other:?}").into()),
            }
        }
    } else {
        let number: u32 = code.expose().parse()?;
        let wrong = SecretString::from(format!("{:06}", (number + 500_000) % 1_000_000));
        match mfa.run(VerifyOtp { otp: wrong, authenticator_id: None }, caller()).await.result {
            Err(Refusal::Denied(_)) => totals.wrong += 1,
            other => return Err(format!("not denied: {other:?}").into()),
        }
    }
    Ok(totals)
}
