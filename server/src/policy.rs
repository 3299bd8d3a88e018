//! The engine's policy, from a profile's name, a file or JSON.

use std::path::Path;

use mfacore::Policy;
use serde_json::{Map, Value, json};

use crate::error::{StartError, read_json};
use crate::issuer::Issuer;

/// All that the server can carry.
const FACTORS: [&str; 5] = ["otp", "phone", "email", "push-notification", "recovery-code"];

/// The policy that `given` names. Factors that it does not name are all enabled, since the server delivers; devices
/// reach it where it is.
///
/// # Errors
/// [`StartError`] names the setting that is wrong.
pub fn policy(given: &str, issuer: &Issuer) -> Result<Policy, StartError> {
    let invalid = |reason: String| StartError::setting("policy", reason);
    let mut settings: Map<String, Value> = if given.trim_start().starts_with('{') {
        serde_json::from_str(given).map_err(|error| invalid(error.to_string()))?
    } else if Policy::profile(given).is_some() {
        Map::from_iter([("profile".to_owned(), json!(given))])
    } else {
        let path = Path::new(given);
        if !path.exists() {
            let names = "recommended, auth0, asvs_l2 and nist_800_63b";
            return Err(invalid(format!("{given:?} is no file, and the profiles are {names}")));
        }
        read_json(path)?
    };
    settings.entry("factors").or_insert(json!(FACTORS));
    let push = settings.entry("push").or_insert(json!({}));
    if let Some(push) = push.as_object_mut() {
        push.entry("base_url").or_insert(json!(issuer.base()));
    }
    Policy::from_json(&Value::Object(settings).to_string()).map_err(|error| invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mfacore::FactorKind;

    #[test]
    fn names_files_and_json_are_policies() {
        let issuer = Issuer::parse("https://mfa.example/").unwrap();
        let read = |given: &str| policy(given, &issuer);
        let recommended = read("recommended").unwrap();
        assert!(recommended.allows(FactorKind::PushNotification));
        assert_eq!(recommended.push.base_url.as_deref(), Some("https://mfa.example"));
        let own = read(r#"{"profile":"auth0","factors":["otp"],"push":{"base_url":"https://push.example"}}"#);
        let own = own.unwrap();
        assert!(!own.allows(FactorKind::Phone));
        assert_eq!(own.push.base_url.as_deref(), Some("https://push.example"));
        for bad in ["no-such-file", "{", r#"{"profile":"none"}"#, r#"{"no_such":1}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
