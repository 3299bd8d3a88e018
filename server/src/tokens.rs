//! What a login gets beside the engine's own tokens: id tokens and access tokens as RS256 JWTs, and refresh
//! tokens that only this server reads.

use base64ct::{Base64UrlUnpadded, Encoding};
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use mfacore::{SecretString, Verified};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::issuer::Issuer;
use crate::keys::Keys;
use crate::secrets::random;
use crate::users::User;

const ACCESS_TOKEN_S: u64 = 3_600;
const ID_TOKEN_S: u64 = 36_000;
const REFRESH_TOKEN_S: u64 = 30 * 86_400;
/// RFC 9068 section 2.1.
const ACCESS_TYPE: &str = "at+jwt";
const REFRESH_TYPE: &str = "refresh+jwt";

/// What a request asked for. It goes with the login as its transaction context: a push device shows it, and it
/// comes back in [`Verified`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The API that the access token is for.
    pub audience: String,
    /// The scopes that were asked for and may be had.
    pub scope: String,
}

impl Asked {
    /// As the transaction context of a login: at most a little longer than the texts are.
    pub fn to_context(&self) -> String {
        let Self { audience, scope } = self;
        serde_json::json!({ "audience": audience, "scope": scope }).to_string()
    }

    /// What a login's transaction context says; `None` for a context of somebody else's.
    pub fn of_context(context: &str) -> Option<Self> {
        serde_json::from_str(context).ok()
    }

    fn has(&self, scope: &str) -> bool {
        self.scope.split(' ').any(|one| one == scope)
    }
}

/// How and when a user proved who they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Methods (RFC 8176); CONTRACT section 6.
    amr: Vec<String>,
    /// The class that a second factor gives; CONTRACT section 6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    acr: Option<String>,
    /// Seconds since 1970.
    auth_time: u64,
}

impl Proof {
    /// A password, at this time.
    pub fn password(now_ms: u64) -> Self {
        Self { amr: vec!["pwd".to_owned()], acr: None, auth_time: now_ms / 1_000 }
    }

    /// A second factor.
    pub fn second_factor(verified: &Verified) -> Self {
        Self {
            amr: verified.amr().iter().map(|method| (*method).to_owned()).collect(),
            acr: Some(verified.acr().to_owned()),
            auth_time: verified.at_ms() / 1_000,
        }
    }

    /// Whether a second factor was passed.
    pub fn has_second_factor(&self) -> bool {
        self.acr.is_some()
    }
}

/// A login's tokens (RFC 6749 section 5.1).
#[derive(Debug, Default, Serialize)]
pub struct Tokens {
    /// For the audience.
    pub access_token: SecretString,
    /// `Bearer`.
    pub token_type: &'static str,
    /// Seconds that the access token lives.
    pub expires_in: u64,
    /// What was granted.
    pub scope: String,
    /// Who logged in, where `openid` was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<SecretString>,
    /// For further tokens, where `offline_access` was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<SecretString>,
    /// The code that replaces the one just used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_code: Option<SecretString>,
    /// Recovery codes left, where the user holds a set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_codes_left: Option<usize>,
    /// For the browser that is trusted from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_token: Option<SecretString>,
}

#[derive(Serialize)]
struct IdClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
    jti: SecretString,
    #[serde(flatten)]
    proof: &'a Proof,
    #[serde(flatten)]
    profile: Profile<'a>,
}

/// What the scopes `profile` and `email` show of a user (OpenID Connect Core section 5.4).
#[derive(Serialize)]
pub struct Profile<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nickname: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
}

impl<'a> Profile<'a> {
    /// What `scope` shows of `user`.
    pub fn of(user: &'a User, scope: &str) -> Self {
        let has = |name| scope.split(' ').any(|one| one == name);
        let (shows_profile, shows_email) = (has("profile"), has("email") && user.email.is_some());
        Self {
            name: user.name.as_deref().filter(|_| shows_profile),
            nickname: shows_profile.then_some(&user.username),
            email: user.email.as_deref().filter(|_| shows_email),
            email_verified: shows_email.then_some(user.email_verified),
        }
    }
}

