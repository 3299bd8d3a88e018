//! The commands: what each is called, who may call it, how it is dispatched and charged.
//!
//! | command | by name, with body | who | HTTP endpoint (CONTRACT section 2) |
//! | --- | --- | --- | --- |
//! | [`Require`] | `require {device_token?}` | host | first factor on `/oauth/token` |
//! | [`Associate`] | `associate {authenticator_types, oob_channels?, phone_number?, email?}` | `mfa_token` while not established; access `enroll` | `POST /mfa/associate` |
//! | [`ListAuthenticators`] | `list_authenticators {}` | `mfa_token`; access `read:authenticators` | `GET /mfa/authenticators` |
//! | [`Challenge`] | `challenge {challenge_type?, authenticator_id?}` | `mfa_token` | `POST /mfa/challenge` |
//! | [`VerifyOtp`] | `verify_otp {otp, authenticator_id?}` | `mfa_token`; access `enroll` | `/oauth/token`, `mfa-otp` |
//! | [`VerifyOob`] | `verify_oob {oob_code, binding_code?}` | `mfa_token`; access `enroll` | `/oauth/token`, `mfa-oob` |
//! | [`VerifyRecoveryCode`] | `verify_recovery_code {recovery_code}` | `mfa_token` | `/oauth/token`, `mfa-recovery-code` |
//! | [`RemoveAuthenticator`] | `remove_authenticator {authenticator_id}` | access `remove:authenticators`; host | `DELETE /mfa/authenticators/{id}` |
//! | [`RenameAuthenticator`] | `rename_authenticator {authenticator_id, name}` | access `enroll`; host | |
//! | [`ReplacePhone`] | `replace_phone {authenticator_id, phone_number, oob_channel?}` | access `enroll remove:authenticators`; host | |
//! | [`RegenerateRecoveryCodes`] | `regenerate_recovery_codes {}` | host; access `enroll` where policy allows | `POST /api/v2/users/{id}/recovery-code-regeneration` |
//! | [`EnrollPushDevice`] | `enroll_push_device {name, public_key, push_address, signature}` | ticket | ours |
//! | [`AnswerPush`] | `answer_push {decision, number?, signature}` | transaction token | ours |
//! | [`Describe`] | `describe {}` | host | `GET /api/v2/users/{id}/authentication-methods` |
//! | [`Import`] | `import {otp, mfa_factors, migration, package, recovery_codes, ..}` | host | |
//! | [`Export`] | `export {recipient}` | host | |
//! | [`Unlock`], [`ResetMfa`], [`RevokeTokens`], [`Erase`], [`Reseal`] | `unlock {}` and so on | host | |
//!
//! A command on a user of whom nothing is known changes nothing, but for [`Require`] and [`Import`].

mod answer_push;
mod associate;
mod associated;
mod authenticators;
mod challenge;
mod emails;
mod enroll_push_device;
mod erase;
mod export;
mod import;
mod kept_answer;
mod passed;
mod regenerate_recovery_codes;
mod remove_authenticator;
mod rename_authenticator;
mod replace_phone;
mod require;
mod reseal;
mod reset_mfa;
mod revoke_tokens;
mod sending;
mod unlock;
mod verify_oob;
mod verify_otp;
mod verify_recovery_code;

pub(crate) mod dispatch;

#[cfg(feature = "fuzzing")]
pub(crate) use export::INFO as PACKAGE;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::Context;
use crate::crypto::secret::SecretBytes;
use crate::denial::Surface;
use crate::record::Record;
use crate::record::authenticator::Suffix;
use crate::reply::{Refusal, Replied, Reply};
use crate::token::Scopes;

pub use answer_push::{AnswerPush, PushDecision};
pub use associate::Associate;
pub use associated::{Associated, BindingMethod, OobAssociated, OtpAssociated, PushAssociated};
pub use authenticators::{
    AuthenticatorDetail, AuthenticatorView, BrowserDetail, Describe, Described, ListAuthenticators, Listed,
    Lock, Locks,
};
pub use challenge::{Challenge, Challenged, OobChallenged};
pub use enroll_push_device::{EnrollPushDevice, PushDeviceEnrolled};
pub use erase::Erase;
pub use export::{Export, Exported};
pub use import::{Import, ImportedFactor, ImportedOtp, ImportedValue};
pub use regenerate_recovery_codes::{RecoveryCodes, RegenerateRecoveryCodes};
pub use remove_authenticator::{RemoveAuthenticator, Removed};
pub use rename_authenticator::RenameAuthenticator;
pub use replace_phone::{PhoneReplaced, ReplacePhone};
pub use require::{NotRequired, Require, RequireReply};
pub use reseal::Reseal;
pub use reset_mfa::ResetMfa;
pub use revoke_tokens::RevokeTokens;
pub use unlock::Unlock;
pub use verify_oob::VerifyOob;
pub use verify_otp::VerifyOtp;
pub use verify_recovery_code::VerifyRecoveryCode;

