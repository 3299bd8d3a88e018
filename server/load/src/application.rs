//! The calls that an application makes for its users.

use hyper::Method;
use serde_json::{Value, json};

use crate::connection::{Answer, Call, Connection, Lost};
use crate::directory::{AUDIENCE, CLIENT, MANAGEMENT_TOKEN, PASSWORD, id_in_path};

const MFA_OTP: &str = "http://auth0.com/oauth/grant-type/mfa-otp";
const MFA_RECOVERY_CODE: &str = "http://auth0.com/oauth/grant-type/mfa-recovery-code";

/// What an access token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// An API that always needs a second factor: its tokens are signed with RSA.
    Api,
    /// The MFA API, whose tokens the engine makes.
    MfaApi,
}

/// An application with a connection of its own. Each call is made once: [`Lost`] says that its fate is not known.
#[derive(Debug)]
pub struct Application {
    connection: Connection,
}

impl Application {
    /// Over this connection.
    pub fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// Logs in with the password; asks for a refresh token too.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn password(&mut self, username: &str) -> Result<Answer, Lost> {
        let parameters = json!({
            "grant_type": "password",
            "username": username,
            "password": PASSWORD,
            "audience": AUDIENCE,
            "scope": "offline_access",
        });
        self.token(parameters).await
    }

    /// Goes on with a session; each audience here needs another second factor.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn refresh(&mut self, refresh_token: &str, audience: Audience) -> Result<Answer, Lost> {
        let (audience, scope) = match audience {
            Audience::Api => (AUDIENCE.to_owned(), ""),
            Audience::MfaApi => (format!("http://{}/mfa/", self.connection.address()), "read:authenticators"),
        };
        let parameters = json!({
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
            "audience": audience,
            "scope": scope,
        });
        self.token(parameters).await
    }

    /// Passes a second factor, and confirms it where it is pending.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn one_time_password(&mut self, mfa_token: &str, otp: &str) -> Result<Answer, Lost> {
        self.token(json!({ "grant_type": MFA_OTP, "mfa_token": mfa_token, "otp": otp })).await
    }

    /// Passes a recovery code, which is replaced.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn recovery_code(&mut self, mfa_token: &str, recovery_code: &str) -> Result<Answer, Lost> {
        let parameters = json!({
            "grant_type": MFA_RECOVERY_CODE,
            "mfa_token": mfa_token,
            "recovery_code": recovery_code,
        });
        self.token(parameters).await
    }

    /// Begins to enroll an authenticator app.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn associate(&mut self, mfa_token: &str) -> Result<Answer, Lost> {
        let json = Some(json!({ "authenticator_types": ["otp"] }));
        self.call(Method::POST, "/mfa/associate", mfa_token, json).await
    }

    /// Lists the user's authenticators.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn authenticators(&mut self, mfa_token: &str) -> Result<Answer, Lost> {
        self.call(Method::GET, "/mfa/authenticators", mfa_token, None).await
    }

    /// Fills a user's budgets, as support does.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn unblock(&mut self, username: &str) -> Result<Answer, Lost> {
        let path = format!("/api/v2/user-blocks/{}", id_in_path(username));
        self.call(Method::DELETE, &path, MANAGEMENT_TOKEN, None).await
    }

    async fn token(&mut self, mut parameters: Value) -> Result<Answer, Lost> {
        parameters["client_id"] = CLIENT.into();
        let (method, path) = (Method::POST, "/oauth/token");
        self.connection.call(&Call { method, path, bearer: None, json: Some(parameters) }).await
    }

    async fn call(
        &mut self,
        method: Method,
        path: &str,
        bearer: &str,
        json: Option<Value>,
    ) -> Result<Answer, Lost> {
        self.connection.call(&Call { method, path, bearer: Some(bearer), json }).await
    }
}
