//! Stored bytes that nobody wrote, and records that open but hold what no honest history left.

use mfacore::fuzzing::{open_record, seal_record, version_of};
use mfacore::store::{Loaded, Version};
use mfacore::{Outcome, UserKey};
use serde_json::json;

use super::world::{START_MS, World, keys};

/// Zero and the bytes that a store gives back; anything else and the plaintext of a record.
pub fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let user = UserKey::new("", "ann").unwrap();
    let mut world = World::new();
    world.now_ms = START_MS + u64::from(*kind) * 3_600_000;
    if *kind == 0 {
        let stored = Loaded { version: Version([7; 16]), bytes: rest.to_vec() };
        assert!(open_record(keys(), &user, &stored).is_err(), "nobody sealed it");
        world.is_tampered = true;
        refuses(&mut world, stored);
        return;
    }
    let version = version_of(rest);
    let Ok(stored) = seal_record(keys(), &user, version.unwrap_or(Version([7; 16])), rest) else { return };
    if version.is_none() {
        world.is_tampered = true;
        refuses(&mut world, stored);
        return;
    }
    // Under another version than the one that it holds it is not what was written last.
    if let Ok(moved) = seal_record(keys(), &user, Version([8; 16]), rest) {
        let mut other = world.clone();
        other.is_tampered = true;
        refuses(&mut other, moved);
    }
    // Ids that the record holds already would be repeated entropy.
    world.filler = 0x5f;
    if rest.windows(8).any(|bytes| bytes == [0x5f; 8]) {
        return;
    }
    // Of a record that nothing but its invariants bound, any call must still be answered.
    world.table.insert(user.storage_key().to_vec(), stored);
    let described = world.host("describe", &json!({}), "ann");
    assert_eq!(described.outcome, Outcome::Done, "{}", described.json);
    let required = world.host("require", &json!({}), "ann");
    let token = required.text("mfa_token");
    let mut calls = vec![
        ("list_authenticators", json!({})),
        ("challenge", json!({})),
        ("challenge", json!({"challenge_type": "oob"})),
        ("verify_otp", json!({"otp": "no code"})),
        ("verify_recovery_code", json!({"recovery_code": "no#code"})),
        ("associate", json!({"authenticator_types": ["otp"]})),
    ];
    let listed = described.json["authenticators"].as_array().cloned().unwrap_or_default();
    let challenges = listed.iter().map(|one| ("challenge", json!({"authenticator_id": one["id"]})));
    calls.extend(challenges.take(4));
    for (name, body) in calls {
        let answer = world.bearer(name, &body, &token);
        assert!(!matches!(answer.outcome, Outcome::Granted | Outcome::Confirmed), "{name}");
        assert!(name != "verify_otp" || answer.outcome == Outcome::Denied || answer.outcome == Outcome::None);
    }
    for (name, body) in [
        ("regenerate_recovery_codes", json!({})),
        ("unlock", json!({})),
        ("revoke_tokens", json!({})),
        ("remove_authenticator", json!({"authenticator_id": listed.first().map(|one| &one["id"])})),
        ("reset_mfa", json!({})),
        ("erase", json!({})),
    ] {
        let answer = world.host(name, &body, "ann");
        assert!(!matches!(answer.outcome, Outcome::Granted | Outcome::Confirmed), "{name}");
        assert_eq!(world.host("describe", &json!({}), "ann").outcome, Outcome::Done, "after {name}");
    }
    assert!(!world.is_established("ann"));
}

/// An unreadable record is never taken for an absent one, nor written over.
fn refuses(world: &mut World, stored: Loaded) {
    let key = UserKey::new("", "ann").unwrap().storage_key().to_vec();
    world.table.insert(key, stored.clone());
    for name in ["require", "describe", "reset_mfa", "erase", "reseal"] {
        let answer = world.host(name, &json!({}), "ann");
        assert_eq!((answer.outcome, answer.status), (Outcome::None, 500), "{name}");
    }
    assert!(world.stored("ann") == Some(&stored));
}
