//! The interface as OpenAPI 3.1: made of the handlers' own descriptions, and of the shapes below, which are the
//! contract's. `tests/documented.rs` holds real answers to them.
#![allow(dead_code, reason = "shapes that are read by macros alone; the engine's own types have no schema")]

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{IntoResponses, OpenApi as _, ToSchema};

use crate::answer::Answer;
use crate::server::Server;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "mfacore-server", description = "Auth0's MFA API over mfacore."),
    components(schemas(Refusal, Requirements, Requirement)),
    tags(
        (name = "token", description = "Tokens: the first factor, and the second"),
        (name = "mfa", description = "Enroll, list, challenge, remove"),
        (name = "management", description = "For support, with the management token"),
        (name = "push", description = "The device's half of push"),
        (name = "discovery", description = "OpenID discovery"),
        (name = "development", description = "In development alone")
    )
)]
struct Frame;

/// The document without its paths.
pub fn frame() -> OpenApi {
    let mut document = Frame::openapi();
    let bearer = || SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components = document.components.get_or_insert_default();
    for name in ["mfa_token", "mfa_api", "access_token", "management", "ticket", "transaction_token"] {
        components.add_security_scheme(name, bearer());
    }
    components.add_security_scheme("client", SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)));
    document
}

/// Serves the document.
pub fn served(document: OpenApi) -> Router<Arc<Server>> {
    let document = Arc::new(document);
    Router::new().route("/openapi.json", get(async move || Answer::json(&*document)))
}

/// A refusal: CONTRACT section 3.
#[derive(ToSchema)]
pub struct Refusal {
    /// A stable code.
    error: String,
    /// What to tell a person.
    error_description: String,
    /// Seconds after which the same call may be admitted.
    retry_after: Option<u64>,
    /// With `mfa_required`: authorises the next calls.
    mfa_token: Option<String>,
    /// With `mfa_required`: what can be passed, or enrolled.
    mfa_requirements: Option<Requirements>,
    /// The recovery code that replaces the one just used.
    recovery_code: Option<String>,
    /// Recovery codes left, where the user holds a set.
    recovery_codes_left: Option<u64>,
}

/// What can be passed, or what can be enrolled.
#[derive(ToSchema)]
pub struct Requirements {
    challenge: Option<Vec<Requirement>>,
    enroll: Option<Vec<Requirement>>,
}

/// A factor.
#[derive(ToSchema)]
pub struct Requirement {
    /// `otp`, `phone`, `push-notification`, `email` or `recovery-code`.
    r#type: String,
}

/// What any endpoint may refuse with.
#[derive(IntoResponses)]
pub enum Refusals {
    /// The request is not what the endpoint takes.
    #[response(status = 400)]
    BadRequest(Refusal),
    /// The caller did not authenticate.
    #[response(status = 401)]
    Unauthorized(Refusal),
    /// The caller may not, or the code is wrong.
    #[response(status = 403)]
    Forbidden(Refusal),
    /// There is no such thing.
    #[response(status = 404)]
    NotFound(Refusal),
    /// The endpoint does not take this method.
    #[response(status = 405)]
    MethodNotAllowed(Refusal),
    /// The request took too long.
    #[response(status = 408)]
    TimedOut(Refusal),
    /// The body is over 64 KiB.
    #[response(status = 413)]
    TooLarge(Refusal),
    /// Nothing is wrong with the request, and it cannot be completed.
    #[response(status = 500)]
    Failed(Refusal),
    /// Try again.
    #[response(status = 503)]
    Unavailable(Refusal),
}

/// What an endpoint with a body may refuse with.
#[derive(IntoResponses)]
pub enum BodyRefusals {
    /// The content type is another one.
    #[response(status = 415)]
    WrongType(Refusal),
}

/// What an endpoint whose callers bear a token may refuse with.
#[derive(IntoResponses)]
pub enum BearerRefusals {
    /// The token is missing, unknown or dead. (A device's dead ticket or transaction token is 403.)
    #[response(status = 401, headers(("www-authenticate" = String, description = "How to authenticate")))]
    Unauthorized(Refusal),
}

/// What an endpoint that sends or tries may refuse with.
#[derive(IntoResponses)]
pub enum Sent {
    /// A budget is spent.
    #[response(status = 429, headers(("retry-after" = u64, description = "Seconds")))]
    TooMany(Refusal),
}

/// RFC 6749, with what the grants of Auth0 add.
#[derive(ToSchema)]
pub struct TokenRequest {
    /// One of `grant_types_supported` in the discovery document.
    #[schema(examples("password", "http://auth0.com/oauth/grant-type/mfa-otp"))]
    grant_type: String,
    /// The client; or in `Authorization`.
    client_id: Option<String>,
    /// Its secret; or in `Authorization`.
    client_secret: Option<String>,
    username: Option<String>,
    password: Option<String>,
    /// With `password-realm`: any, since there is one directory.
    realm: Option<String>,
    /// The API that the access token is for.
    audience: Option<String>,
    /// Separated by spaces.
    scope: Option<String>,
    refresh_token: Option<String>,
    /// From `mfa_required`; or an access token of the MFA API, to confirm what is enrolled with it.
    mfa_token: Option<String>,
    otp: Option<String>,
    /// With `otp`: the authenticator that was challenged.
    authenticator_id: Option<String>,
    oob_code: Option<String>,
    binding_code: Option<String>,
    recovery_code: Option<String>,
    /// Ours: of a browser that was trusted.
    device_token: Option<String>,
    /// Ours: `true` where the user asked to trust this browser.
    trust_browser: Option<String>,
}

