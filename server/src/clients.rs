//! The applications that may ask for tokens, and how they authenticate (RFC 6749 section 2.3).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64ct::{Base64, Encoding};
use mfacore::SecretString;
use mfacore::limits::CLIENT_BYTES_MAX;
use serde::Deserialize;

use crate::answer::Refused;
use crate::error::{StartError, read_json};
use crate::parameters::Parameters;
use crate::secrets::SecretDigest;

/// An application.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Its name for the server.
    #[serde(rename = "client_id")]
    pub id: String,
    /// SHA-256 of its secret, in hexadecimal; a client without one is public.
    #[serde(default)]
    secret_sha256: Option<SecretDigest>,
    /// The APIs that it may ask access tokens for.
    #[serde(default)]
    pub audiences: BTreeMap<String, Audience>,
    /// Where its pages come from, for browsers (CORS).
    #[serde(default)]
    pub origins: BTreeSet<String>,
}

/// An API of a client's.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audience {
    /// Whether its tokens always need a second factor, or as policy says.
    #[serde(default)]
    pub second_factor: SecondFactor,
    /// Whether a session that began for another API may have tokens of this one on its refresh token alone. Else that
    /// takes a second factor.
    #[serde(default)]
    pub multi_resource_refresh: bool,
    /// The scopes that may be asked for.
    #[serde(default)]
    pub scopes: BTreeSet<String>,
}

/// When an API's tokens need a second factor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecondFactor {
    /// As policy says.
    #[default]
    Policy,
    /// Always, whatever session or browser asks.
    Always,
}

impl<'de> Deserialize<'de> for SecretDigest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("secret_sha256 has 64 hexadecimal digits"))
    }
}

impl std::fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretDigest(..)")
    }
}

/// All clients.
#[derive(Debug)]
pub struct Clients(HashMap<String, Client>);

/// What a request says of its client.
struct Presented {
    id: String,
    secret: Option<SecretString>,
    /// The secret as it was before percent-decoding, which not every client encodes.
    raw_secret: Option<SecretString>,
    by_basic: bool,
}

impl Clients {
    /// The clients in `path`.
    ///
    /// # Errors
    /// [`StartError`]: a client twice, or without a name.
    pub fn load(path: &Path) -> Result<Self, StartError> {
        Self::new(read_json(path)?).map_err(|reason| StartError::content(path, reason))
    }

    /// These clients.
    ///
    /// # Errors
    /// Which client is there twice, or has no name that can be.
    pub fn new(clients: Vec<Client>) -> Result<Self, String> {
        let mut by_id = HashMap::new();
        for client in clients {
            if client.secret_sha256.as_ref().is_some_and(|digest| digest.is_of("")) {
                return Err(format!("{}: secret_sha256 is of an empty secret", client.id));
            }
            if !(1..=CLIENT_BYTES_MAX).contains(&client.id.len()) {
                return Err("a client_id has 1 to 128 bytes".to_owned());
            }
            if let Some(other) = by_id.insert(client.id.clone(), client) {
                return Err(format!("{}: there are two clients of this client_id", other.id));
            }
        }
        Ok(Self(by_id))
    }

    /// Whether pages of `origin` may read answers.
    pub fn have_origin(&self, origin: &str) -> bool {
        self.0.values().any(|client| client.origins.contains(origin))
    }

    /// The client that a request is from.
    ///
    /// # Errors
    /// 401 `invalid_client`; 400 where `client_id` is missing, or two of them differ.
    pub fn authenticate(&self, headers: &HeaderMap, parameters: &mut Parameters) -> Result<&Client, Refused> {
        self.try_authenticate(headers, parameters)?.ok_or_else(|| Refused::missing("client_id"))
    }

    /// The same, where a request may leave it out.
    ///
    /// # Errors
    /// As [`Clients::authenticate`].
    pub fn try_authenticate(
        &self,
        headers: &HeaderMap,
        parameters: &mut Parameters,
    ) -> Result<Option<&Client>, Refused> {
        let Some(presented) = presented(headers, parameters)? else { return Ok(None) };
        let refused = || Refused::invalid_client(presented.by_basic);
        let client = self.0.get(&presented.id).ok_or_else(refused)?;
        let secrets = [&presented.secret, &presented.raw_secret];
        let is_right = match &client.secret_sha256 {
            None => secrets.iter().all(|secret| secret.as_ref().is_none_or(|text| text.expose().is_empty())),
            Some(digest) => secrets.into_iter().flatten().any(|secret| digest.is_of(secret.expose())),
        };
        if is_right {
            return Ok(Some(client));
        }
        tracing::warn!(target: "mfacore::audit", client = client.id, event = "client_failed");
        Err(refused())
    }
}

