//! What was sent and waits for its answer: a code, a push, or a ticket to be scanned.

use minicbor::{CborLen, Decode, Encode};

use super::authenticator::Suffix;
use super::life_cycle::{ChallengeEvent, ChallengeStage};
use super::{Id, Record};
use crate::crypto::mac;
use crate::crypto::secret::{Secret, SecretString};
use crate::crypto::stream::Stream;
use crate::destination::Channel;
use crate::error::Error;
use crate::limits::{CHALLENGES_MAX, CLOCK_DRIFT_MS_MAX};

/// Digits of a delivered code (CONTRACT section 1).
pub(crate) const BINDING_CODE_DIGITS: usize = 6;

/// An out-of-band challenge. A chain of tokens has at most one.
#[derive(Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub(crate) struct Challenge {
    /// The id of the token that answers it.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) id: Id,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) chain: Id,
    /// The enrollment that is challenged, active or pending.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) suffix: Suffix,
    /// By the time that [`Record::expiry_now_ms`] tells.
    #[n(3)]
    pub(crate) expires_ms: u64,
    /// What it waits for. Never optional: an unknown variant must not decode to "none".
    #[n(4)]
    pub(crate) awaited: Awaited,
    /// By the clock of the server that sent it, milliseconds since 1970: one that ran ahead neither keeps a slot
    /// taken for long, nor lets others keep theirs.
    #[n(5)]
    pub(crate) sent_ms: u64,
    /// How long it lives, milliseconds.
    #[n(6)]
    pub(crate) life_ms: u64,
}

/// What a challenge waits for.
#[derive(Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub(crate) enum Awaited {
    /// A code that was delivered.
    #[n(0)]
    Code {
        #[cbor(n(0), with = "minicbor::bytes")]
        mac: [u8; 32],
        #[n(1)]
        channel: Channel,
    },
    /// The device's answer, with a number where policy wanted one.
    #[n(1)]
    Push(#[n(0)] Option<NumberMac>),
    /// A device that scans the ticket.
    #[n(2)]
    Scan,
    /// The next poll: the device approved, or enrolled.
    #[n(3)]
    PollAfterApproval,
    /// Nothing: the device denied.
    #[n(4)]
    Nothing,
}

