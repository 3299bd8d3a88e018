//! Tokens that are not ours, or not the caller's: refused before anything is loaded, and answered like any other.
#![allow(missing_docs)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mfacore::commands::{Challenge, ListAuthenticators, PushDecision};
use mfacore::limits::TOKEN_BYTES_MAX;
use mfacore::store::{Loaded, Memory, Store, StoreError, Swapped, Write};
use mfacore::{Caller, DenialCode, Engine, KeyRing, Policy, PushMessage, SecretString, Subject};
use support::everything::{everything, everything_on};
use support::oob::{code, every_factor, of_id, verify};
use support::{World, bearer, engine, granted, root};

/// A store that counts its loads.
#[derive(Clone)]
struct Counting(Arc<Memory>, Arc<AtomicUsize>);

impl Store for Counting {
    fn load(&self, key: &[u8]) -> Result<Option<Loaded>, StoreError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Store::load(&*self.0, key)
    }
    fn swap(&self, key: &[u8], write: Write<'_>) -> Result<Swapped, StoreError> {
        Store::swap(&*self.0, key, write)
    }
    fn durable(&self) -> bool {
        false
    }
}

/// What can be done to a token: cut, a letter changed or swapped with its neighbour, spliced, padded.
fn forgeries(token: &SecretString, other: &SecretString) -> Vec<String> {
    let text = token.expose();
    let mut forged: Vec<String> = (0..text.len()).map(|at| text[..at].to_owned()).collect();
    for (at, letter) in text.char_indices() {
        for new in ['A', 'B', '_', '=', ' ', 'é'] {
            if new != letter {
                forged.push(format!("{}{new}{}", &text[..at], &text[at + 1..]));
            }
        }
        let next = text[at + 1..].chars().next();
        if let Some(next) = next.filter(|next| *next != letter) {
            forged.push(format!("{}{next}{letter}{}", &text[..at], &text[at + 2..]));
        }
    }
    let half = text.len() / 2;
    forged.push(format!("{}{}", &text[..half], &other.expose()[half..]));
    forged.extend([format!("{text}A"), format!("{text}{text}"), format!(" {text}"), format!("{text}\n")]);
    forged.push("A".repeat(TOKEN_BYTES_MAX + 1));
    forged.push("A".repeat(1 << 20));
    forged
}

/// A forged token costs no read, whatever was done to it, and is answered like any other.
#[test]
fn forged_tokens_are_refused_before_anything_is_loaded() {
    let loads = Arc::new(AtomicUsize::new(0));
    let store = Counting(Arc::new(Memory::new()), loads.clone());
    let world = World::on(engine(Policy::recommended()), store);
    let phone = world.enroll("ann");
    let (token, other) = (world.require("ann"), world.require("ann"));
    let forged = forgeries(&token, &other);
    let before = loads.load(Ordering::SeqCst);
    for text in &forged {
        let denial = world.denied(phone.otp(world.now_ms()), bearer(&text.as_str().into()));
        assert_eq!((denial.code, denial.counted), (DenialCode::TokenMalformed, false), "{text:.2000}");
        let denial = world.denied(ListAuthenticators {}, bearer(&text.as_str().into()));
        assert_eq!((denial.code.clone(), denial.status()), (DenialCode::TokenMalformed, 401));
    }
    assert_eq!(loads.load(Ordering::SeqCst), before);
    let _ = granted(world.run(phone.otp(world.now_ms()), bearer(&token)).unwrap());
}