fn presented(headers: &HeaderMap, parameters: &mut Parameters) -> Result<Option<Presented>, Refused> {
    let (id, secret) = (parameters.take_public("client_id")?, parameters.take("client_secret")?);
    let Some(basic) = basic_credentials(headers)? else {
        return Ok(id.map(|id| Presented { id, secret, raw_secret: None, by_basic: false }));
    };
    if id.is_some_and(|id| id != basic.id) {
        return Err(Refused::invalid_request("client_id differs from the one in Authorization."));
    }
    if secret.is_some() {
        return Err(Refused::invalid_request("The client authenticates in two ways at once."));
    }
    Ok(Some(basic))
}

/// RFC 7617, with id and secret percent-encoded as RFC 6749 section 2.3.1 says.
fn basic_credentials(headers: &HeaderMap) -> Result<Option<Presented>, Refused> {
    let malformed = || Refused::invalid_request("The credentials in Authorization do not read.");
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    let (scheme, credentials) = text.and_then(|text| text.split_once(' ')).ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    let bytes = Base64::decode_vec(credentials.trim()).map_err(|_| malformed())?;
    let text = SecretString::from(String::from_utf8(bytes).map_err(|_| malformed())?);
    let (id, secret) = text.expose().split_once(':').ok_or_else(malformed)?;
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        percent_encoding::percent_decode_str(&text).decode_utf8().map(|text| text.into_owned()).ok()
    };
    Ok(Some(Presented {
        id: decoded(id).ok_or_else(malformed)?,
        secret: decoded(secret).map(SecretString::from),
        raw_secret: Some(secret.into()),
        by_basic: true,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients() -> Clients {
        let digest = SecretDigest::of("s%3A cret").to_text();
        let json = format!(r#"[{{"client_id":"spa"}},{{"client_id":"back","secret_sha256":"{digest}"}}]"#);
        Clients::new(serde_json::from_str(&json).unwrap()).unwrap()
    }

    fn parameters(json: &str) -> Parameters {
        serde_json::from_str(json).unwrap()
    }

    fn basic(text: &str) -> HeaderMap {
        let value = format!("Basic {}", Base64::encode_string(text.as_bytes()));
        HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn clients_authenticate_in_every_way_that_the_standard_has() {
        let clients = clients();
        let by = |headers: HeaderMap, json: &str| {
            clients.authenticate(&headers, &mut parameters(json)).map(|client| client.id.clone()).ok()
        };
        let none = HeaderMap::new;
        assert_eq!(by(none(), r#"{"client_id":"spa"}"#).as_deref(), Some("spa"));
        assert_eq!(
            by(none(), r#"{"client_id":"back","client_secret":"s%3A cret"}"#).as_deref(),
            Some("back")
        );
        assert_eq!(by(basic("back:s%253A+cret"), "{}").as_deref(), Some("back"));
        assert_eq!(by(basic("back:s%3A cret"), r#"{"client_id":"back"}"#).as_deref(), Some("back"));
        for (headers, json) in [
            (none(), "{}"),
            (none(), r#"{"client_id":"nobody"}"#),
            (none(), r#"{"client_id":"back"}"#),
            (none(), r#"{"client_id":"back","client_secret":"wrong"}"#),
            (none(), r#"{"client_id":"spa","client_secret":"any"}"#),
            (basic("back:wrong"), "{}"),
            (basic("back"), "{}"),
            (basic("back:s%253A+cret"), r#"{"client_id":"spa"}"#),
            (basic("back:s%253A+cret"), r#"{"client_secret":"wrong"}"#),
            (basic("back:s%253A+cret"), r#"{"client_secret":"s%3A cret"}"#),
            (HeaderMap::from_iter([(AUTHORIZATION, "\u{e9} x".parse().unwrap())]), r#"{"client_id":"spa"}"#),
        ] {
            assert_eq!(by(headers, json), None, "{json}");
        }
    }
}
