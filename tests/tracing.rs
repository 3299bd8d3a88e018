//! The feature `tracing`: audit events reach the host's subscriber, and no secret does.
#![allow(missing_docs)]

mod support;

use std::cell::RefCell;
use std::fmt::Debug;
use std::sync::Once;

use mfacore::commands::{Associate, Challenge};
use mfacore::{Caller, Policy};
use support::oob::{ADDRESS, NUMBER, code, every_factor, of_type, wrong};
use support::{World, bearer};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

type Told = Vec<(String, Level, String)>;

thread_local! {
    static TOLD: RefCell<Told> = const { RefCell::new(Vec::new()) };
}

/// Keeps target, level and fields of every event of a thread.
struct Kept;

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!("{}={value:?} ", field.name());
    }
}

impl Subscriber for Kept {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        let (target, level) = (event.metadata().target().to_owned(), *event.metadata().level());
        TOLD.with_borrow_mut(|told| told.push((target, level, fields.0)));
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// One subscriber for the process, and before any call: what a thread without one meets first is switched off for
/// all threads.
fn subscribe() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Kept).unwrap());
}

fn kept(run: impl FnOnce()) -> Told {
    subscribe();
    TOLD.take();
    run();
    TOLD.take()
}

#[test]
fn every_event_is_told_once_with_user_and_level() {
    subscribe();
    let world = World::with_policy(every_factor());
    world.enroll_oob("ann", Associate::sms(NUMBER));
    let token = world.require("ann");
    let told = kept(|| {
        let sent = world.send(of_type("oob"), &token);
        let answer = support::oob::verify(sent.oob_code(), Some(&wrong(&code(&sent.delivery))));
        world.denied(answer, bearer(&token));
    });
    let events: Vec<(&str, Level)> =
        told.iter().map(|(target, level, _)| (target.as_str(), *level)).collect();
    assert_eq!(events, [("mfacore::audit", Level::INFO); 2]);
    assert!(told[0].2.contains("challenge_sent") && told[1].2.contains("verification_failed"), "{told:?}");
    assert!(told.iter().all(|(.., fields)| fields.contains("user=\"ann\"")));
}

#[test]
fn what_somebody_should_look_at_warns_and_an_error_says_no_more_than_its_kind() {
    let world = World::with_policy(Policy::recommended());
    let told = kept(|| {
        world.denied(Challenge::default(), Caller::token("garbage", mfacore::Subject::FromToken));
        let expects = Caller::host("ann").expects(mfacore::Expectation::Enrolled);
        world.denied(mfacore::commands::Require::default(), expects);
        let _ = world.mfa.call("no such command", "{}", Caller::host("ann"));
    });
    let events: Vec<(&str, Level)> =
        told.iter().map(|(target, level, _)| (target.as_str(), *level)).collect();
    assert_eq!(events, [("mfacore::audit", Level::WARN), ("mfacore::operation", Level::ERROR)]);
    assert!(told[0].2.contains("record_missing"));
    assert_eq!(told[1].2, "error=\"server_error\" status=500 ");
}

#[test]
fn no_code_number_or_address_is_told() {
    let world = World::with_policy(every_factor());
    let mut secrets = vec![NUMBER.to_owned(), ADDRESS.to_owned()];
    let told = kept(|| {
        for command in [Associate::sms(NUMBER), Associate::email(ADDRESS)] {
            let token = world.require("ann");
            let (oob_code, sent) = world.begin_oob(command, &token);
            secrets.extend([oob_code, code(&sent), token].map(|secret| secret.expose().to_owned()));
        }
    });
    assert!(told.len() >= 4);
    for (.., fields) in told {
        assert!(secrets.iter().all(|secret| !fields.contains(secret.as_str())), "{fields}");
    }
}
