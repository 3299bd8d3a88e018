//! No secret in `Debug`, events, errors, denials or storage; a reply holds one only to show it once.
#![allow(missing_docs)]

#[path = "../support/mod.rs"]
mod support;

mod out_of_band;
mod watch;

use std::fmt::Debug;
use std::sync::Arc;

use mfacore::commands::{
    Associate, Challenge, Command, Describe, Erase, Import, ImportedOtp, ListAuthenticators, RecoveryCodes,
    RegenerateRecoveryCodes, RemoveAuthenticator, RenameAuthenticator, Require, RequireReply, Reseal,
    ResetMfa, RevokeTokens, Unlock, VerifyOtp, VerifyRecoveryCode,
};
use mfacore::otp::{OtpauthUri, Seed, parse_otp};
use mfacore::store::Memory;
use mfacore::{Caller, Engine, Policy, Refusal, Reply, Scopes, SecretString, Subject, VerifyReply};
use support::{Phone, START_MS, bearer, engine, key, root, seed};
use watch::Watch;

struct Life {
    watch: Watch,
    engine: Engine,
    store: Arc<Memory>,
}

impl Life {
    fn new() -> Self {
        Self::under(Policy::recommended())
    }

    fn under(mut policy: Policy) -> Self {
        policy.recovery.user_may_regenerate = true;
        // The two halves of the seed of operation 0 are alike, and the first of them is no secret.
        let mut watch = Watch { now_ms: START_MS, operations: 1, ..Watch::default() };
        watch.secret_bytes("root key", &root(1));
        watch.secret_bytes("naming key", &root(9));
        Self { watch, engine: engine(policy), store: Arc::new(Memory::new()) }
    }

    fn run<C: Command + Debug>(&mut self, command: C, caller: Caller) -> Result<C::Reply, Refusal>
    where
        C::Reply: Debug,
    {
        self.watch.run(&self.engine, &self.store, command, caller)
    }

    /// The JSON of a reply that shows nothing once.
    fn plain<C: Command + Debug>(&mut self, command: C, caller: Caller) -> C::Reply
    where
        C::Reply: Debug,
    {
        let reply = self.run(command, caller).unwrap();
        self.watch.see_text(C::NAME, serde_json::to_string(&reply).unwrap());
        reply
    }

    fn token(&mut self, caller: Caller) -> SecretString {
        let token = match self.run(Require::default(), caller).unwrap() {
            RequireReply::Required(required) => required.mfa_token,
            RequireReply::NotRequired(reply) => reply.access.unwrap().access_token,
            RequireReply::Enroll(access) => access.access_token,
        };
        self.watch.secret_text("token", token.expose());
        token
    }

    fn enroll(&mut self, token: &SecretString) -> Phone {
        let associated = self.run(Associate::otp(), bearer(token)).unwrap();
        let phone = self.watch.phone(&associated);
        self.run(Associate::otp(), bearer(token)).unwrap();
        let code = self.watch.code(&phone);
        let VerifyReply::Confirmed(grant) = self.run(code, bearer(token)).unwrap() else {
            panic!("confirmed")
        };
        self.watch.secret_text("token", grant.access_token.expose());
        phone
    }

    fn log_in(&mut self, command: VerifyOtp) -> SecretString {
        let token = self.token(Caller::host("ann").mfa_audience(Scopes::ALL).transaction("pay 10"));
        let VerifyReply::Granted(granted) = self.run(command.clone(), bearer(&token)).unwrap() else {
            panic!("granted")
        };
        self.run(command, bearer(&token)).unwrap_err();
        let access = granted.access.as_ref().unwrap().access_token.clone();
        self.watch.secret_text("token", access.expose());
        self.watch.see("proof", &granted.into_verified());
        access
    }

    fn recover(&mut self, code: &SecretString) {
        let token = self.token(Caller::host("ann"));
        let recovery = VerifyRecoveryCode { recovery_code: code.clone() };
        let VerifyReply::Granted(granted) = self.run(recovery.clone(), bearer(&token)).unwrap() else {
            panic!("granted")
        };
        let rotated = granted.recovery_code.unwrap();
        self.watch.secret_text("recovery code", rotated.expose());
        // The lost answer exists to tell the new code; its Debug form does not.
        let before = self.watch.seen.len();
        let refusal = self.run(recovery, bearer(&token)).unwrap_err();
        let told = self.watch.seen.iter().skip(before).position(|(_, seen)| {
            seen.windows(rotated.expose().len()).any(|window| window == rotated.expose().as_bytes())
        });
        let (what, _) = self.watch.seen.remove(before + told.unwrap());
        assert_eq!(what, "refusal", "its JSON, and nothing else");
        assert!(!refusal.to_string().contains(rotated.expose()));
    }
}