mod sealed {
    /// Commands are the engine's own: a host that wrote one could grant itself anything.
    #[expect(unnameable_types, reason = "that is its purpose")]
    pub trait Sealed {}
}

/// One request. Its serde form is the contract's body; unknown members are ignored (RFC 6749 section 3.2).
pub trait Command: sealed::Sealed + Serialize + DeserializeOwned + Send + 'static {
    /// The name in JSON calls.
    const NAME: &'static str;
    /// Who may call it.
    const ALLOWS: Allows;
    /// What it answers.
    type Reply: Reply + Send;

    /// Decides, and changes the record. `record` is a copy: a refusal leaves nothing of what was done to it.
    ///
    /// # Errors
    /// A refusal of CONTRACT section 3, or an [`crate::Error`].
    fn apply(&self, record: &mut Record, context: &mut Context<'_>) -> Result<Self::Reply, Refusal>;

    /// What an attempt costs, decided before the code is looked at.
    ///
    /// # Errors
    /// A refusal that is the same whatever the code.
    fn charge(&self, record: &Record, context: &Context<'_>) -> Result<Charge, Refusal> {
        let _ = (record, context);
        Ok(Charge::default())
    }

    /// The answer to an identical call within two minutes, from the secrets that were kept for it.
    fn again(&self, kept: &str, context: &Context<'_>) -> Option<Result<Self::Reply, Refusal>> {
        let _ = (kept, context);
        None
    }
}

/// Who may call a command, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allows {
    /// The host, for a named user.
    pub host: bool,
    /// The bearer of an `mfa_token`.
    pub mfa_token: bool,
    /// The bearer of an access token with these scopes.
    pub access: Option<Scopes>,
    /// A push device, by what it was sent or shown.
    pub device: Option<DeviceToken>,
    /// Whether it creates the record of a user of whom nothing is known.
    pub creates: bool,
    /// How its refusals are worded for the bearer of a token.
    pub surface: Surface,
}

/// What a push device presents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceToken {
    /// The ticket of a QR code.
    Ticket,
    /// The transaction token of a push.
    Transaction,
}

impl Allows {
    const NOBODY: Self = Self {
        host: false,
        mfa_token: false,
        access: None,
        device: None,
        creates: false,
        surface: Surface::Host,
    };
    const HOST: Self = Self { host: true, ..Self::NOBODY };
    const MFA_TOKEN: Self = Self { mfa_token: true, surface: Surface::Token, ..Self::NOBODY };

    const fn device(token: DeviceToken) -> Self {
        Self { device: Some(token), surface: Surface::Device, ..Self::NOBODY }
    }

    const fn and_access(self, scopes: Scopes) -> Self {
        Self { access: Some(scopes), ..self }
    }

    const fn creating(self) -> Self {
        Self { creates: true, ..self }
    }

    const fn at(self, surface: Surface) -> Self {
        Self { surface, ..self }
    }
}

/// What an attempt costs: charged before it is made, given back by its success.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Charge {
    /// Attempts from the budgets of 6-digit codes.
    pub codes: u32,
    /// Attempts from the budget of recovery codes.
    pub recovery: u32,
    /// The enrollments whose codes are tested.
    pub tested: Vec<Suffix>,
    /// Whether success uses up the caller's `mfa_token`.
    pub spends_token: bool,
}

