//! One user's codes guessed from many connections, while the others log in.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::application::Application;
use crate::connection::Connection;
use crate::directory::username;
use crate::load::{Failure, Login, Measured, Worker, enroll, measure, member};

/// What is guessed: at any time it is right with odds of 2 in a million.
const GUESS: &str = "000000";

/// What the guesses came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guesses {
    /// 403: the code is wrong.
    pub wrong: u64,
    /// 429: the budget is spent.
    pub refused: u64,
    /// Anything else.
    pub other: u64,
}

impl Guesses {
    fn append(&mut self, other: Self) {
        self.wrong += other.wrong;
        self.refused += other.refused;
        self.other += other.other;
    }
}

/// The logins of the others, without a burst and with one.
#[derive(Debug, Default)]
pub struct Compared {
    /// Without.
    pub calm: Measured,
    /// With.
    pub burst: Measured,
    /// What the burst came to.
    pub guesses: Guesses,
}

/// Who is guessed at, and from how many connections.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The server.
    pub address: SocketAddr,
    /// The user's number; none of the workers'.
    pub user: usize,
    /// Connections that guess.
    pub connection_count: usize,
}

/// Measures in turns, so that what else the machine does meets both alike; each turn of guesses begins with a full
/// budget.
///
/// # Errors
/// The target could not be set up.
pub async fn compare(
    workers: &mut Vec<Worker>,
    login: Login,
    turn: Duration,
    turns: u32,
    target: Target,
) -> Result<Compared, Failure> {
    let mfa_token = challenged(target).await?;
    let mut compared = Compared::default();
    for _ in 0..turns {
        compared.calm.append(measure(workers, login, turn).await);
        let guessing = tokio::spawn(guess(target, mfa_token.clone(), Instant::now() + turn));
        compared.burst.append(measure(workers, login, turn).await);
        compared.guesses.append(guessing.await.unwrap_or_default());
    }
    Ok(compared)
}

/// Enrolls the user; the token of a login that waits for its second factor, as one has it who knows the password.
async fn challenged(target: Target) -> Result<String, Failure> {
    let mut application = Application::new(Connection::new(target.address));
    let name = username(target.user);
    enroll(&mut application, name.clone()).await?;
    member(&application.password(&name).await?, 403, "mfa_token")
}

async fn guess(target: Target, mfa_token: String, end: Instant) -> Guesses {
    let _ = Application::new(Connection::new(target.address)).unblock(&username(target.user)).await;
    let mut tasks = JoinSet::new();
    for _ in 0..target.connection_count {
        tasks.spawn(guess_until(target.address, mfa_token.clone(), end));
    }
    let mut guesses = Guesses::default();
    for own in tasks.join_all().await {
        guesses.append(own);
    }
    guesses
}

async fn guess_until(address: SocketAddr, mfa_token: String, end: Instant) -> Guesses {
    let mut application = Application::new(Connection::new(address));
    let mut guesses = Guesses::default();
    while Instant::now() < end {
        let answer = application.one_time_password(&mfa_token, GUESS).await;
        let count = match answer.map(|answer| answer.status) {
            Ok(403) => &mut guesses.wrong,
            Ok(429) => &mut guesses.refused,
            _ => &mut guesses.other,
        };
        *count += 1;
    }
    guesses
}
