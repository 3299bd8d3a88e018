//! A server that is killed while it works: what it said that it did, it did, and no code is worth anything twice. What
//! it said nothing of, it did or did not; the call, repeated, tells which.

mod ledger;
#[path = "../support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ledger::{Ledger, Settled, TypedCode, send};
use mfacore_server_load::application::Application;
use mfacore_server_load::connection::{Connection, Lost};
use mfacore_server_load::directory::username;
use mfacore_server_load::server_process::ServerProcess;
use support::{folder_of, server_binary};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::timeout;

const CONNECTIONS: usize = 16;
const USERS_PER_CONNECTION: usize = 9;
/// Every so many turns somebody new enrolls, so that each crash meets enrollments too.
const NEWCOMER_TURNS: usize = 5;
const CRASHES: usize = 3;
/// Answers that arrive before a crash.
const ANSWERS: usize = 250;
/// Refused codes that the budget of wrong codes holds, and one to spare.
const REPLAYS: usize = 9;
/// Nothing here takes as long, unless it never ends.
const HANGS: Duration = Duration::from_secs(120);

/// As every user passes a second factor; a one-time password is right for five minutes, so that one that is refused
/// is refused for having been used.
const POLICY: &str = r#"{"profile":"recommended","enforcement":"always","factors":["otp","recovery-code"],
    "skew":{"back":10,"forward":0},"declare_odds":true}"#;

/// How often the test saw what it is about.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    written: usize,
    not_written: usize,
    codes_refused: usize,
    recovery_codes_refused: usize,
    confirmed_later: usize,
    enrolled: usize,
}

