//! `/oauth/token`: the first factor, and the second.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use mfacore::commands::{Command, Require, RequireReply, VerifyOob, VerifyOtp, VerifyRecoveryCode};
use mfacore::{AccessGrant, Caller, Granted, Purpose, Scopes, SecretString, Subject, VerifyReply};

use crate::answer::{Answer, Refused};
use crate::clients::{Audience, Client, SecondFactor};
use crate::openapi::{BodyRefusals, Refusals, Sent, TokenRequest, TokenResponse};
use crate::parameters::Parameters;
use crate::server::Server;
use crate::tokens::{Asked, Proof, Tokens};
use crate::users::User;

const PASSWORD_REALM: &str = "http://auth0.com/oauth/grant-type/password-realm";
const MFA_OTP: &str = "http://auth0.com/oauth/grant-type/mfa-otp";
const MFA_OOB: &str = "http://auth0.com/oauth/grant-type/mfa-oob";
const MFA_RECOVERY_CODE: &str = "http://auth0.com/oauth/grant-type/mfa-recovery-code";

/// The grants that there are.
pub const GRANTS: [&str; 6] =
    ["password", PASSWORD_REALM, "refresh_token", MFA_OTP, MFA_OOB, MFA_RECOVERY_CODE];

/// Scopes that any client may ask for (OpenID Connect Core sections 5.4 and 11).
pub const OPENID_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// The transaction context of the engine holds what was asked for, and has 1,024 bytes.
const ASKED_BYTES_MAX: usize = 800;

/// Tokens for a first factor, or `mfa_required`; tokens for the second.
#[utoipa::path(
    post, path = "/oauth/token", tag = "token",
    request_body(content(
        (TokenRequest = "application/x-www-form-urlencoded"), (TokenRequest = "application/json")
    )),
    security((), ("client" = [])),
    responses((status = 200, description = "Tokens of the first request", body = TokenResponse), Refusals,
        BodyRefusals, Sent)
)]
pub async fn token(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Answer, Refused> {
    parameters.check::<TokenRequest>()?;
    let client = server.clients.authenticate(&headers, &mut parameters)?;
    let grant_type = parameters.demand("grant_type")?;
    let request = Request { server: &server, client };
    match grant_type.expose() {
        "password" | PASSWORD_REALM => request.password(parameters).await,
        "refresh_token" => request.refresh(parameters).await,
        MFA_OTP => {
            let mfa_token = parameters.demand("mfa_token")?;
            let authenticator_id = parameters.take_public("authenticator_id")?;
            let otp = parameters.demand("otp")?;
            request.second_factor(VerifyOtp { otp, authenticator_id }, mfa_token).await
        }
        MFA_OOB => request.out_of_band(parameters).await,
        MFA_RECOVERY_CODE => {
            let mfa_token = parameters.demand("mfa_token")?;
            let recovery_code = parameters.demand("recovery_code")?;
            request.second_factor(VerifyRecoveryCode { recovery_code }, mfa_token).await
        }
        _ => Err(Refused::new(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            "The grant_type is none of this server's.",
        )),
    }
}

/// A request of a client that has authenticated.
struct Request<'a> {
    server: &'a Server,
    client: &'a Client,
}

/// What a first factor is followed by.
struct FirstFactor {
    asked: Asked,
    second_factor: SecondFactor,
    proof: Proof,
    device_token: Option<SecretString>,
    trust_browser: bool,
    /// The session that goes on: its refresh token is given back as it is, and ends when it would have.
    refresh_token: Option<SecretString>,
}

