//! The MFA API: CONTRACT section 2.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use mfacore::commands::{Associate, Challenge, ListAuthenticators, RemoveAuthenticator};

use super::{Bearer, InPath};
use crate::answer::{Answer, Refused};
use crate::openapi::{
    AssociateRequest, Associated, Authenticator, BearerRefusals, BodyRefusals, ChallengeRequest, Challenged,
    Refusals, Sent,
};
use crate::parameters::{Json, Parameters};
use crate::server::Server;

/// Adds an authenticator.
///
/// Bearer: the `mfa_token` of a user who has none yet, or an access token of the MFA API with `enroll`. A client may
/// name itself in the body.
#[utoipa::path(
    post, path = "/mfa/associate", tag = "mfa", request_body = AssociateRequest,
    security(("mfa_token" = []), ("mfa_api" = ["enroll"])),
    responses((status = 200, description = "What the user needs to complete the enrollment", body = Associated),
        Refusals, BodyRefusals, BearerRefusals, Sent)
)]
pub async fn associate(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    Bearer(token): Bearer,
    Json(associate, mut parameters): Json<Associate>,
) -> Result<Answer, Refused> {
    let mut caller = server.bearer(token);
    let client = server.clients.try_authenticate(&headers, &mut parameters).map_err(Refused::at_bearer)?;
    if let Some(client) = client {
        caller = caller.client(&client.id);
    }
    let associated = server.service.run(associate, caller).await.map_err(Refused::at_bearer)?;
    Ok(Answer::of(&associated))
}

/// Lists the user's authenticators.
///
/// Bearer: an `mfa_token`, or an access token of the MFA API with `read:authenticators`.
#[utoipa::path(
    get, path = "/mfa/authenticators", tag = "mfa",
    security(("mfa_token" = []), ("mfa_api" = ["read:authenticators"])),
    responses((status = 200, description = "Pending ones are not active", body = [Authenticator]), Refusals,
        BearerRefusals)
)]
pub async fn list(State(server): State<Arc<Server>>, Bearer(token): Bearer) -> Result<Answer, Refused> {
    let listed = server.service.run(ListAuthenticators {}, server.bearer(token)).await;
    Ok(Answer::of(&listed.map_err(Refused::at_bearer)?))
}

/// Removes an authenticator and its pair.
///
/// Bearer: an access token of the MFA API with `remove:authenticators`, never an `mfa_token`.
#[utoipa::path(
    delete, path = "/mfa/authenticators/{id}", tag = "mfa",
    params(("id" = String, Path, description = "The authenticator, its bar raw or as %7C")),
    security(("mfa_api" = ["remove:authenticators"])),
    responses((status = 204, description = "It is gone"), Refusals, BearerRefusals)
)]
pub async fn remove(
    State(server): State<Arc<Server>>,
    Bearer(token): Bearer,
    InPath(authenticator_id): InPath<String>,
) -> Result<Answer, Refused> {
    let removed = server.service.run(RemoveAuthenticator { authenticator_id }, server.bearer(token)).await;
    Ok(Answer::of(&removed.map_err(Refused::at_bearer)?))
}

/// Challenges an authenticator: sends a code or a push, or names the app whose code is awaited.
#[utoipa::path(
    post, path = "/mfa/challenge", tag = "mfa",
    request_body(content(
        (ChallengeRequest = "application/x-www-form-urlencoded"), (ChallengeRequest = "application/json")
    )),
    security((), ("client" = [])),
    responses((status = 200, description = "What was challenged", body = Challenged), Refusals, BodyRefusals, Sent)
)]
pub async fn challenge(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Answer, Refused> {
    parameters.check::<ChallengeRequest>()?;
    let client = server.clients.authenticate(&headers, &mut parameters)?;
    let mfa_token = parameters.demand("mfa_token")?;
    let challenge = Challenge {
        challenge_type: parameters.take_public("challenge_type")?,
        authenticator_id: parameters.take_public("authenticator_id")?,
    };
    let caller = server.bearer(mfa_token).client(&client.id);
    Ok(Answer::of(&server.service.run(challenge, caller).await?))
}