impl Seen {
    fn append(&mut self, other: Self) {
        self.written += other.written;
        self.not_written += other.not_written;
        self.codes_refused += other.codes_refused;
        self.recovery_codes_refused += other.recovery_codes_refused;
        self.confirmed_later += other.confirmed_later;
        self.enrolled += other.enrolled;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_answered_is_lost_or_happens_twice() {
    let folder = folder_of(CONNECTIONS * USERS_PER_CONNECTION);
    let mut ledgers: Vec<Vec<Ledger>> = (0..CONNECTIONS)
        .map(|first| {
            let numbers = (0..USERS_PER_CONNECTION).map(|number| first + number * CONNECTIONS);
            numbers.map(|number| Ledger::new(username(number))).collect()
        })
        .collect();
    let mut seen = Seen::default();
    for _ in 0..CRASHES {
        let mut server = start(folder.path());
        let address = server.address();
        seen.append(timeout(HANGS, check_all(&mut ledgers, address)).await.unwrap());
        timeout(HANGS, work_until_killed(&mut ledgers, &mut server)).await.unwrap();
    }
    let server = start(folder.path());
    let last = timeout(HANGS, check_all(&mut ledgers, server.address())).await.unwrap();
    seen.append(last);
    println!("{seen:?}");
    let Seen { written, not_written, codes_refused, recovery_codes_refused, confirmed_later, .. } = seen;
    assert!(written + not_written > 0, "no request was in doubt: {seen:?}");
    assert!(codes_refused > 0 && recovery_codes_refused > 0, "no code was replayed: {seen:?}");
    assert!(confirmed_later > 0, "no enrollment was open: {seen:?}");
    assert!(last.enrolled > 0, "nobody enrolled: {seen:?}");
}

fn start(folder: &Path) -> ServerProcess {
    ServerProcess::start(server_binary(), folder, POLICY).unwrap()
}

/// Lets every connection work, and kills the server in the middle of it.
async fn work_until_killed(ledgers: &mut Vec<Vec<Ledger>>, server: &mut ServerProcess) {
    let is_killed = Arc::new(AtomicBool::new(false));
    let (answered, mut answers) = unbounded_channel();
    let mut tasks = JoinSet::new();
    for own in ledgers.drain(..) {
        tasks.spawn(work(own, server.address(), answered.clone(), is_killed.clone()));
    }
    drop(answered);
    for _ in 0..ANSWERS {
        // All workers ended: the first to be joined says why.
        let Some(()) = answers.recv().await else { break };
    }
    is_killed.store(true, Ordering::SeqCst);
    server.kill();
    ledgers.extend(tasks.join_all().await);
}

/// Takes user after user one step further, until no answer comes.
async fn work(
    mut users: Vec<Ledger>,
    address: SocketAddr,
    answered: UnboundedSender<()>,
    is_killed: Arc<AtomicBool>,
) -> Vec<Ledger> {
    let mut application = Application::new(Connection::new(address));
    for turn in 0.. {
        let known = users.iter().position(Ledger::is_new).unwrap_or(users.len());
        let place = if known < users.len() && turn % NEWCOMER_TURNS == 0 { known } else { turn % known };
        if users[place].go_on(&mut application).await.is_err() {
            assert!(is_killed.load(Ordering::SeqCst), "an answer was lost while the server ran");
            break;
        }
        let _ = answered.send(());
    }
    users
}

/// Checks every user, each connection its own.
async fn check_all(ledgers: &mut Vec<Vec<Ledger>>, address: SocketAddr) -> Seen {
    let mut tasks = JoinSet::new();
    for mut own in ledgers.drain(..) {
        tasks.spawn(async move {
            let mut application = Application::new(Connection::new(address));
            let mut seen = Seen::default();
            for user in &mut own {
                seen.append(check(user, &mut application).await.expect("the server ended by itself"));
            }
            (seen, own)
        });
    }
    let mut seen = Seen::default();
    for (of_connection, own) in tasks.join_all().await {
        seen.append(of_connection);
        ledgers.push(own);
    }
    seen
}

/// Holds the server to what it told one user.
async fn check(user: &mut Ledger, application: &mut Application) -> Result<Seen, Lost> {
    let mut seen = Seen::default();
    match user.settle(application).await? {
        Some(Settled::Written) => seen.written = 1,
        Some(Settled::NotWritten) => seen.not_written = 1,
        None => {}
    }
    if user.is_pending() {
        user.go_on(application).await?;
        seen.confirmed_later = 1;
    }
    if !user.is_enrolled() {
        return Ok(seen);
    }
    seen.enrolled = 1;
    let mfa_token = user.first_factor(application).await?;
    is_listed(user, application, &mfa_token).await?;
    refuses_replays(user, application, &mfa_token, &mut seen).await?;
    let current = TypedCode::RecoveryCode(user.recovery_code().to_owned());
    user.pass(application, mfa_token, current).await?;
    Ok(seen)
}

async fn is_listed(user: &Ledger, application: &mut Application, mfa_token: &str) -> Result<(), Lost> {
    let listed = application.authenticators(mfa_token).await?;
    let all = listed.body.as_array().unwrap_or_else(|| panic!("{}: {listed:?}", user.name));
    let is_active = |one: &&serde_json::Value| one["type"] == "otp" && one["active"] == true;
    assert_eq!(all.iter().filter(is_active).count(), 1, "{}: {listed:?}", user.name);
    Ok(())
}

/// Each code that was accepted is refused, and for no other reason than that: support fills the budget again.
async fn refuses_replays(
    user: &Ledger,
    application: &mut Application,
    mfa_token: &str,
    seen: &mut Seen,
) -> Result<(), Lost> {
    for (place, code) in user.accepted().enumerate() {
        if place % REPLAYS == 0 {
            let unblocked = application.unblock(&user.name).await?;
            assert_eq!(unblocked.status, 204, "{}: {unblocked:?}", user.name);
        }
        let refused = send(application, mfa_token, &code).await?;
        assert!(refused.is_refusal(403, "invalid_grant"), "{}: {code:?} again: {refused:?}", user.name);
        match code {
            TypedCode::OneTimePassword(_) => seen.codes_refused += 1,
            TypedCode::RecoveryCode(_) => seen.recovery_codes_refused += 1,
        }
    }
    Ok(())
}