impl Request<'_> {
    async fn password(&self, mut parameters: Parameters) -> Result<Answer, Refused> {
        let (asked, second_factor) = self.asked(&mut parameters, None)?;
        let username = parameters.demand("username")?;
        let password = parameters.demand("password")?;
        let device_token = parameters.take("device_token")?;
        let trust_browser = parameters.take("trust_browser")?.is_some_and(|text| text.expose() == "true");
        let user = self.server.users.authenticate(username.expose(), password).await?;
        let proof = Proof::password(self.server.signer.now_ms());
        let first =
            FirstFactor { asked, second_factor, proof, device_token, trust_browser, refresh_token: None };
        self.first_factor(&user, first).await
    }

    /// A session goes on as it began: one that passed a second factor needs another for the MFA API, for an API that
    /// always demands it, and for any API that neither the login nor the client's `multi_resource_refresh` names.
    async fn refresh(&self, mut parameters: Parameters) -> Result<Answer, Refused> {
        let token = parameters.demand("refresh_token")?;
        let unknown =
            || Refused::new(StatusCode::FORBIDDEN, "invalid_grant", "Unknown or invalid refresh token.");
        let session = self.server.signer.session(token.expose(), &self.client.id).ok_or_else(unknown)?;
        let user = self.server.users.by_id(&session.sub).ok_or_else(unknown)?;
        let (asked, mut second_factor) = self.asked(&mut parameters, Some(&session.asked))?;
        let is_mfa_api = asked.audience == self.server.issuer.mfa_audience();
        let api = self.client.audiences.get(&asked.audience);
        let is_of_session =
            asked.audience == session.asked.audience || api.is_some_and(|api| api.multi_resource_refresh);
        if !is_of_session && !is_mfa_api {
            second_factor = SecondFactor::Always;
        }
        let is_ordinary = second_factor == SecondFactor::Policy && !is_mfa_api;
        if is_ordinary && session.proof.has_second_factor() {
            let tokens = self.server.signer.tokens(user, &self.client.id, &asked, &session.proof)?;
            return Ok(Answer::json(&Tokens { refresh_token: Some(token), ..tokens }));
        }
        let first = FirstFactor {
            asked,
            second_factor,
            proof: session.proof,
            device_token: None,
            trust_browser: false,
            refresh_token: Some(token),
        };
        self.first_factor(user, first).await
    }

    async fn first_factor(&self, user: &User, first: FirstFactor) -> Result<Answer, Refused> {
        let FirstFactor { asked, second_factor, proof, device_token, trust_browser, refresh_token } = first;
        let mut caller = user.caller().client(&self.client.id).transaction(asked.to_context());
        if asked.audience == self.server.issuer.mfa_audience() {
            caller = caller.mfa_audience(mfa_scopes(&asked)?);
        }
        if second_factor == SecondFactor::Always {
            caller = caller.force();
        }
        if trust_browser {
            caller = caller.trust_browser();
        }
        match self.server.service.run(Require { device_token }, caller).await? {
            RequireReply::NotRequired(not_required) => {
                let tokens = self.log_in(user, &asked, &proof, not_required.access)?;
                let refresh_token = refresh_token.or(tokens.refresh_token);
                Ok(Answer::json(&Tokens { refresh_token, ..tokens }))
            }
            reply @ (RequireReply::Enroll(_) | RequireReply::Required(_)) => Ok(Answer::of(&reply)),
        }
    }

    async fn out_of_band(&self, mut parameters: Parameters) -> Result<Answer, Refused> {
        let mfa_token = parameters.demand("mfa_token")?;
        let oob_code = parameters.demand("oob_code")?;
        let binding_code = parameters.take("binding_code")?;
        let verify = VerifyOob { oob_code: oob_code.clone(), binding_code };
        let answer = self.second_factor(verify, mfa_token).await;
        if answer.as_ref().is_err_and(Refused::is_pending)
            && let Err(seconds) = self.server.polls.count(oob_code.expose())
        {
            return Err(Refused::too_many("slow_down", "Poll no more than 12 times a minute.", seconds));
        }
        answer
    }

    async fn second_factor<C>(&self, verify: C, mfa_token: SecretString) -> Result<Answer, Refused>
    where
        C: Command<Reply = VerifyReply>,
    {
        let caller = Caller::token(mfa_token, Subject::FromToken).client(&self.client.id);
        match self.server.service.run(verify, caller).await? {
            VerifyReply::Granted(granted) => self.granted(granted),
            reply @ (VerifyReply::Required(_) | VerifyReply::Confirmed(_)) => Ok(Answer::of(&reply)),
        }
    }

    fn granted(&self, mut granted: Granted) -> Result<Answer, Refused> {
        let (access, recovery_code) = (granted.access.take(), granted.recovery_code.take());
        let (recovery_codes_left, device_token) = (granted.recovery_codes_left, granted.device_token.take());
        let denied = || Refused::new(StatusCode::FORBIDDEN, "access_denied", "Nobody is logged in by this.");
        let verified = granted.into_verified().ok_or_else(denied)?;
        if verified.purpose() != Purpose::LogIn {
            return Err(denied());
        }
        let user = self.server.users.by_id(verified.user()).ok_or_else(denied)?;
        let asked = verified.transaction().and_then(Asked::of_context).ok_or_else(denied)?;
        let tokens = self.log_in(user, &asked, &Proof::second_factor(&verified), access)?;
        Ok(Answer::json(&Tokens { recovery_code, recovery_codes_left, device_token, ..tokens }))
    }

    /// The tokens of a user who is logged in: the engine's access token where there is one, else one of ours.
    fn log_in(
        &self,
        user: &User,
        asked: &Asked,
        proof: &Proof,
        access: Option<AccessGrant>,
    ) -> Result<Tokens, Refused> {
        let (signer, client) = (&self.server.signer, &self.client.id);
        let Some(access) = access else {
            return Ok(signer.tokens(user, client, asked, proof)?);
        };
        let is_granted =
            |scope: &&str| scope.parse::<Scopes>().map_or(true, |scope| access.scope.contains(scope));
        let scope: Vec<&str> = asked.scope.split_ascii_whitespace().filter(is_granted).collect();
        let id_token = signer.id_token(user, client, asked, proof)?;
        let refresh_token = signer.refresh_token(user, client, asked, proof)?;
        Ok(Tokens {
            access_token: access.access_token,
            token_type: access.token_type,
            expires_in: access.expires_in,
            scope: scope.join(" "),
            id_token,
            refresh_token,
            ..Tokens::default()
        })
    }

    /// What a request asks for, or, in a session, what the login asked for. Scopes that may not be had are left out
    /// (RFC 6749 section 3.3).
    fn asked(
        &self,
        parameters: &mut Parameters,
        session: Option<&Asked>,
    ) -> Result<(Asked, SecondFactor), Refused> {
        let issuer = &self.server.issuer;
        let audience = parameters.take_public("audience")?.or_else(|| session.map(|s| s.audience.clone()));
        let audience = audience.unwrap_or_else(|| issuer.at("userinfo"));
        let api = if audience == issuer.mfa_audience() || audience == issuer.at("userinfo") {
            Audience::default()
        } else {
            self.client.audiences.get(&audience).cloned().ok_or_else(|| {
                let text = "The audience is none of this client's.";
                Refused::new(StatusCode::FORBIDDEN, "access_denied", text)
            })?
        };
        let text = parameters.take_public("scope")?.or_else(|| session.map(|s| s.scope.clone()));
        let is_of_api = |scope: &str| match audience == issuer.mfa_audience() {
            true => scope.parse::<Scopes>().is_ok(),
            false => api.scopes.contains(scope),
        };
        // A session has no more than its login, but for another API: that takes a second factor of its own.
        let had = |scope: &str| session.is_none_or(|s| s.scope.split(' ').any(|one| one == scope));
        let is_other = session.is_some_and(|session| session.audience != audience);
        let may_have = |scope: &str| match OPENID_SCOPES.contains(&scope) {
            true => had(scope),
            false => is_of_api(scope) && (is_other || had(scope)),
        };
        let mut seen = BTreeSet::new();
        let text = text.unwrap_or_default();
        let scopes: Vec<&str> =
            text.split_ascii_whitespace().filter(|scope| may_have(scope) && seen.insert(*scope)).collect();
        let asked = Asked { audience, scope: scopes.join(" ") };
        if asked.audience.len() + asked.scope.len() > ASKED_BYTES_MAX {
            return Err(Refused::invalid_request("audience and scope together have at most 800 bytes."));
        }
        Ok((asked, api.second_factor))
    }
}

/// The scopes that are the engine's.
fn mfa_scopes(asked: &Asked) -> Result<Scopes, Refused> {
    let known: Vec<Scopes> =
        asked.scope.split_ascii_whitespace().filter_map(|scope| scope.parse().ok()).collect();
    known.into_iter().reduce(Scopes::with).ok_or_else(|| {
        let text = "Ask for enroll, read:authenticators or remove:authenticators.";
        Refused::new(StatusCode::BAD_REQUEST, "invalid_scope", text)
    })
}
