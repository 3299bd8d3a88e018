//! The endpoints, a file for each group. Each reads a request, asks the engine, and answers; what the contract
//! rules is the engine's.

pub mod development;
pub mod discovery;
pub mod health;
pub mod management;
pub mod mfa;
pub mod push;
pub mod token;

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use mfacore::SecretString;
use serde::de::DeserializeOwned;

use crate::answer::Refused;
use crate::server::Server;

/// The token in `Authorization` (RFC 6750 section 2.1).
pub struct Bearer(pub SecretString);

impl Bearer {
    fn of(headers: &HeaderMap) -> Result<Self, Refused> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = match (values.next(), values.next()) {
            (Some(value), None) => value,
            (None, _) => return Err(Refused::unauthorized("A bearer token is missing.")),
            (Some(_), Some(_)) => return Err(Refused::invalid_request("Authorization is there twice.")),
        };
        let token = value
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty());
        let (_, token) = token.ok_or_else(|| Refused::unauthorized("A bearer token is missing."))?;
        Ok(Self(token.trim().into()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Bearer {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        Self::of(&parts.headers)
    }
}

/// Whoever bears the management token.
pub struct Manager;

impl FromRequestParts<Arc<Server>> for Manager {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Refused> {
        let Bearer(token) = Bearer::of(&parts.headers)?;
        match &server.management {
            Some(digest) if digest.is_of(token.expose()) => Ok(Self),
            None => Err(Refused::unauthorized("The management API has no token yet: --management-token.")),
            _ => {
                tracing::warn!(target: "mfacore::audit", event = "management_token_failed");
                Err(Refused::unauthorized("The management token is not right."))
            }
        }
    }
}

/// A part of the path, percent-decoded.
pub struct InPath<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for InPath<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let read = Path::<T>::from_request_parts(parts, state).await;
        read.map(|Path(value)| Self(value))
            .map_err(|_| Refused::invalid_request("The path is not percent-encoded UTF-8."))
    }
}

/// Parameters of the query.
pub struct InQuery<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for InQuery<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let read = Query::<T>::from_request_parts(parts, state).await;
        read.map(|Query(value)| Self(value))
            .map_err(|_| Refused::invalid_request("A parameter of the query does not read."))
    }
}