/// RFC 9068 section 2.2.
#[derive(Serialize, Deserialize)]
struct AccessClaims {
    iss: String,
    sub: String,
    aud: String,
    client_id: String,
    iat: u64,
    exp: u64,
    jti: String,
    scope: String,
    #[serde(flatten)]
    proof: Proof,
}

/// What a refresh token says.
#[derive(Debug, Serialize, Deserialize)]
pub struct Session {
    iss: String,
    /// Whose it is.
    pub sub: String,
    /// The client that it was issued to.
    pub aud: String,
    exp: u64,
    jti: String,
    /// What the login asked for.
    #[serde(flatten)]
    pub asked: Asked,
    /// What the user had proved.
    #[serde(flatten)]
    pub proof: Proof,
}

/// A token could not be made: the system's generator or the signature failed.
#[derive(Debug, thiserror::Error)]
#[error("a token could not be made: {0}")]
pub struct SignError(String);

impl From<jsonwebtoken::errors::Error> for SignError {
    fn from(error: jsonwebtoken::errors::Error) -> Self {
        Self(error.to_string())
    }
}

/// Claims that end.
trait Expires {
    /// When, seconds since 1970.
    fn expires_s(&self) -> u64;
}

impl Expires for AccessClaims {
    fn expires_s(&self) -> u64 {
        self.exp
    }
}

impl Expires for Session {
    fn expires_s(&self) -> u64 {
        self.exp
    }
}

/// Signs, and reads what it signed.
pub struct Signer {
    issuer: Issuer,
    clock: Clock,
    signing: EncodingKey,
    public: DecodingKey,
    key_id: String,
    keys: JwkSet,
    refresh: (EncodingKey, DecodingKey),
}

impl Signer {
    /// With the deployment's keys.
    ///
    /// # Errors
    /// What is wrong with the keys.
    pub fn new(issuer: Issuer, keys: &Keys, clock: Clock) -> Result<Self, String> {
        let text = |error: jsonwebtoken::errors::Error| format!("signing_key or refresh_key: {error}");
        let signing = EncodingKey::from_rsa_pem(keys.signing_key.expose().as_bytes()).map_err(text)?;
        let mut key = Jwk::from_encoding_key(&signing, Algorithm::RS256).map_err(text)?;
        let key_id = key.thumbprint(ThumbprintHash::SHA256).map_err(text)?;
        key.common.key_id = Some(key_id.clone());
        key.common.public_key_use = Some(PublicKeyUse::Signature);
        let public = DecodingKey::from_jwk(&key).map_err(text)?;
        let secret = keys.refresh_key()?;
        let refresh = (
            EncodingKey::from_secret(&secret[..]).map_err(text)?,
            DecodingKey::from_secret(&secret[..]).map_err(text)?,
        );
        Ok(Self { issuer, clock, signing, public, key_id, keys: JwkSet { keys: vec![key] }, refresh })
    }

    /// The public keys (RFC 7517).
    pub fn public_keys(&self) -> &JwkSet {
        &self.keys
    }

