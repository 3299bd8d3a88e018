//! What is known to be secret, looked for in everything that anybody could have written to a log.

use std::fmt::Debug;

use base64ct::{Base64, Base64Unpadded, Base64UrlUnpadded, Encoding};
use mfacore::commands::{Associated, Command, VerifyOtp};
use mfacore::otp::Seed;
use mfacore::store::{Memory, Store};
use mfacore::{Caller, Delivery, Engine, Operation, Refusal, Want};

use super::support::everything::dump;
use super::support::{Phone, seed};

/// A secret in every spelling that a careless formatter would give it.
pub struct Secret {
    name: &'static str,
    spellings: Vec<Vec<u8>>,
}

fn spellings(bytes: &[u8]) -> Vec<Vec<u8>> {
    let join = |separator: &str, one: fn(&u8) -> String| {
        bytes.iter().map(one).collect::<Vec<_>>().join(separator).into_bytes()
    };
    let base32 = |bytes: &[u8]| Seed::new(bytes.to_vec()).map(|seed| seed.to_base32().expose().to_owned());
    let mut all = vec![
        bytes.to_vec(),
        join("", |byte| format!("{byte:02x}")),
        join("", |byte| format!("{byte:02X}")),
        join(", ", |byte| format!("{byte}")),
        join(",", |byte| format!("{byte}")),
        Base64::encode_string(bytes).into_bytes(),
        Base64Unpadded::encode_string(bytes).into_bytes(),
        Base64UrlUnpadded::encode_string(bytes).into_bytes(),
    ];
    if let Ok(text) = base32(bytes) {
        all.extend([text.to_ascii_lowercase().into_bytes(), text.into_bytes()]);
    }
    all
}

/// What is known to be secret, and everything that anybody could have written to a log.
#[derive(Default)]
pub struct Watch {
    pub secrets: Vec<Secret>,
    pub seen: Vec<(String, Vec<u8>)>,
    pub operations: u64,
    pub now_ms: u64,
    /// What the last operation sent.
    pub sent: Vec<Delivery>,
}

impl Watch {
    pub fn secret_bytes(&mut self, name: &'static str, bytes: &[u8]) {
        self.secrets.push(Secret { name, spellings: spellings(bytes) });
    }

    pub fn secret_text(&mut self, name: &'static str, text: &str) {
        let mut spellings = spellings(text.as_bytes());
        spellings.push(text.to_ascii_lowercase().into_bytes());
        if let Ok(sealed) = Base64UrlUnpadded::decode_vec(text) {
            spellings.push(sealed);
        }
        self.secrets.push(Secret { name, spellings });
    }

    pub fn phone(&mut self, associated: &Associated) -> Phone {
        let phone = Phone::of(associated);
        self.secret_bytes("seed", phone.seed.expose());
        self.secret_text("uri", associated.clone().into_otp().unwrap().barcode_uri.expose());
        for code in &phone.recovery_codes {
            self.secret_text("recovery code", code.expose());
        }
        phone
    }

    pub fn code(&mut self, phone: &Phone) -> VerifyOtp {
        self.now_ms += 30_000;
        let verify = phone.otp(self.now_ms);
        self.secret_text("code", verify.otp.expose());
        verify
    }

    pub fn see(&mut self, what: impl Into<String>, value: &(impl Debug + ?Sized)) {
        self.seen.push((what.into(), format!("{value:?} {value:#?}").into_bytes()));
    }

    pub fn see_text(&mut self, what: &str, text: impl Into<Vec<u8>>) {
        self.seen.push((what.to_owned(), text.into()));
    }

    /// Runs an operation step by step and looks at all that it shows on the way.
    pub fn run<C: Command + Debug>(
        &mut self,
        engine: &Engine,
        store: &Memory,
        command: C,
        caller: Caller,
    ) -> Result<C::Reply, Refusal>
    where
        C::Reply: Debug,
    {
        self.see(C::NAME, &command);
        self.see("caller", &caller);
        let seed = seed(self.operations);
        self.operations += 1;
        self.secret_bytes("operation's seed", &seed[16..]);
        let mut operation: Operation<C::Reply> = engine.operation(command, caller, self.now_ms, seed);
        loop {
            self.see("operation", &operation);
            self.see("want", &operation.want());
            match operation.want() {
                Want::Load { key, .. } => {
                    let found = Store::load(store, key);
                    self.see("loaded", &found);
                    operation.loaded(found);
                }
                Want::Swap { key, write } => {
                    let swapped = Store::swap(store, key, write);
                    operation.swapped(swapped);
                }
                Want::Done => break,
            }
        }
        let finished = operation.finish();
        self.see(format!("finished {}", C::NAME), &finished);
        self.see_text("events", serde_json::to_string(&finished.events).unwrap());
        self.sent.clone_from(&finished.deliveries);
        for delivery in &finished.deliveries {
            self.see("delivery", delivery);
            self.see("content", &delivery.content);
        }
        for (key, stored) in dump(store) {
            self.see_text("storage key", key);
            self.see_text("stored", stored.bytes);
        }
        match &finished.result {
            Ok(reply) => self.see(format!("reply {}", C::NAME), reply),
            Err(refusal) => {
                self.see_text("refusal", refusal.to_string());
                self.see_text("refusal", refusal.to_json().expose());
            }
        }
        finished.result
    }

    /// Whether `text` shows a secret that is known by now; its name.
    pub fn shown_in(&self, text: &str) -> Vec<&'static str> {
        let is_shown = |secret: &&Secret| {
            let spelt = secret.spellings.iter().filter_map(|spelling| std::str::from_utf8(spelling).ok());
            spelt.into_iter().any(|spelling| text.contains(spelling))
        };
        self.secrets.iter().filter(is_shown).map(|secret| secret.name).collect()
    }

    pub fn check(&self, seen_min: usize) {
        assert!(self.secrets.len() > 40 && self.seen.len() > seen_min);
        // As text, since the standard library searches text quickly in a debug build too.
        let text = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
        let seen: Vec<(&str, String)> = self.seen.iter().map(|(what, seen)| (&**what, text(seen))).collect();
        for secret in &self.secrets {
            for spelling in secret.spellings.iter().map(|spelling| text(spelling)) {
                for (what, seen) in &seen {
                    assert!(!seen.contains(&spelling), "{what} shows a {}: {seen}", secret.name);
                }
            }
        }
    }
}
