//! The tour's stage: an engine on a SQLite file, a clock of its own, and what is shown of each call.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anstyle::{AnsiColor, Style};
use mfacore::drivers::blocking::Mfa;
use mfacore::otp::{Seed, Totp};
use mfacore::{
    Caller, Content, Delivery, Engine, KeyRing, NumberEntry, Policy, PushMessage, SecretString, Subject,
};
use mfacore_sqlite::Sqlite;
use serde_json::Value;

use crate::expect::Expect;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const TITLE: Style = AnsiColor::Cyan.on_default().bold();
const CALL: Style = AnsiColor::Yellow.on_default();
const GOOD: Style = AnsiColor::Green.on_default();
const SENT: Style = AnsiColor::Magenta.on_default();
const DIM: Style = Style::new().dimmed();

/// 2026-01-01T09:00:00Z, milliseconds since 1970.
const START_MS: u64 = 1_767_258_000_000;
const DAY_MS: u64 = 86_400_000;

/// Every factor. A number gets three codes before its budget is spent, so that a tour sees it happen.
const POLICY: &str = r#"{
    "profile": "recommended",
    "issuer": "ACME",
    "enforcement": "always",
    "factors": ["otp", "phone", "push-notification", "email", "recovery-code"],
    "push": {"base_url": "https://mfa.acme.example"},
    "messages": {"destination_log_in": {"burst": 3, "refill_ms": 1800000}}
}"#;

pub(crate) struct Stage {
    path: PathBuf,
    engine: Engine,
    mfa: Mfa<Sqlite>,
    now_ms: Arc<AtomicU64>,
    /// The number of the tour: users are its own.
    tour: u64,
    user: String,
    sent: Vec<Delivery>,
    steps: u32,
}

impl Stage {
    pub(crate) fn open(path: PathBuf) -> Result<Self> {
        // A host keeps these keys in its secret manager. The tour's file is worth nothing.
        let key = |first: u8| std::array::from_fn(|index| u8::try_from(index).unwrap_or_default() ^ first);
        let keys = KeyRing::new(1, key(0))?.with_naming_key(key(64))?;
        let engine = Engine::new(keys, Policy::from_json(POLICY)?)?;
        let now_ms = Arc::new(AtomicU64::new(START_MS));
        let mfa = driver(&engine, &path, &now_ms)?;
        anstream::println!("{TITLE}mfacore on {}{TITLE:#}", path.display());
        // A given file may hold earlier tours: each has users and a day of its own.
        let is_fresh =
            |tour: &u64| mfa.call("describe", "{}", Caller::host(name("ann", *tour))).sequence == 0;
        let tour = (1..).find(is_fresh).ok_or("no user is left")?;
        now_ms.fetch_add(tour * DAY_MS, Ordering::SeqCst);
        Ok(Self { path, engine, mfa, now_ms, tour, user: name("ann", tour), sent: Vec::new(), steps: 0 })
    }

    /// The next calls are about this user.
    pub(crate) fn enter(&mut self, user: &str) {
        self.user = name(user, self.tour);
    }

    /// The host itself, for the user.
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

    /// The code that the last step sent.
    pub(crate) fn code_sent(&self) -> Result<String> {
        match self.sent.first().map(|delivery| &delivery.content) {
            Some(Content::Code(code)) => Ok(code.expose().to_owned()),
            _ => Err("no code was sent".into()),
        }
    }

    /// The push that the last step sent.
    pub(crate) fn push_sent(&self) -> Result<PushMessage> {
        match self.sent.first().map(|delivery| &delivery.content) {
            Some(Content::Push(push)) => Ok(push.clone()),
            _ => Err("no push was sent".into()),
        }
    }

    /// After the first factor: the `mfa_token`, where `wanted` can be passed or enrolled.
    pub(crate) fn require(&mut self, caller: Caller, wanted: &str) -> Result<String> {
        let expected = Expect::required(wanted);
        let required = self.call("The password was right", "require", "{}", caller, expected)?;
        text(&required, "/mfa_token")
    }

    /// Makes a call, shows it, and returns the reply's body where all is what `expected` says.
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
        self.sent = finished.deliveries;
        self.sent.iter().for_each(show);
        let found = if json.expose().is_empty() { Value::Null } else { serde_json::from_str(json.expose())? };
        if !expected.holds(outcome, status, &found, &self.sent)? {
            return Err(format!("{about}: {name} should be {expected:?}").into());
        }
        Ok(found)
    }
}

fn name(user: &str, tour: u64) -> String {
    format!("{user}-{tour}")
}

fn driver(engine: &Engine, path: &std::path::Path, now_ms: &Arc<AtomicU64>) -> Result<Mfa<Sqlite>> {
    let clock = now_ms.clone();
    let store = Sqlite::open_path(path)?;
    Ok(Mfa::new(engine.clone(), store).with_clock(Arc::new(move || clock.load(Ordering::SeqCst))))
}

/// A host sends this; the tour shows it.
fn show(delivery: &Delivery) {
    let says = match &delivery.content {
        Content::Code(code) => format!("your code is {}", code.expose()),
        Content::Push(PushMessage { number: NumberEntry::Choose(choices), .. }) => {
            format!("is it you? {}", choices.join(" or "))
        }
        Content::Push(_) => "is it you?".to_owned(),
        Content::Notice => "something happened to your account".to_owned(),
    };
    let (channel, to) = (delivery.channel.name(), delivery.destination.expose());
    anstream::println!("   {SENT}{channel} to {to}{SENT:#}, {:?}: {says}", delivery.occasion);
}

/// The text of a member of a reply.
pub(crate) fn text(reply: &Value, pointer: &str) -> Result<String> {
    let value = reply.pointer(pointer).and_then(Value::as_str);
    Ok(value.ok_or_else(|| format!("the reply has no {pointer}"))?.to_owned())
}

/// Sealed tokens are long and say nothing to a reader.
fn shorten(json: &str) -> String {
    let short = |part: &str| {
        let (most, kept) = if part.contains(':') { (160, 60) } else { (80, 12) };
        let end = part.char_indices().nth(kept).filter(|_| part.len() > most && !part.contains(' '));
        end.map_or_else(|| part.to_owned(), |(end, _)| format!("{}..", &part[..end]))
    };
    json.split('"').map(short).collect::<Vec<_>>().join("\"")
}
