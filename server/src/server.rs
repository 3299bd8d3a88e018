//! What the endpoints share, and the router over them.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use mfacore::{Caller, SecretString, Subject};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::Refused;
use crate::clients::Clients;
use crate::clock::Clock;
use crate::endpoints::{development, discovery, health, management, mfa, push, token};
use crate::issuer::Issuer;
use crate::layers;
use crate::openapi;
use crate::rates::Rates;
use crate::secrets::SecretDigest;
use crate::service::Service;
use crate::tokens::Signer;
use crate::users::Users;

/// Polls of one `oob_code`: CONTRACT section 4, rule 8.
const POLL_BURST: NonZeroU32 = NonZeroU32::new(12).unwrap();
const POLL_REFILL: Duration = Duration::from_secs(5);

/// What the endpoints share.
pub struct Server {
    /// Its own name.
    pub issuer: Issuer,
    /// The engine.
    pub service: Service,
    /// The first factor.
    pub users: Users,
    /// The applications.
    pub clients: Clients,
    /// Id tokens, access tokens, refresh tokens.
    pub signer: Signer,
    /// What the management API's bearers present.
    pub management: Option<SecretDigest>,
    /// Polls of challenges.
    pub polls: Rates,
}

impl Server {
    /// With no poll made yet.
    pub fn new(
        issuer: Issuer,
        service: Service,
        users: Users,
        clients: Clients,
        signer: Signer,
        management: Option<SecretDigest>,
        clock: Clock,
    ) -> Self {
        let polls = Rates::new(POLL_BURST, POLL_REFILL, clock);
        Self { issuer, service, users, clients, signer, management, polls }
    }
}

impl Server {
    /// Whoever bears a token, with what the directory knows of the user.
    pub fn bearer(&self, token: SecretString) -> Caller {
        let user = self.service.user_of_token(&token, self.signer.now_ms());
        let caller = Caller::token(token, Subject::FromToken);
        match user.and_then(|id| self.users.by_id(&id)) {
            Some(user) => user.add_facts(caller),
            None => caller,
        }
    }
}

/// The endpoints, with what bounds and dresses them all.
pub fn router(server: Server) -> Router {
    let server = Arc::new(server);
    let (router, document) = endpoints().split_for_parts();
    let router = router
        .merge(openapi::served(document))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed);
    layers::around(router, server.clone()).with_state(server)
}

/// The interface as OpenAPI describes it.
pub fn document() -> OpenApi {
    endpoints().into_openapi()
}

fn endpoints() -> OpenApiRouter<Arc<Server>> {
    OpenApiRouter::with_openapi(openapi::frame())
        .routes(routes!(discovery::configuration))
        .routes(routes!(discovery::keys))
        .routes(routes!(discovery::userinfo))
        .routes(routes!(token::token))
        .routes(routes!(mfa::associate))
        .routes(routes!(mfa::challenge))
        .routes(routes!(mfa::list))
        .routes(routes!(mfa::remove))
        .routes(routes!(management::methods, management::remove_methods))
        .routes(routes!(management::remove_method))
        .routes(routes!(management::remove_authenticators))
        .routes(routes!(management::regenerate))
        .routes(routes!(management::unblock))
        .routes(routes!(management::forget_browsers))
        .routes(routes!(push::enroll))
        .routes(routes!(push::answer))
        .routes(routes!(health::health))
        .routes(routes!(development::outbox))
}

async fn not_found() -> Refused {
    Refused::new(StatusCode::NOT_FOUND, "not_found", "There is no such endpoint.")
}

async fn method_not_allowed() -> Refused {
    let text = "The endpoint does not take this method.";
    Refused::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text)
}
