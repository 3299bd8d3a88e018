//! Users who log in again and again, and what that costs.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::application::{Application, Audience};
use crate::authenticator::Authenticator;
use crate::connection::{Answer, Connection, Lost};
use crate::directory::username;
use crate::latencies::Latencies;

/// Logins of one user within a run: the engine remembers 64 spent tokens of a user for ten minutes, and then refuses.
const LOGINS_MAX: u32 = 60;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// Password, then a recovery code: two calls.
    Password,
    /// A session's refresh token, then a recovery code: two calls, and no Argon2.
    Session(Audience),
}

/// Why a login did not come about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There was no answer.
    Lost,
    /// Another answer than was due.
    Answered(Answer),
    /// All users of the connection have logged in too often: there must be more of them.
    NoUserLeft,
}

impl From<Lost> for Failure {
    fn from(Lost: Lost) -> Self {
        Self::Lost
    }
}

/// A user who has enrolled.
#[derive(Debug)]
pub(crate) struct User {
    name: String,
    recovery_code: String,
    refresh_token: String,
    logins: u32,
}

/// One connection with users of its own, so that no two requests meet in a record.
#[derive(Debug)]
pub struct Worker {
    application: Application,
    users: Vec<User>,
    next: usize,
}

/// What workers did in some time.
#[derive(Debug, Default)]
pub struct Measured {
    /// Of the logins that came about.
    pub latencies: Latencies,
    /// Those that did not.
    pub failures: Vec<Failure>,
    /// How long it took.
    pub elapsed: Duration,
}

impl Measured {
    /// Logins a second.
    pub fn rate(&self) -> f64 {
        // A count of logins is far below what a double holds exactly.
        self.latencies.count() as f64 / self.elapsed.as_secs_f64()
    }

    /// Adds what others did at another time.
    pub fn append(&mut self, other: Self) {
        self.latencies.append(other.latencies);
        self.failures.extend(other.failures);
        self.elapsed += other.elapsed;
    }
}

impl Worker {
    /// Enrolls the users of these numbers.
    ///
    /// # Errors
    /// The first that could not be enrolled.
    pub async fn enroll(address: SocketAddr, numbers: Vec<usize>) -> Result<Self, Failure> {
        let mut application = Application::new(Connection::new(address));
        let mut users = Vec::new();
        for number in numbers {
            users.push(enroll(&mut application, username(number)).await?);
        }
        Ok(Self { application, users, next: 0 })
    }

    /// Logs its users in, one after the other, until that time.
    async fn log_in_until(&mut self, login: Login, end: Instant) -> Measured {
        let mut measured = Measured::default();
        while Instant::now() < end {
            let begun = Instant::now();
            match self.log_in(login).await {
                Ok(()) => measured.latencies.push(begun.elapsed()),
                Err(Failure::NoUserLeft) => {
                    measured.failures.push(Failure::NoUserLeft);
                    break;
                }
                Err(failure) => measured.failures.push(failure),
            }
        }
        measured
    }

    async fn log_in(&mut self, login: Login) -> Result<(), Failure> {
        let following = (self.next + 1) % self.users.len().max(1);
        let user = self.users.get_mut(self.next).filter(|user| user.logins < LOGINS_MAX);
        let user = user.ok_or(Failure::NoUserLeft)?;
        self.next = following;
        let required = match login {
            Login::Password => self.application.password(&user.name).await?,
            Login::Session(audience) => self.application.refresh(&user.refresh_token, audience).await?,
        };
        let mfa_token = member(&required, 403, "mfa_token")?;
        user.logins += 1;
        let granted = self.application.recovery_code(&mfa_token, &user.recovery_code).await?;
        user.recovery_code = member(&granted, 200, "recovery_code")?;
        Ok(())
    }
}

/// Enrolls an authenticator app, which is not needed again: recovery codes alone let a user in more than once in a
/// step.
pub(crate) async fn enroll(application: &mut Application, name: String) -> Result<User, Failure> {
    let mfa_token = member(&application.password(&name).await?, 403, "mfa_token")?;
    let associated = application.associate(&mfa_token).await?;
    let recovery_code = associated.body["recovery_codes"][0].as_str().map(str::to_owned);
    let authenticator = associated.text("secret").and_then(Authenticator::of);
    let (Some(recovery_code), Some(authenticator)) = (recovery_code, authenticator) else {
        return Err(Failure::Answered(associated));
    };
    let granted = application.one_time_password(&mfa_token, &authenticator.code()).await?;
    let refresh_token = member(&granted, 200, "refresh_token")?;
    Ok(User { name, recovery_code, refresh_token, logins: 0 })
}

/// A member of the answer that was due.
pub(crate) fn member(answer: &Answer, status: u16, name: &str) -> Result<String, Failure> {
    let text = answer.text(name).filter(|_| answer.status == status);
    text.map(str::to_owned).ok_or_else(|| Failure::Answered(answer.clone()))
}

/// Enrolls users `0..user_count` over so many connections.
///
/// # Errors
/// The first that could not be enrolled.
pub async fn enroll_all(
    address: SocketAddr,
    connection_count: usize,
    user_count: usize,
) -> Result<Vec<Worker>, Failure> {
    let mut tasks = JoinSet::new();
    for connection in 0..connection_count {
        let numbers = (connection..user_count).step_by(connection_count).collect();
        tasks.spawn(Worker::enroll(address, numbers));
    }
    tasks.join_all().await.into_iter().collect()
}

/// Lets all workers log in for so long.
pub async fn measure(workers: &mut Vec<Worker>, login: Login, duration: Duration) -> Measured {
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for mut worker in workers.drain(..) {
        tasks.spawn(async move { (worker.log_in_until(login, begun + duration).await, worker) });
    }
    let mut measured = Measured::default();
    for (own, worker) in tasks.join_all().await {
        measured.append(own);
        workers.push(worker);
    }
    measured.elapsed = begun.elapsed();
    measured
}