#[test]
fn tokens_of_another_ring_client_user_or_tenant_are_refused_before_anything_is_loaded() {
    let loads = Arc::new(AtomicUsize::new(0));
    let store = Counting(Arc::new(Memory::new()), loads.clone());
    let world = World::on(engine(Policy::recommended()), store.clone());
    let phone = world.enroll("ann");
    let otp = phone.otp(world.now_ms());
    let token = world.require("ann");
    let (of_web, _) = world.require_as(Caller::host("ann").client("web"));
    let ring = |id, first| KeyRing::new(id, root(first)).unwrap();
    let foreign = |keys| {
        let other = World::on(Engine::new(keys, Policy::recommended()).unwrap(), Arc::new(Memory::new()));
        other.enroll("ann");
        other.set_now_ms(world.now_ms());
        other.require("ann")
    };
    let tenant = World::on(world.mfa.engine().with_policy("acme", Policy::recommended()).unwrap(), store);
    let callers = [
        (bearer(&foreign(ring(1, 9))), DenialCode::TokenMalformed),
        (bearer(&foreign(ring(2, 1))), DenialCode::TokenMalformed),
        (bearer(&of_web), DenialCode::TokenOfOtherClient),
        (bearer(&token).client("web"), DenialCode::TokenOfOtherClient),
        (Caller::token(token.clone(), Subject::Expected("bob".into())), DenialCode::TokenMalformed),
    ];
    let (before, stored) = (loads.load(Ordering::SeqCst), world.stored("ann"));
    for (caller, code) in callers {
        assert_eq!(world.denied(otp.clone(), caller).code, code);
    }
    tenant.set_now_ms(world.now_ms());
    assert_eq!(tenant.denied(otp.clone(), bearer(&token)).code, DenialCode::TokenMalformed);
    assert_eq!(tenant.denied(Challenge::default(), bearer(&token)).code, DenialCode::TokenMalformed);
    assert_eq!(loads.load(Ordering::SeqCst), before + 1, "the look at what is stored");
    assert!(world.stored("ann") == stored);
    let _ = granted(world.run(otp, bearer(&token)).unwrap());
}

/// What a device presents is signed over by the device, and is nothing without being ours.
#[test]
fn forged_tickets_and_transaction_tokens_are_refused_before_anything_is_loaded() {
    let loads = Arc::new(AtomicUsize::new(0));
    let store = Counting(Arc::new(Memory::new()), loads.clone());
    let scene = everything_on(World::on(engine(every_factor()), store));
    let (world, id) = (&scene.world, scene.id("push"));
    let (token, other) = (scene.token(), world.begin_push(&scene.access).0.ticket);
    let push = world.send(of_id(&id), &token).push();
    let before = loads.load(Ordering::SeqCst);
    for text in forgeries(&push.transaction_token, &other).into_iter().map(SecretString::from) {
        let (enroll, caller) = scene.device.enroll(&text);
        assert_eq!(world.denied(enroll, caller).code, DenialCode::TokenMalformed);
        let forged = PushMessage { transaction_token: text, ..push.clone() };
        let (answer, caller) = scene.device.answer(&forged, PushDecision::Deny, None);
        assert_eq!(world.denied(answer, caller).code, DenialCode::TokenMalformed);
    }
    assert_eq!(loads.load(Ordering::SeqCst), before);
}

/// With the right code beside it, a forged `oob_code` is none, and costs no attempt.
#[test]
fn forged_oob_codes_are_refused_and_cost_no_attempt() {
    let scene = everything();
    let token = scene.token();
    let other = scene.world.send(of_id(&scene.id("email")), &scene.token());
    let sent = scene.world.send(of_id(&scene.id("sms")), &token);
    let stored = scene.world.stored("ann");
    for text in forgeries(sent.oob_code(), other.oob_code()) {
        let missing = text.is_empty();
        let denial = scene.world.denied(verify(&text.into(), Some(&code(&sent.delivery))), bearer(&token));
        let expected =
            if missing { DenialCode::MissingParameter("oob_code") } else { DenialCode::OobMalformed };
        assert_eq!((denial.code, denial.counted), (expected, false));
    }
    assert!(scene.world.stored("ann") == stored);
    let _ = granted(scene.world.run(sent.answer(), bearer(&token)).unwrap());
}
