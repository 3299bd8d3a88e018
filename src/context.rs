//! What a command may know and use besides the record: the time, the random stream, the policy, the caller.

use crate::caller::{Authority, Caller};
use crate::crypto::keys::{KeyId, KeyRing};
use crate::crypto::secret::{SecretBytes, SecretString};
use crate::crypto::stream::Stream;
use crate::delivery::Delivery;
use crate::denial::{Denial, DenialCode, Surface};
use crate::error::Error;
use crate::event::{Event, EventKind};
use crate::limiter::LimiterCharge;
use crate::policy::{ImplicitEmail, Policy};
use crate::record::authenticator::FactorKind;
use crate::record::enrollment::Enrollment;
use crate::record::known_email::KnownEmail;
use crate::record::life_cycle::{EnrollmentEvent, EnrollmentStage};
use crate::record::{Id, Life, Record};
use crate::reply::AccessGrant;
use crate::token::{Grant, MfaGrant, Proof, Scopes, Token};
use crate::user_key::UserKey;

/// A token that opened, with the text that the caller presented.
#[derive(Clone, Copy)]
pub(crate) struct Bearer<'a> {
    pub(crate) token: &'a Token,
    pub(crate) text: &'a SecretString,
}

/// What is called, in the words that the random stream and kept answers are bound to.
pub(crate) struct Request {
    pub(crate) name: &'static str,
    pub(crate) body: SecretBytes,
}

/// What a command may know and use besides the record.
pub struct Context<'a> {
    pub(crate) now_ms: u64,
    pub(crate) policy: &'a Policy,
    pub(crate) keys: &'a KeyRing,
    pub(crate) caller: &'a Caller,
    pub(crate) bearer: Option<Bearer<'a>>,
    pub(crate) user: &'a UserKey,
    pub(crate) request: &'a Request,
    pub(crate) surface: Surface,
    pub(crate) stream: Stream,
    /// Key and format that the record was found in.
    pub(crate) sealed_in: Option<(KeyId, u8)>,
    pub(crate) told: Told,
    pub(crate) persist: Persist,
}

/// What a call leaves besides the record: released with the reply, and dropped with it.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) events: Vec<Event>,
    pub(crate) deliveries: Vec<Delivery>,
    /// Budgets across users that pay for the deliveries.
    pub(crate) limiters: Vec<LimiterCharge>,
}

impl Told {
    /// Whether it tells that the enrollment is gone.
    pub(crate) fn has_end_of(&self, enrollment: &Enrollment) -> bool {
        self.events.iter().any(|event| match &event.kind {
            EventKind::EnrollmentRemoved { authenticator }
            | EventKind::EnrollmentFailed { authenticator, .. } => enrollment.has_id(authenticator),
            _ => false,
        })
    }

    /// Adds what was told later.
    pub(crate) fn extend(&mut self, later: Self) {
        self.events.extend(later.events);
        self.deliveries.extend(later.deliveries);
        self.limiters.extend(later.limiters);
    }
}

/// What becomes of the record once a command has succeeded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Persist {
    /// Written where it changed.
    #[default]
    IfChanged,
    /// Written as it is.
    Always,
    /// Deleted.
    Delete,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("now_ms", &self.now_ms).finish_non_exhaustive()
    }
}

