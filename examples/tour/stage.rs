//! The tour's stage: an engine on a SQLite file, a clock of its own, and what is shown of each call.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anstyle::{AnsiColor, Style};
use mfacore::drivers::blocking::Mfa;
use mfacore::otp::{Seed, Totp};
use mfacore::{Caller, Engine, KeyRing, Outcome, Policy, SecretString, Subject};
use mfacore_sqlite::Sqlite;
use serde_json::Value;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const TITLE: Style = AnsiColor::Cyan.on_default().bold();
const CALL: Style = AnsiColor::Yellow.on_default();
const GOOD: Style = AnsiColor::Green.on_default();
const DIM: Style = Style::new().dimmed();

/// 2026-01-01T09:00:00Z, milliseconds since 1970.
const START_MS: u64 = 1_767_258_000_000;

pub(crate) struct Stage {
    path: PathBuf,
    engine: Engine,
    mfa: Mfa<Sqlite>,
    now_ms: Arc<AtomicU64>,
    user: String,
    steps: u32,
}

impl Stage {
    pub(crate) fn open(path: PathBuf) -> Result<Self> {
        // A host keeps this key in its secret manager. The tour's file is worth nothing.
        let keys = KeyRing::new(1, std::array::from_fn(|index| u8::try_from(index).unwrap_or_default()))?;
        let policy =
            Policy::from_json(r#"{"profile": "recommended", "issuer": "ACME", "enforcement": "always"}"#)?;
        let engine = Engine::new(keys, policy)?;
        let now_ms = Arc::new(AtomicU64::new(START_MS));
        let mfa = driver(&engine, &path, &now_ms)?;
        anstream::println!("{TITLE}mfacore on {}{TITLE:#}", path.display());
        // A given file may hold earlier tours: each has a user of its own.
        let fresh = |user: &String| mfa.call("describe", "{}", Caller::host(user.as_str())).sequence == 0;
        let user = (1..).map(|number| format!("ann-{number}")).find(fresh).ok_or("no user is left")?;
        Ok(Self { path, engine, mfa, now_ms, user, steps: 0 })
    }

    /// The host itself, for the tour's user.
    pub(crate) fn host(&self) -> Caller {
        Caller::host(self.user.as_str())
    }

    /// The bearer of a token that must be the user's.
    pub(crate) fn bearer(&self, token: &str) -> Caller {
        Caller::token(SecretString::from(token), Subject::Expected(self.user.clone()))
    }

    /// Closes the file and opens it again: nothing is kept in memory.
    pub(crate) fn reopen(&mut self) -> Result<()> {
        self.title("The file is opened anew, and everything is still there");
        self.mfa = driver(&self.engine, &self.path, &self.now_ms)?;
        let listed = r#"{"authenticators": [{"type": "totp"}, {"type": "totp"}, {"type": "recovery-code"}]}"#;
        self.call("Support looks at the user", "describe", "{}", self.host(), Expect::done(listed))?;
        Ok(())
    }

    pub(crate) fn steps(&self) -> u32 {
        self.steps
    }

    pub(crate) fn title(&self, text: &str) {
        anstream::println!("\n{TITLE}== {text} =={TITLE:#}");
    }

    pub(crate) fn pass_s(&self, seconds: u64) {
        self.now_ms.fetch_add(seconds * 1_000, Ordering::SeqCst);
        anstream::println!("{DIM}   .. {seconds} seconds pass ..{DIM:#}");
    }

    /// The code that an authenticator app shows now.
    pub(crate) fn code(&self, secret: &str) -> Result<String> {
        let totp = Totp::default();
        let step = totp.step(self.now_ms.load(Ordering::SeqCst));
        Ok(totp.generate(&Seed::from_base32(secret)?, step).to_text().expose().to_owned())
    }

    /// Makes a call, shows it, and returns the reply's body where it is what `expected` says.
    pub(crate) fn call(
        &mut self,
        about: &str,
        name: &str,
        body: &str,
        caller: Caller,
        expected: Expect<'_>,
    ) -> Result<Value> {
        self.steps += 1;
        anstream::println!("\n{about}\n   {CALL}{name}{CALL:#} {}", shorten(body));
        let finished = self.mfa.call(name, body, caller);
        let (outcome, status, json) = finished.response();
        anstream::println!("   {GOOD}{outcome:?}{GOOD:#} {status} {}", shorten(json.expose()));
        for event in &finished.events {
            anstream::println!("   {DIM}event {}{DIM:#}", serde_json::to_string(&event.kind)?);
        }
        let found: Value =
            if json.expose().is_empty() { Value::Null } else { serde_json::from_str(json.expose())? };
        let wanted: Value = serde_json::from_str(expected.body)?;
        if (outcome, status) != (expected.outcome, expected.status) || !holds(&found, &wanted) {
            return Err(format!("{about}: {name} should be {expected:?}").into());
        }
        Ok(found)
    }
}

fn driver(engine: &Engine, path: &std::path::Path, now_ms: &Arc<AtomicU64>) -> Result<Mfa<Sqlite>> {
    let clock = now_ms.clone();
    let store = Sqlite::open_path(path)?;
    Ok(Mfa::new(engine.clone(), store).with_clock(Arc::new(move || clock.load(Ordering::SeqCst))))
}

/// What a call must come to: outcome, HTTP status, and members that the body must hold.
#[derive(Debug)]
pub(crate) struct Expect<'a> {
    outcome: Outcome,
    status: u16,
    body: &'a str,
}

impl<'a> Expect<'a> {
    pub(crate) fn done(body: &'a str) -> Self {
        Self { outcome: Outcome::Done, status: 200, body }
    }

    pub(crate) fn removed() -> Self {
        Self { outcome: Outcome::Done, status: 204, body: "null" }
    }

    pub(crate) fn required(body: &'a str) -> Self {
        Self { outcome: Outcome::Required, status: 403, body }
    }

    pub(crate) fn granted(body: &'a str) -> Self {
        Self { outcome: Outcome::Granted, status: 200, body }
    }

    pub(crate) fn confirmed(body: &'a str) -> Self {
        Self { outcome: Outcome::Confirmed, status: 200, body }
    }

    pub(crate) fn denied(status: u16, body: &'a str) -> Self {
        Self { outcome: Outcome::Denied, status, body }
    }
}

/// Whether `found` has every member that `wanted` names.
fn holds(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().all(|(name, wanted)| found.get(name).is_some_and(|found| holds(found, wanted)))
        }
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len()
                && found.iter().zip(wanted).all(|(found, wanted)| holds(found, wanted))
        }
        (found, wanted) => found == wanted,
    }
}

/// The text of a member of a reply.
pub(crate) fn text(reply: &Value, pointer: &str) -> Result<String> {
    let value = reply.pointer(pointer).and_then(Value::as_str);
    Ok(value.ok_or_else(|| format!("the reply has no {pointer}"))?.to_owned())
}

/// Sealed tokens are long and say nothing to a reader.
fn shorten(json: &str) -> String {
    json.split('"')
        .map(|part| match part.char_indices().nth(12) {
            Some((end, _)) if part.len() > 120 && !part.contains([' ', ':']) => format!("{}..", &part[..end]),
            _ => part.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("\"")
}