/// A command as the dispatcher sees it, whatever its answer is turned into.
pub(crate) trait Call<R>: Send {
    fn name(&self) -> &'static str;
    fn allows(&self) -> Allows;
    fn body(&self) -> SecretBytes;
    fn charge(&self, record: &Record, context: &Context<'_>) -> Result<Charge, Refusal>;
    fn apply(&self, record: &mut Record, context: &mut Context<'_>) -> Result<R, Refusal>;
    fn again(&self, kept: &str, context: &Context<'_>) -> Option<Result<R, Refusal>>;
}

/// A call from Rust, answered with the command's own type.
pub(crate) struct Typed<C>(pub(crate) C);

/// A call by name, answered with the contract's JSON.
pub(crate) struct Named<C>(pub(crate) C);

macro_rules! call {
    ($wrapper:ident, $reply:ty, $convert:expr) => {
        impl<C: Command> Call<$reply> for $wrapper<C> {
            fn name(&self) -> &'static str {
                C::NAME
            }
            fn allows(&self) -> Allows {
                C::ALLOWS
            }
            fn body(&self) -> SecretBytes {
                let json = crate::SecretString::json(&self.0).unwrap_or_else(|_| "".into());
                SecretBytes::new(json.expose().as_bytes().to_vec())
            }
            fn charge(&self, record: &Record, context: &Context<'_>) -> Result<Charge, Refusal> {
                self.0.charge(record, context)
            }
            fn apply(&self, record: &mut Record, context: &mut Context<'_>) -> Result<$reply, Refusal> {
                self.0.apply(record, context).map($convert)
            }
            fn again(&self, kept: &str, context: &Context<'_>) -> Option<Result<$reply, Refusal>> {
                self.0.again(kept, context).map(|result| result.map($convert))
            }
        }
    };
}

call!(Typed, C::Reply, |reply| reply);
call!(Named, Replied, Replied::of);

/// A body that is not what the command takes: where, never what it held.
pub(crate) struct BodyError {
    pub(crate) surface: Surface,
    pub(crate) text: String,
}

macro_rules! commands {
    ($($command:ty),* $(,)?) => {
        $(impl sealed::Sealed for $command {})*

        /// Every command with those who may call it.
        pub const COMMANDS: &[(&str, Allows)] = &[$((<$command>::NAME, <$command>::ALLOWS)),*];

        /// The command of this name with this body; `None` for a name that there is not.
        pub(crate) fn by_name(name: &str, body: &str) -> Option<Result<Box<dyn Call<Replied>>, BodyError>> {
            match name {
                $(<$command>::NAME => Some(parse::<$command>(body)),)*
                _ => None,
            }
        }
    };
}

commands![
    Require,
    ListAuthenticators,
    Describe,
    Associate,
    Challenge,
    VerifyOtp,
    VerifyOob,
    VerifyRecoveryCode,
    RemoveAuthenticator,
    RenameAuthenticator,
    ReplacePhone,
    RegenerateRecoveryCodes,
    EnrollPushDevice,
    AnswerPush,
    Import,
    Export,
    Unlock,
    ResetMfa,
    RevokeTokens,
    Erase,
    Reseal,
];

fn parse<C: Command>(body: &str) -> Result<Box<dyn Call<Replied>>, BodyError> {
    // serde would fill the members from a list, by position.
    let is_object = body.trim_ascii_start().starts_with('{');
    match serde_json::from_str::<C>(body) {
        Ok(command) if is_object => Ok(Box::new(Named(command))),
        Ok(_) => Err(BodyError { surface: C::ALLOWS.surface, text: "The body is not an object.".to_owned() }),
        // serde's own text may quote the body, and the body may hold a code.
        Err(error) => Err(BodyError {
            surface: C::ALLOWS.surface,
            text: format!(
                "The body is not what this call takes: line {}, column {}.",
                error.line(),
                error.column()
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table of authorities. A change here is a change of who may do what.
    #[test]
    fn authorities_are_those_of_the_design() {
        let table: Vec<String> = COMMANDS
            .iter()
            .map(|(name, allows)| {
                let host = if allows.host { " host" } else { "" };
                let mfa = if allows.mfa_token { " mfa_token" } else { "" };
                let access = allows.access.map(|scopes| format!(" access:{scopes}")).unwrap_or_default();
                let device = match allows.device {
                    None => "",
                    Some(DeviceToken::Ticket) => " ticket",
                    Some(DeviceToken::Transaction) => " transaction",
                };
                let creates = if allows.creates { " creates" } else { "" };
                format!("{name}:{host}{mfa}{access}{device}{creates}")
            })
            .collect();
        assert_eq!(
            table,
            [
                "require: host creates",
                "list_authenticators: mfa_token access:read:authenticators",
                "describe: host",
                "associate: mfa_token access:enroll",
                "challenge: mfa_token",
                "verify_otp: mfa_token access:enroll",
                "verify_oob: mfa_token access:enroll",
                "verify_recovery_code: mfa_token",
                "remove_authenticator: host access:remove:authenticators",
                "rename_authenticator: host access:enroll",
                "replace_phone: host access:enroll remove:authenticators",
                "regenerate_recovery_codes: host access:enroll",
                "enroll_push_device: ticket",
                "answer_push: transaction",
                "import: host creates",
                "export: host",
                "unlock: host",
                "reset_mfa: host",
                "revoke_tokens: host",
                "erase: host",
                "reseal: host",
            ]
        );
    }
}
