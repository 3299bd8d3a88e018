//! The users and their passwords: the first factor. A host has its own directory in this place.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use mfacore::limits::{EMAIL_BYTES_MAX, LABEL_BYTES_MAX};
use mfacore::{Caller, Expectation, SecretString, UserKey};
use serde::{Deserialize, Serialize};

use crate::answer::Refused;
use crate::clock::Clock;
use crate::error::{StartError, read_json};
use crate::passwords::{Passwords, cost, hash_password};
use crate::rates::Rates;

/// Passwords tried for one name: so many at once, and one more each [`PASSWORD_REFILL`].
const PASSWORD_BURST: NonZeroU32 = NonZeroU32::new(20).unwrap();
const PASSWORD_REFILL: Duration = Duration::from_secs(6);
const PASSWORD_BYTES_MAX: usize = 1024;

/// A user.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// What the engine and tokens name the user by; it never changes.
    pub id: String,
    /// What the user types.
    pub username: String,
    /// Argon2id, as a PHC string.
    pub password_hash: String,
    /// The e-mail address.
    #[serde(default)]
    pub email: Option<String>,
    /// Whether it was verified: then it is an authenticator (CONTRACT section 4, rule 2).
    #[serde(default)]
    pub email_verified: bool,
    /// The user's name.
    #[serde(default)]
    pub name: Option<String>,
    /// Whether the directory knows that this user has a second factor: then a record that is missing, or was set back to
    /// nothing, lets nobody enroll anew.
    #[serde(default)]
    pub enrolled: bool,
}

impl fmt::Debug for User {
    /// Shows neither hash nor address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("id", &self.id).finish_non_exhaustive()
    }
}

impl User {
    /// The call that this user's first factor makes.
    pub fn caller(&self) -> Caller {
        self.add_facts(Caller::host(&self.id))
    }

    /// A call of this user's, with what only the host knows.
    pub fn add_facts(&self, caller: Caller) -> Caller {
        let emails = self.email.iter().filter(|_| self.email_verified).map(String::as_str);
        let expectation = if self.enrolled { Expectation::Enrolled } else { Expectation::Unknown };
        caller
            .account_label(self.email.as_ref().unwrap_or(&self.username))
            .verified_emails(emails)
            .expects(expectation)
    }
}

/// All users.
pub struct Users {
    by_username: HashMap<String, Arc<User>>,
    by_id: HashMap<String, Arc<User>>,
    /// Verified for names that nobody has, so that time does not tell which those are: it costs what all cost.
    decoy: String,
    passwords: Passwords,
    tried: Rates,
}

impl Users {
    /// The users in `path`.
    ///
    /// # Errors
    /// [`StartError`]: a user twice, or a hash that is none.
    pub fn load(path: &Path, clock: Clock) -> Result<Self, StartError> {
        Self::new(read_json(path)?, clock).map_err(|reason| StartError::content(path, reason))
    }

    /// These users.
    ///
    /// # Errors
    /// Which user is there twice, or has a hash that is none.
    pub fn new(users: Vec<User>, clock: Clock) -> Result<Self, String> {
        let (mut by_username, mut by_id) = (HashMap::new(), HashMap::new());
        let decoy = hash_password(&crate::secrets::token()?)?;
        let decoy = users.first().map_or(decoy, |user| user.password_hash.clone());
        for user in users {
            let email = user.email.as_ref().map_or(0, String::len);
            if UserKey::new("", &user.id).is_err()
                || !(1..=LABEL_BYTES_MAX).contains(&user.username.len())
                || email > EMAIL_BYTES_MAX
            {
                return Err(format!(
                    "{}: an id has 1 to 128 bytes, a username 1 to 256, an email at most 254",
                    user.id
                ));
            }
            let own = cost(&user.password_hash).ok_or_else(|| {
                format!(
                    "{}: password_hash is no Argon2id within bounds; make one with hash-password",
                    user.id
                )
            })?;
            if cost(&decoy) != Some(own) {
                return Err(format!(
                    "{}: password_hash costs another time than the others: hash them alike",
                    user.id
                ));
            }
            let user = Arc::new(user);
            if by_id.insert(user.id.clone(), user.clone()).is_some() {
                return Err(format!("{}: there are two users of this id", user.id));
            }
            if let Some(other) = by_username.insert(user.username.clone(), user) {
                return Err(format!("{}: there are two users of this username", other.username));
            }
        }
        Ok(Self {
            by_username,
            by_id,
            decoy,
            passwords: Passwords::new(),
            tried: Rates::new(PASSWORD_BURST, PASSWORD_REFILL, clock),
        })
    }