/// RFC 6749 section 5.1.
#[derive(ToSchema)]
pub struct TokenResponse {
    access_token: String,
    token_type: String,
    /// Seconds.
    expires_in: u64,
    scope: String,
    id_token: Option<String>,
    refresh_token: Option<String>,
    /// The recovery code that replaces the one just used.
    recovery_code: Option<String>,
    /// Recovery codes left, where the user holds a set.
    recovery_codes_left: Option<u64>,
    /// For the browser that is trusted from now on.
    device_token: Option<String>,
}

/// CONTRACT section 2, associate.
#[derive(ToSchema)]
pub struct AssociateRequest {
    /// `otp`, `oob`.
    authenticator_types: Vec<String>,
    /// With `oob`: `sms`, `voice`, `email`, `auth0` (push).
    oob_channels: Option<Vec<String>>,
    /// With `sms` and `voice`: in E.164.
    phone_number: Option<String>,
    /// With `email`; the user's own where left out.
    email: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

/// What the user needs to complete the enrollment.
#[derive(ToSchema)]
pub struct Associated {
    authenticator_type: String,
    /// `otp`: the secret in base32.
    secret: Option<String>,
    /// For a QR code.
    barcode_uri: Option<String>,
    oob_channel: Option<String>,
    oob_code: Option<String>,
    /// `prompt`: the user types a code.
    binding_method: Option<String>,
    /// With the first factor.
    recovery_codes: Option<Vec<String>>,
}

/// An authenticator as its user sees it.
#[derive(ToSchema)]
pub struct Authenticator {
    id: String,
    authenticator_type: String,
    active: bool,
    oob_channel: Option<String>,
    name: Option<String>,
    nickname: Option<String>,
    r#type: String,
}

/// CONTRACT section 2, challenge.
#[derive(ToSchema)]
pub struct ChallengeRequest {
    mfa_token: String,
    /// The client; or in `Authorization`.
    client_id: Option<String>,
    /// Its secret; or in `Authorization`.
    client_secret: Option<String>,
    /// `otp`, `oob`, separated by spaces.
    challenge_type: Option<String>,
    authenticator_id: Option<String>,
}

/// What was challenged.
#[derive(ToSchema)]
pub struct Challenged {
    challenge_type: String,
    authenticator_id: String,
    name: Option<String>,
    oob_channel: Option<String>,
    oob_code: Option<String>,
    binding_method: Option<String>,
    /// Seconds.
    expires_in: Option<u64>,
    /// Push: seconds between polls.
    interval: Option<u64>,
    /// Push with number matching: what to show.
    number: Option<String>,
}

/// Authentication methods.
#[derive(ToSchema, serde::Serialize)]
#[serde(untagged)]
pub enum Methods {
    /// Without totals.
    List(Vec<Method>),
    /// With totals.
    Page {
        /// The first one's place.
        start: u64,
        /// How many fit a page.
        limit: u64,
        /// How many there are.
        total: u64,
        /// Those of this page.
        authenticators: Vec<Method>,
    },
}

/// An authentication method as support sees it. Times are RFC 3339.
#[derive(ToSchema, serde::Serialize)]
pub struct Method {
    id: String,
    r#type: String,
    confirmed: bool,
    disabled: bool,
    name: Option<String>,
    phone_number: Option<String>,
    email: Option<String>,
    link_id: String,
    created_at: String,
    last_auth_at: Option<String>,
    weak_until: Option<String>,
}

/// The new code, or the new set.
#[derive(ToSchema)]
pub struct RecoveryCode {
    recovery_code: Option<String>,
    recovery_codes: Option<Vec<String>>,
}

/// A device that scanned a QR code.
#[derive(ToSchema)]
pub struct EnrollDeviceRequest {
    /// What the user knows it by: 1 to 64 characters.
    name: String,
    public_key: DeviceKey,
    /// Where your push service reaches it, at most 512 bytes.
    push_address: String,
    /// By the key that is enrolled; base64url without padding.
    signature: String,
}

/// A JSON Web Key: Ed25519 or P-256.
#[derive(ToSchema)]
pub struct DeviceKey {
    kty: String,
    crv: String,
    x: String,
    y: Option<String>,
}

/// What the device keeps.
#[derive(ToSchema)]
pub struct DeviceEnrolled {
    authenticator_id: String,
    otp_authenticator_id: String,
    /// The secret of one-time passwords for logins without a network.
    barcode_uri: String,
    /// `plain`, `number_matching` or `number_typed`.
    confirmation: String,
}

/// The answer to a push.
#[derive(ToSchema)]
pub struct AnswerPushRequest {
    /// `approve` or `deny`.
    decision: String,
    /// The number that the user chose or typed, where the push asked for one.
    number: Option<String>,
    /// By the device's key; base64url without padding.
    signature: String,
}
