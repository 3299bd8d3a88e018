//! Neighbours of the MFA API in Auth0's management API, for support: bearers of the management token.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use mfacore::Caller;
use mfacore::commands::{
    AuthenticatorDetail, Command, Describe, RegenerateRecoveryCodes, RemoveAuthenticator, ResetMfa,
    RevokeTokens, Unlock,
};
use serde::{Deserialize, Serialize};

use super::{InPath, InQuery, Manager};
use crate::answer::{Answer, Refused};
use crate::openapi::{BearerRefusals, Methods, RecoveryCode, Refusals};
use crate::server::Server;

/// Methods on a page where the request does not say.
const PER_PAGE: usize = 50;
const PER_PAGE_MAX: usize = 100;
const PAGE_MAX: usize = 1_000_000;

/// Which page of a list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// The page, from 0.
    #[param(maximum = 1_000_000)]
    page: usize,
    /// Methods on a page; 50 where left out, 100 at most.
    #[param(minimum = 1, maximum = 100)]
    per_page: Option<usize>,
    /// Whether the answer is an object with totals, in place of a list.
    include_totals: bool,
}

#[derive(Serialize)]
struct Page<'a> {
    start: usize,
    limit: usize,
    total: usize,
    authenticators: &'a [AuthenticatorDetail],
}

/// Lists a user's authentication methods in full.
#[utoipa::path(
    get, path = "/api/v2/users/{id}/authentication-methods", tag = "management",
    params(("id" = String, Path, description = "The user"), Paging), security(("management" = [])),
    responses((status = 200, description = "A list, or with `include_totals` an object", body = Methods), Refusals,
        BearerRefusals)
)]
pub async fn methods(
    State(server): State<Arc<Server>>,
    _: Manager,
    InPath(user): InPath<String>,
    InQuery(paging): InQuery<Paging>,
) -> Result<Answer, Refused> {
    let (page, limit) = (paging.page, paging.per_page.unwrap_or(PER_PAGE));
    if page > PAGE_MAX || !(1..=PER_PAGE_MAX).contains(&limit) {
        return Err(Refused::invalid_request("page is 0 to 1,000,000, and per_page 1 to 100."));
    }
    let start = page.saturating_mul(limit);
    let described = run(&server, &user, Describe {}).await?;
    let all = &described.authenticators;
    let page = all.get(start.min(all.len())..start.saturating_add(limit).min(all.len())).unwrap_or_default();
    if paging.include_totals {
        return Ok(Answer::json(&Page { start, limit, total: all.len(), authenticators: page }));
    }
    Ok(Answer::json(&page))
}

/// Removes a user's authentication method and its pair.
#[utoipa::path(
    delete, path = "/api/v2/users/{id}/authentication-methods/{method}", tag = "management",
    params(("id" = String, Path, description = "The user"), ("method" = String, Path, description = "The method")),
    security(("management" = [])),
    responses((status = 204, description = "It is gone"), Refusals, BearerRefusals)
)]
pub async fn remove_method(
    State(server): State<Arc<Server>>,
    _: Manager,
    InPath((user, authenticator_id)): InPath<(String, String)>,
) -> Result<Answer, Refused> {
    run(&server, &user, RemoveAuthenticator { authenticator_id }).await?;
    Ok(Answer::no_content())
}

/// Removes all of a user's authentication methods.
#[utoipa::path(
    delete, path = "/api/v2/users/{id}/authentication-methods", tag = "management",
    params(("id" = String, Path, description = "The user")), security(("management" = [])),
    responses((status = 204, description = "They are gone"), Refusals, BearerRefusals)
)]
pub async fn remove_methods(
    State(server): State<Arc<Server>>,
    _: Manager,
    InPath(user): InPath<String>,
) -> Result<Answer, Refused> {
    run(&server, &user, ResetMfa {}).await?;
    Ok(Answer::no_content())
}

/// The same, under Auth0's older name.
#[utoipa::path(
    delete, path = "/api/v2/users/{id}/authenticators", tag = "management",
    params(("id" = String, Path, description = "The user")), security(("management" = [])),
    responses((status = 204, description = "They are gone"), Refusals, BearerRefusals)
)]
pub async fn remove_authenticators(
    State(server): State<Arc<Server>>,
    manager: Manager,
    user: InPath<String>,
) -> Result<Answer, Refused> {
    remove_methods(State(server), manager, user).await
}

/// Makes a new recovery code; the old one is dead.
#[utoipa::path(
    post, path = "/api/v2/users/{id}/recovery-code-regeneration", tag = "management",
    params(("id" = String, Path, description = "The user")), security(("management" = [])),
    responses((status = 200, description = "Shown once", body = RecoveryCode), Refusals, BearerRefusals)
)]
pub async fn regenerate(
    State(server): State<Arc<Server>>,
    _: Manager,
    InPath(user): InPath<String>,
) -> Result<Answer, Refused> {
    Ok(Answer::of(&run(&server, &user, RegenerateRecoveryCodes {}).await?))
}

/// Fills the budgets of a user's codes and messages again.
#[utoipa::path(
    delete, path = "/api/v2/user-blocks/{id}", tag = "management",
    params(("id" = String, Path, description = "The user")), security(("management" = [])),
    responses((status = 204, description = "They are full"), Refusals, BearerRefusals)
)]
pub async fn unblock(
    State(server): State<Arc<Server>>,
    _: Manager,
    InPath(user): InPath<String>,
) -> Result<Answer, Refused> {
    run(&server, &user, Unlock {}).await?;
    Ok(Answer::no_content())
}

/// Ends a user's trusted browsers, with all `mfa_token`s and access tokens of the MFA API.
#[utoipa::path(
    post, path = "/api/v2/users/{id}/multifactor/actions/invalidate-remember-browser", tag = "management",
    params(("id" = String, Path, description = "The user")), security(("management" = [])),
    responses((status = 204, description = "They are over"), Refusals, BearerRefusals)
)]
pub async fn forget_browsers(
    State(server): State<Arc<Server>>,
    _: Manager,
    InPath(user): InPath<String>,
) -> Result<Answer, Refused> {
    run(&server, &user, RevokeTokens {}).await?;
    Ok(Answer::no_content())
}

/// Runs a command on the host's word, for a user who exists.
async fn run<C: Command>(server: &Server, user: &str, command: C) -> Result<C::Reply, Refused> {
    let user = server
        .users
        .by_id(user)
        .ok_or_else(|| Refused::new(StatusCode::NOT_FOUND, "not_found", "The user does not exist."))?;
    tracing::info!(target: "mfacore::audit", user = user.id, command = C::NAME, event = "asked_by_management");
    server.service.run(command, Caller::host(&user.id)).await
}