    /// The user of this id.
    pub fn by_id(&self, id: &str) -> Option<&Arc<User>> {
        self.by_id.get(id)
    }

    /// The user whose password this is. Wrong names and wrong passwords are refused alike.
    ///
    /// # Errors
    /// 403 `invalid_grant`; 429 after too many tries for this name, whether right or wrong; 503 where too many wait.
    pub async fn authenticate(&self, username: &str, password: SecretString) -> Result<Arc<User>, Refused> {
        let wrong = || Refused::new(StatusCode::FORBIDDEN, "invalid_grant", "Wrong email or password.");
        if password.expose().len() > PASSWORD_BYTES_MAX {
            return Err(wrong());
        }
        if let Err(seconds) = self.tried.count(username) {
            tracing::warn!(target: "mfacore::audit", event = "password_limit_reached");
            let text = "Too many attempts. Try again later.";
            return Err(Refused::too_many("too_many_attempts", text, seconds));
        }
        let user = self.by_username.get(username).cloned();
        let hash = user.as_ref().map_or(&self.decoy, |user| &user.password_hash).clone();
        match (user, self.passwords.verify(password, hash).await?) {
            (Some(user), true) => Ok(user),
            (Some(user), false) => {
                tracing::warn!(target: "mfacore::audit", user = user.id, event = "password_failed");
                Err(wrong())
            }
            // What was typed for a name may be a password: it is not logged.
            (None, _) => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str, username: &str, password_hash: &str) -> User {
        User {
            id: id.to_owned(),
            username: username.to_owned(),
            password_hash: password_hash.to_owned(),
            email: None,
            email_verified: false,
            name: None,
            enrolled: false,
        }
    }

    fn stopped() -> Clock {
        Arc::new(|| 1_767_258_000_000)
    }

    #[tokio::test]
    async fn the_right_password_alone_lets_in_and_tries_are_counted() {
        let hash = hash_password(&"right".into()).unwrap();
        let users = Users::new(vec![user("auth0|1", "ann", &hash)], stopped()).unwrap();
        assert_eq!(users.authenticate("ann", "right".into()).await.unwrap().id, "auth0|1");
        let shown = format!("{:?}", users.by_id("auth0|1").unwrap());
        assert!(shown.contains("auth0|1") && !shown.contains(&hash), "{shown}");
        assert!(users.authenticate("ann", "wrong".into()).await.is_err());
        assert!(users.authenticate("bob", "right".into()).await.is_err());
        let mut last = None;
        for _ in 0..PASSWORD_BURST.get() {
            last = Some(users.authenticate("ann", "right".into()).await);
        }
        let refused = format!("{:?}", last.unwrap().unwrap_err());
        assert!(refused.contains("too_many_attempts"), "{refused}");
    }

    #[test]
    fn files_that_cannot_be_right_are_refused() {
        let hash = hash_password(&"right".into()).unwrap();
        let twice = |a: User, b: User| Users::new(vec![a, b], stopped()).err().unwrap();
        assert!(twice(user("1", "ann", &hash), user("1", "bob", &hash)).contains("this id"));
        assert!(twice(user("1", "ann", &hash), user("2", "ann", &hash)).contains("this username"));
        let alone = |hash: &str| Users::new(vec![user("1", "ann", hash)], stopped()).err().unwrap();
        let bad = |change: fn(&mut User)| {
            let mut user = user("1", "ann", &hash);
            change(&mut user);
            Users::new(vec![user], stopped()).err().unwrap()
        };
        assert!(bad(|user| user.id = "x".repeat(129)).contains("an id has"));
        assert!(bad(|user| user.id = "a\0".to_owned()).contains("an id has"));
        assert!(bad(|user| user.username.clear()).contains("a username 1"));
        assert!(alone("secret").contains("hash-password"));
        assert!(alone(&hash.replace("m=19456", "m=4194304")).contains("within bounds"));
        let dear = hash.replace("t=2", "t=3");
        assert!(twice(user("1", "ann", &hash), user("2", "bob", &dear)).contains("hash them alike"));
    }
}
