//! Parameters of a request, out of a form or out of JSON: each once, as RFC 6749 section 3.2 demands.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use mfacore::SecretString;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, MapAccess, Visitor};
use utoipa::PartialSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::answer::Refused;

/// Parameters by name. One that is empty or `null` is one that was left out.
#[derive(Default)]
pub struct Parameters(BTreeMap<String, Parameter>);

enum Parameter {
    Text(SecretString),
    /// A member of JSON that is no text: no matter, unless somebody asks for it.
    NoText,
}

impl Parameters {
    /// The parameter of this name, taken out.
    ///
    /// # Errors
    /// It is there, and is no text.
    pub fn take(&mut self, name: &str) -> Result<Option<SecretString>, Refused> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Parameter::Text(text)) => Ok(Some(text).filter(|text| !text.expose().is_empty())),
            Some(Parameter::NoText) => Err(no_text(name)),
        }
    }

    /// Holds the members of `T`, a shape of texts that the interface describes, to be texts, whether this request needs
    /// them or not; any other may be what it likes (RFC 6749 section 3.2).
    ///
    /// # Errors
    /// One is none.
    pub fn check<T: PartialSchema>(&self) -> Result<(), Refused> {
        let RefOr::T(Schema::Object(described)) = T::schema() else { return Ok(()) };
        let wrong = self.0.iter().find(|(name, value)| {
            matches!(value, Parameter::NoText) && described.properties.contains_key(name.as_str())
        });
        wrong.map_or(Ok(()), |(name, _)| Err(no_text(name)))
    }

    /// The same, for one that must be there.
    ///
    /// # Errors
    /// It is not.
    pub fn demand(&mut self, name: &str) -> Result<SecretString, Refused> {
        self.take(name)?.ok_or_else(|| Refused::missing(name))
    }

    /// The same, for one that is no secret.
    ///
    /// # Errors
    /// As [`Parameters::take`].
    pub fn take_public(&mut self, name: &str) -> Result<Option<String>, Refused> {
        Ok(self.take(name)?.map(|text| text.expose().to_owned()))
    }

    fn of_form(form: &[u8]) -> Result<Self, Refused> {
        if !is_percent_encoded(form) {
            return Err(Refused::invalid_request("The form is not percent-encoded UTF-8."));
        }
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(form) {
            let value = Parameter::Text(value.into_owned().into());
            match parameters.entry(name.into_owned()) {
                Entry::Vacant(place) => drop(place.insert(value)),
                Entry::Occupied(_) => return Err(Refused::invalid_request("A parameter is there twice.")),
            }
        }
        Ok(Self(parameters))
    }

    fn of_json(json: &[u8]) -> Result<Self, Refused> {
        // serde's own text may quote the body, and the body may hold a code.
        serde_json::from_slice(json).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Refused::invalid_request(format!(
                "The body is no JSON object with each member once: line {line}, column {column}."
            ))
        })
    }
}

fn no_text(name: &str) -> Refused {
    Refused::invalid_request(format!("{name} must be a text"))
}

/// Whether every escape is one, and all of it is UTF-8.
fn is_percent_encoded(text: &[u8]) -> bool {
    let mut escapes = text.split(|byte| *byte == b'%');
    let starts_whole = escapes.next().is_some();
    let is_escape = |rest: &[u8]| rest.len() >= 2 && rest[..2].iter().all(u8::is_ascii_hexdigit);
    starts_whole && escapes.all(is_escape) && percent_encoding::percent_decode(text).decode_utf8().is_ok()
}

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Parameters;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parameters, A::Error> {
                let mut parameters = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, serde_json::Value>()? {
                    let value = match value {
                        serde_json::Value::Null => Parameter::Text("".into()),
                        serde_json::Value::String(text) => Parameter::Text(text.into()),
                        _ => Parameter::NoText,
                    };
                    if parameters.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member is there twice"));
                    }
                }
                Ok(Parameters(parameters))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

impl<S: Send + Sync> FromRequest<S> for Parameters {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let kind = media_type(request.headers());
        let body = body(request, state).await?;
        match kind.as_deref() {
            Some("application/x-www-form-urlencoded") => Self::of_form(&body),
            Some("application/json") => Self::of_json(&body),
            None if body.is_empty() => Ok(Self::default()),
            _ => Err(wrong_type("application/x-www-form-urlencoded or application/json")),
        }
    }
}

/// A body of JSON: what a command of the engine is made of, and its parameters by name, for what only the server
/// knows.
pub struct Json<T>(pub T, pub Parameters);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let kind = media_type(request.headers());
        let body = body(request, state).await?;
        if kind.as_deref() != Some("application/json") {
            return Err(wrong_type("application/json"));
        }
        let parameters = Parameters::of_json(&body)?;
        let value = serde_json::from_slice(&body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Refused::invalid_request(format!(
                "The body is not what this call takes: line {line}, column {column}."
            ))
        })?;
        Ok(Self(value, parameters))
    }
}

async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Refused> {
    Bytes::from_request(request, state).await.map_err(|_| Refused::invalid_request("The body was cut off."))
}

/// The content type in lower case, without its parameters.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

fn wrong_type(right: &str) -> Refused {
    let text = format!("Content-Type must be {right}.");
    Refused::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_request", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(parameters: Result<Parameters, Refused>, name: &str) -> Option<String> {
        parameters.ok()?.take_public(name).ok()?
    }

    #[test]
    fn a_form_is_read_strictly() {
        let form = |text: &str| Parameters::of_form(text.as_bytes());
        assert_eq!(taken(form("a=x+y%2Bz&b="), "a").as_deref(), Some("x y+z"));
        assert_eq!(taken(form("a=x&b="), "b"), None);
        for bad in ["a=1&a=2", "a=%", "a=%4", "a=%zz", "a=%ff"] {
            assert!(form(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn json_is_read_strictly() {
        let json = |text: &str| Parameters::of_json(text.as_bytes());
        assert_eq!(taken(json(r#"{"a":"x","b":[1]}"#), "a").as_deref(), Some("x"));
        assert_eq!(taken(json(r#"{"a":null}"#), "a"), None);
        assert!(json(r#"{"a":123456}"#).is_ok_and(|mut read| read.take("a").is_err()));
        for bad in [r#"{"a":"1","a":"2"}"#, "[]", "", "{", r#""a""#] {
            assert!(json(bad).is_err(), "{bad}");
        }
    }
}