/// The number that the user must enter on the device, as a MAC.
#[derive(Clone, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(transparent)]
pub(crate) struct NumberMac(#[cbor(n(0), with = "minicbor::bytes")] [u8; 32]);

impl Challenge {
    /// Whether it has expired by no clock: neither the record's time nor the host's.
    fn is_live(&self, expiry_now_ms: u64, now_ms: u64) -> bool {
        let is_sent = self.sent_ms.saturating_sub(now_ms) <= CLOCK_DRIFT_MS_MAX;
        self.expires_ms > expiry_now_ms && is_sent && now_ms.saturating_sub(self.sent_ms) < self.life_ms
    }

    /// Where it is in the life of a challenge.
    pub(crate) fn stage(&self) -> ChallengeStage {
        match self.awaited {
            Awaited::Code { .. } => ChallengeStage::CodeSent,
            Awaited::Push(_) => ChallengeStage::PushSent,
            Awaited::Scan => ChallengeStage::ToBeScanned,
            Awaited::PollAfterApproval => ChallengeStage::Approved,
            Awaited::Nothing => ChallengeStage::Denied,
        }
    }

    /// How long a live one lives on, milliseconds.
    pub(crate) fn left_ms(&self, now_ms: u64) -> u64 {
        self.sent_ms.saturating_add(self.life_ms).saturating_sub(now_ms)
    }

    /// The channel that it went out on.
    pub(crate) fn channel(&self) -> Channel {
        if let Awaited::Code { channel, .. } = self.awaited { channel } else { Channel::Push }
    }

    /// Moves on as the table says; `false`, and nothing changes, where the table has no such step or one that
    /// ends the challenge, which is [`Record::end_challenge`]'s.
    pub(crate) fn advance(&mut self, event: ChallengeEvent) -> bool {
        let next = self.stage().on(event);
        match next {
            Some(ChallengeStage::Approved) => self.awaited = Awaited::PollAfterApproval,
            Some(ChallengeStage::Denied) => self.awaited = Awaited::Nothing,
            Some(stage) if stage == self.stage() => {}
            _ => return false,
        }
        true
    }

    /// Whether `typed` is the code that was delivered.
    pub(crate) fn is_answered_by(&self, key: &Secret<32>, typed: &SecretString) -> bool {
        match &self.awaited {
            Awaited::Code { mac, .. } => mac::equal(mac, &code_mac(key, &self.id, typed)),
            _ => false,
        }
    }
}

impl Awaited {
    /// A code that is sent now, and what is kept of it.
    pub(crate) fn code(
        key: &Secret<32>,
        id: &Id,
        channel: Channel,
        stream: &mut Stream,
    ) -> Result<(Self, SecretString), Error> {
        let code = SecretString::from(stream.text(b"0123456789", BINDING_CODE_DIGITS)?);
        Ok((Awaited::Code { mac: code_mac(key, id, &code), channel }, code))
    }
}

impl NumberMac {
    pub(crate) fn new(key: &Secret<32>, id: &Id, number: &str) -> Self {
        Self(mac::mac(key, "push number", &[id, number.as_bytes()]))
    }

    /// Whether `entered` is the number, in constant time.
    pub(crate) fn is_of(&self, key: &Secret<32>, id: &Id, entered: &str) -> bool {
        mac::equal(&self.0, &Self::new(key, id, entered).0)
    }
}

fn code_mac(key: &Secret<32>, id: &Id, code: &SecretString) -> [u8; 32] {
    mac::mac(key, "binding code", &[id, code.expose().as_bytes()])
}

impl Record {
    /// The live challenge with this id.
    pub(crate) fn challenge(&self, id: &Id, now_ms: u64) -> Option<&Challenge> {
        self.live_challenges(now_ms).find(|challenge| challenge.id == *id)
    }

    /// The live challenge with this id.
    pub(crate) fn challenge_mut(&mut self, id: &Id, now_ms: u64) -> Option<&mut Challenge> {
        let expiry_now_ms = self.expiry_now_ms(now_ms);
        let mut challenges = self.challenges.iter_mut();
        challenges.find(|challenge| challenge.id == *id && challenge.is_live(expiry_now_ms, now_ms))
    }

    /// Challenges that have not expired.
    pub(crate) fn live_challenges(&self, now_ms: u64) -> impl Iterator<Item = &Challenge> {
        let expiry_now_ms = self.expiry_now_ms(now_ms);
        self.challenges.iter().filter(move |challenge| challenge.is_live(expiry_now_ms, now_ms))
    }

    /// How long until a chain may be challenged; 0 where it may, as it has a slot or one is free.
    pub(crate) fn challenge_room_ms(&self, chain: &Id, now_ms: u64) -> u64 {
        let others = || self.live_challenges(now_ms).filter(|challenge| challenge.chain != *chain);
        if others().count() < CHALLENGES_MAX {
            return 0;
        }
        others().map(|challenge| challenge.left_ms(now_ms)).min().unwrap_or_default()
    }

    /// Puts a challenge in its chain's slot. What was there is dead, and so are the answers that showed it.
    pub(crate) fn put_challenge(&mut self, challenge: Challenge, now_ms: u64) {
        let expiry_now_ms = self.expiry_now_ms(now_ms);
        let Self { challenges, answers, .. } = self;
        for replaced in challenges.iter().filter(|other| other.chain == challenge.chain) {
            answers.retain(|answer| answer.suffix != replaced.suffix);
        }
        challenges.retain(|other| other.chain != challenge.chain && other.is_live(expiry_now_ms, now_ms));
        challenges.push(challenge);
    }

    /// Ends a challenge: it was answered.
    pub(crate) fn end_challenge(&mut self, id: &Id) {
        self.challenges.retain(|challenge| challenge.id != *id);
    }
}
