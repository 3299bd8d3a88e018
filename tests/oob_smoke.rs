#![allow(missing_docs)]
mod support;

use mfacore::commands::{Associate, Describe, PushDecision};
use mfacore::{Caller, DenialCode, Scopes};
use mfacore_conformance::device::{KeyKind, PushDevice};
use support::oob::*;
use support::{World, bearer, granted};

#[test]
fn everything_once() {
    let world = World::with_policy(every_factor());
    world.enroll_oob("ann", Associate::sms(NUMBER));
    let token = world.require("ann");
    let sent = world.send(of_type("oob"), &token);
    println!("{}", serde_json::to_string(&sent.challenged).unwrap());
    println!("{}", serde_json::to_string(&sent.delivery).unwrap());
    let denied = world.denied(verify(sent.oob_code(), Some(&wrong(&code(&sent.delivery)))), bearer(&token));
    assert_eq!(denied.code, DenialCode::InvalidBindingCode);
    let reply = granted(world.run(sent.answer(), bearer(&token)).unwrap());
    println!("{:?}", reply.into_verified().unwrap().amr());

    let (token, _) = world.require_as(Caller::host("ann").mfa_audience(Scopes::ALL));
    let sent = world.send(of_type("oob"), &token);
    let access = granted(world.run(sent.answer(), bearer(&token)).unwrap()).access.unwrap().access_token;
    for (kind, seed) in [(KeyKind::Ed25519, 1), (KeyKind::Es256, 2)] {
        let device = PushDevice::new(kind, seed);
        let (enrolled, reply) = world.add_push(&device, &access);
        println!("{enrolled:?} {reply:?}");
        let token = world.require("ann");
        let sent = world.send(of_id(&enrolled.authenticator_id), &token);
        println!("{}", serde_json::to_string(&sent.challenged).unwrap());
        println!("{}", serde_json::to_string(&sent.delivery).unwrap());
        assert_eq!(world.denied(sent.poll(), bearer(&token)).code, DenialCode::AuthorizationPending);
        let (answer, caller) = device.approve(&sent.push(), sent.number());
        world.run(answer, caller).unwrap();
        granted(world.run(sent.poll(), bearer(&token)).unwrap());
        let token = world.require("ann");
        let sent = world.send(of_id(&enrolled.authenticator_id), &token);
        let (answer, caller) = device.answer(&sent.push(), PushDecision::Deny, None);
        world.run(answer, caller).unwrap();
        assert_eq!(world.denied(sent.poll(), bearer(&token)).code, DenialCode::Rejected);
        assert_eq!(
            world.denied(of_id(&enrolled.authenticator_id), bearer(&token)).code,
            DenialCode::TooManyAttempts
        );
        world.pass_ms(60_000);
    }
    let described = world.run(Describe {}, Caller::host("ann")).unwrap();
    println!("{}", serde_json::to_string_pretty(&described).unwrap());
    let _ = world.add_oob(Associate::email(ADDRESS), &access);
}