    /// The tokens of a login.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn tokens(
        &self,
        user: &User,
        client: &str,
        asked: &Asked,
        proof: &Proof,
    ) -> Result<Tokens, SignError> {
        let claims = AccessClaims {
            iss: self.issuer.as_str().to_owned(),
            sub: user.id.clone(),
            aud: asked.audience.clone(),
            client_id: client.to_owned(),
            iat: self.now_s(),
            exp: self.now_s() + ACCESS_TOKEN_S,
            jti: unique_id()?,
            scope: asked.scope.clone(),
            proof: proof.clone(),
        };
        Ok(Tokens {
            access_token: self.sign(ACCESS_TYPE, &claims)?,
            token_type: "Bearer",
            expires_in: ACCESS_TOKEN_S,
            scope: asked.scope.clone(),
            id_token: self.id_token(user, client, asked, proof)?,
            refresh_token: self.refresh_token(user, client, asked, proof)?,
            ..Tokens::default()
        })
    }

    /// Who logged in, for the client, where `openid` was asked for (OpenID Connect Core section 2).
    ///
    /// # Errors
    /// [`SignError`].
    pub fn id_token(
        &self,
        user: &User,
        client: &str,
        asked: &Asked,
        proof: &Proof,
    ) -> Result<Option<SecretString>, SignError> {
        if !asked.has("openid") {
            return Ok(None);
        }
        let claims = IdClaims {
            iss: self.issuer.as_str(),
            sub: &user.id,
            aud: client,
            iat: self.now_s(),
            exp: self.now_s() + ID_TOKEN_S,
            jti: unique_id()?.into(),
            proof,
            profile: Profile::of(user, &asked.scope),
        };
        self.sign("JWT", &claims).map(Some)
    }

    /// For further tokens, where `offline_access` was asked for. It is not kept: it ends by its expiry, or with the
    /// user or the client.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn refresh_token(
        &self,
        user: &User,
        client: &str,
        asked: &Asked,
        proof: &Proof,
    ) -> Result<Option<SecretString>, SignError> {
        if !asked.has("offline_access") {
            return Ok(None);
        }
        let session = Session {
            iss: self.issuer.as_str().to_owned(),
            sub: user.id.clone(),
            aud: client.to_owned(),
            exp: self.now_s() + REFRESH_TOKEN_S,
            jti: unique_id()?,
            asked: asked.clone(),
            proof: proof.clone(),
        };
        let header = Header { typ: Some(REFRESH_TYPE.to_owned()), ..Header::new(Algorithm::HS256) };
        Ok(Some(jsonwebtoken::encode(&header, &session, &self.refresh.0)?.into()))
    }

    /// What a refresh token says that was issued to this client and has not expired.
    pub fn session(&self, token: &str, client: &str) -> Option<Session> {
        self.open(token, REFRESH_TYPE, client, Algorithm::HS256, &self.refresh.1)
    }

    /// Whose access token it is, and what scope it has, where it is one for `audience`.
    pub fn bearer(&self, token: &str, audience: &str) -> Option<(String, String)> {
        let claims: AccessClaims = self.open(token, ACCESS_TYPE, audience, Algorithm::RS256, &self.public)?;
        Some((claims.sub, claims.scope))
    }

    /// The time that tokens go by, milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        (self.clock)()
    }

    fn now_s(&self) -> u64 {
        self.now_ms() / 1_000
    }

    fn open<T: DeserializeOwned + Expires>(
        &self,
        token: &str,
        kind: &str,
        audience: &str,
        algorithm: Algorithm,
        key: &DecodingKey,
    ) -> Option<T> {
        let mut validation = Validation::new(algorithm);
        // By our own clock, below.
        validation.validate_exp = false;
        validation.set_issuer(&[self.issuer.as_str()]);
        validation.set_audience(&[audience]);
        let read = jsonwebtoken::decode::<T>(token, key, &validation).ok()?;
        let is_good = read.header.typ.as_deref() == Some(kind) && self.now_s() < read.claims.expires_s();
        is_good.then_some(read.claims)
    }

    fn sign(&self, kind: &str, claims: &impl Serialize) -> Result<SecretString, SignError> {
        let mut header = Header::new(Algorithm::RS256);
        header.typ = Some(kind.to_owned());
        header.kid = Some(self.key_id.clone());
        Ok(jsonwebtoken::encode(&header, claims, &self.signing)?.into())
    }
}

fn unique_id() -> Result<String, SignError> {
    Ok(Base64UrlUnpadded::encode_string(&random::<16>().map_err(SignError)?[..]))
}