impl Context<'_> {
    /// A refusal in the words of the surface that the command is called at.
    pub(crate) fn deny(&self, code: DenialCode) -> Denial {
        Denial::new(code, self.surface)
    }

    /// Adds an event of the operation's time and user.
    pub(crate) fn event(&mut self, kind: EventKind) {
        self.told.events.push(event(self.now_ms, self.user, self.caller, kind));
    }

    pub(crate) fn is_host(&self) -> bool {
        matches!(self.caller.authority, Authority::Host(_))
    }

    pub(crate) fn token(&self) -> Option<&Token> {
        self.bearer.map(|bearer| bearer.token)
    }

    /// What stands in the user's name, oldest first: active verified addresses, then confirmed enrollments.
    pub(crate) fn standing<'r>(
        &self,
        record: &'r Record,
    ) -> impl DoubleEndedIterator<Item = &'r Enrollment> + Clone {
        let (is_on, is_established) = (self.has_implicit_email(), record.is_established());
        let now_ms = self.now_ms;
        let is_active =
            move |known: &&KnownEmail| known.stage(is_established, now_ms) == EnrollmentStage::Active;
        let known = record.implicit_emails().filter(move |known| is_on && is_active(known));
        known.map(|known| &known.enrollment).chain(&record.enrollments)
    }

    /// Whether a verified address is an authenticator without being enrolled.
    pub(crate) fn has_implicit_email(&self) -> bool {
        self.policy.allows(FactorKind::Email) && self.policy.implicit_email != ImplicitEmail::Off
    }

    /// Whether the enrollment can be challenged: its factor is on and it is not disabled.
    pub(crate) fn is_usable(&self, enrollment: &Enrollment) -> bool {
        self.policy.allows(enrollment.factor_kind())
            && enrollment.phone().is_none_or(|phone| self.policy.phone.allows(&phone.number))
            && self.stage(enrollment) == EnrollmentStage::Active
    }

    /// Where a confirmed enrollment is in its life: consecutive failures may have disabled it.
    pub(crate) fn stage(&self, enrollment: &Enrollment) -> EnrollmentStage {
        let stage = EnrollmentStage::Active;
        match self.policy.disable_after {
            Some(after) if enrollment.failures >= after => {
                stage.on(EnrollmentEvent::FailedTooOften).unwrap_or(stage)
            }
            _ => stage,
        }
    }

    /// Whether wrong codes draw on the budget that is reserved for a trusted browser.
    pub(crate) fn draws_on_reserved(&self) -> bool {
        match self.token().map(|token| &token.grant) {
            Some(Grant::Mfa(grant)) => grant.reserved,
            Some(Grant::Push(grant)) => grant.reserved,
            _ => false,
        }
    }

    /// Mints a token that stands beside the caller's: it names a challenge or an enrollment and has earned
    /// nothing.
    pub(crate) fn mint_out_of_band(
        &mut self,
        record: &mut Record,
        id: Id,
        chain: Id,
        grant: Grant,
    ) -> Result<SecretString, Error> {
        let life_ms = self.policy.oob_code_ms;
        let token = Token { id, ..self.draft(record, Some(chain), Vec::new(), grant, None, life_ms)? };
        token.seal(self.keys, self.stream.bytes()?)
    }

    /// Mints the `mfa_token` that begins a chain, or follows `before` in one.
    pub(crate) fn mint_mfa_token(
        &mut self,
        record: &mut Record,
        before: Option<&Token>,
        proofs: Vec<Proof>,
        grant: MfaGrant,
        weak_until_ms: Option<u64>,
    ) -> Result<SecretString, Error> {
        let life_ms = self.policy.mfa_token_ms;
        let token =
            self.draft(record, chain_of(before), proofs, Grant::Mfa(grant), weak_until_ms, life_ms)?;
        token.seal(self.keys, self.stream.bytes()?)
    }

    /// Mints an access token of the MFA audience. A weak proof never removes.
    pub(crate) fn mint_access_token(
        &mut self,
        record: &mut Record,
        before: Option<&Token>,
        proofs: Vec<Proof>,
        scopes: Scopes,
        weak_until_ms: Option<u64>,
    ) -> Result<AccessGrant, Error> {
        let scopes = if weak_until_ms.is_some() { scopes.without(Scopes::REMOVE) } else { scopes };
        let life_ms = self.policy.access_token_ms;
        let token =
            self.draft(record, chain_of(before), proofs, Grant::Access(scopes), weak_until_ms, life_ms)?;
        let text = token.seal(self.keys, self.stream.bytes()?)?;
        Ok(self.access_grant(&token, scopes, text))
    }

    /// The access token that the caller holds, alive in the record's epoch: the very text where that is
    /// unchanged, else one that `earned` has earned, since what enrolled the first authenticator dies with
    /// it.
    pub(crate) fn same_access_token(
        &mut self,
        record: &Record,
        scopes: Scopes,
        earned: Proof,
    ) -> Result<AccessGrant, Error> {
        let bearer = self.bearer.ok_or(Error::Misuse("only a token can be given again"))?;
        if bearer.token.epoch == record.epoch {
            return Ok(self.access_grant(bearer.token, scopes, bearer.text.clone()));
        }
        let mut token = Token { epoch: record.epoch, ..bearer.token.clone() };
        token.proofs.push(earned);
        let text = token.seal(self.keys, self.stream.bytes()?)?;
        Ok(self.access_grant(&token, scopes, text))
    }

    fn access_grant(&self, token: &Token, scope: Scopes, access_token: SecretString) -> AccessGrant {
        let left_ms = token.expires_ms.saturating_sub(self.now_ms);
        AccessGrant { access_token, token_type: "Bearer", expires_in: left_ms.div_euclid(1_000), scope }
    }

    fn draft(
        &mut self,
        record: &mut Record,
        chain: Option<Id>,
        proofs: Vec<Proof>,
        grant: Grant,
        weak_until_ms: Option<u64>,
        life_ms: u64,
    ) -> Result<Token, Error> {
        let id = self.stream.bytes()?;
        let chain = chain.unwrap_or(id);
        let expires_ms = self.now_ms.saturating_add(life_ms);
        if record.sequence == 0 || matches!(record.life, Life::Erased { .. }) {
            // The record must be there when the token comes back: an absence from then on is a denial.
            self.persist = Persist::Always;
        }
        if let Life::Erased { .. } = record.life {
            record.life = Life::Open;
        }
        let ahead_ms = record.expiry_now_ms(self.now_ms).saturating_sub(self.now_ms);
        record.extend_pending(&chain, expires_ms.saturating_add(ahead_ms));
        Ok(Token {
            storage_key: self.user.storage_key().to_vec(),
            id,
            chain,
            client: self.caller.client.clone(),
            issued_ms: self.now_ms,
            expires_ms,
            incarnation: record.incarnation,
            epoch: record.epoch,
            proofs,
            weak_until_ms,
            grant,
            ahead_ms,
        })
    }
}

fn chain_of(token: Option<&Token>) -> Option<Id> {
    token.map(|token| token.chain)
}

/// An event outside of an attempt.
pub(crate) fn event(at_ms: u64, user: &UserKey, caller: &Caller, kind: EventKind) -> Event {
    Event {
        at_ms,
        tenant: user.tenant().to_owned(),
        user: user.user().to_owned(),
        client: caller.client.clone(),
        kind,
    }
}