fn import(watch: &mut Watch) -> Import {
    let secret = Seed::new((100..140).collect()).unwrap();
    watch.secret_bytes("imported seed", secret.expose());
    let uri = format!("otpauth://totp/ann?secret={}", secret.to_base32().expose());
    watch.secret_text("imported uri", &uri);
    watch.see("uri", &OtpauthUri::parse(&uri).unwrap());
    let hash = "$pbkdf2-sha256$i=1000$c2FsdHNhbHRzYWx0$QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU";
    watch.secret_text("imported hash", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU");
    watch.secret_text("imported code", "ZZZZYYYYXXXXWWWW");
    Import {
        otp: vec![ImportedOtp { uri: uri.into(), name: Some("Token".into()) }],
        recovery_codes: vec!["ZZZZYYYYXXXXWWWW".into()],
        recovery_code_hashes: vec![hash.into()],
        recovery_code_bits: Some(64),
        ..Import::default()
    }
}

#[test]
fn a_whole_life_shows_no_secret_anywhere() {
    let mut life = Life::new();
    let host = || Caller::host("ann");
    let first = life.token(host().mfa_audience(Scopes::ALL));
    let phone = life.enroll(&first);
    let code = life.watch.code(&phone);
    let access = life.log_in(code);
    life.recover(&phone.recovery_codes[0]);
    let second = life.enroll(&access);
    life.plain(ListAuthenticators {}, bearer(&access));
    let described = life.plain(Describe {}, host());
    let id = described.authenticators[1].id.clone();
    life.plain(RenameAuthenticator { authenticator_id: id.clone(), name: "Phone".into() }, bearer(&access));
    for caller in [host(), bearer(&access), bearer(&access)] {
        let RecoveryCodes::One { recovery_code } = life.run(RegenerateRecoveryCodes {}, caller).unwrap()
        else {
            panic!("one code")
        };
        life.watch.secret_text("recovery code", recovery_code.expose());
    }
    let token = life.token(host());
    life.plain(Challenge::default(), bearer(&token));
    let stranger = Caller::token(token.clone(), Subject::Expected("bob".into()));
    for caller in [bearer(&token), stranger, bearer(&token).client("web"), host()] {
        let wrong = second.wrong(life.watch.now_ms);
        life.watch.secret_text("typed code", "998877665544");
        life.run(VerifyOtp { authenticator_id: None, otp: "998877665544".into() }, caller.clone())
            .unwrap_err();
        life.run(wrong, caller.clone()).unwrap_err();
        life.run(VerifyRecoveryCode { recovery_code: "998877665544".into() }, caller).unwrap_err();
    }
    let import = import(&mut life.watch);
    life.plain(import.clone(), host());
    life.run(import, host()).unwrap_err();
    life.plain(RemoveAuthenticator { authenticator_id: id }, bearer(&access));
    life.plain(Unlock {}, host());
    life.plain(Reseal {}, host());
    life.plain(RevokeTokens {}, host());
    life.plain(ResetMfa {}, host());
    life.plain(Erase {}, host());
    let _ = life.run(Require { device_token: Some("998877665544".into()) }, host()).unwrap();
    for (what, text) in [
        ("seed", format!("{:?}", phone.seed)),
        ("typed", format!("{:?}", parse_otp("424242").unwrap())),
        ("text", format!("{:?}", phone.recovery_codes)),
        ("engine", format!("{:?} {:?}", life.engine, life.engine.policy())),
        ("store", format!("{:?}", life.store)),
        ("user", format!("{:?}", key("ann"))),
    ] {
        life.watch.see_text(what, text);
    }
    life.watch.check(200);
}

/// A body that does not parse may hold a code: neither its refusal nor its events quote it.
#[test]
fn a_body_that_does_not_parse_is_not_quoted() {
    let life = Life::new();
    for body in [
        r#"{"otp":998877}"#,
        r#"{"otp":["998877"]}"#,
        r#"{"998877"#,
        r#"{"otp":"998877","otp":"998877"}"#,
        r#"{"authenticator_id":{"998877":1}}"#,
    ] {
        for name in ["verify_otp", "verify_recovery_code", "import", "require", "associate"] {
            let body = body.replace("otp\"", "recovery_code\"").replace("authenticator_id", "otp");
            let operation = life.engine.call(name, &body, bearer(&"x".into()), START_MS, seed(0));
            let finished = operation.finish();
            let shown = format!("{finished:?} {}", finished.response().2.expose());
            assert!(!shown.contains("998877"), "{name} {body}: {shown}");
        }
    }
}

/// The reply that shows a secret once holds what it is for and no other one.
#[test]
fn a_reply_that_shows_a_secret_shows_no_other() {
    let mut life = Life::new();
    let token = life.token(Caller::host("ann").mfa_audience(Scopes::ALL));
    let associated = life.run(Associate::otp(), bearer(&token)).unwrap();
    let text = serde_json::to_string(&associated).unwrap();
    let secret = associated.clone().into_otp().unwrap().secret;
    assert!(text.contains(secret.expose()) && !text.contains(token.expose()));
    let phone = Phone::of(&associated);
    let code = life.watch.code(&phone);
    let mut confirmed = life.run(code, bearer(&token)).unwrap();
    let text = serde_json::to_string(&confirmed).unwrap();
    assert!(!text.contains(secret.expose()));
    assert!(phone.recovery_codes.iter().all(|code| !text.contains(code.expose())));
    assert!(confirmed.take_verified().is_none());
}
