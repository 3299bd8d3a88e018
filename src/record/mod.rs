//! Everything that the engine knows of one user.

pub(crate) mod authenticator;
pub(crate) mod browser;
pub(crate) mod budget;
pub(crate) mod challenge;
pub(crate) mod codec;
pub(crate) mod enrollment;
pub(crate) mod imported_hash;
mod invariants;
pub(crate) mod known_email;
pub(crate) mod life_cycle;
pub(crate) mod portable;
pub(crate) mod push_pause;
pub(crate) mod recovery;
pub(crate) mod seal;

use minicbor::{CborLen, Decode, Encode};

use crate::crypto::secret::Secret;
use crate::crypto::stream::Stream;
use crate::error::Error;
use crate::limits::{OPERATION_RING, SEEN_AHEAD_MS_MAX, SPENT_MAX};
use crate::store::Version;
use authenticator::{SUFFIX_LETTERS, Suffix};
use browser::TrustedBrowser;
use budget::Buckets;
use challenge::Challenge;
use enrollment::Enrollment;
use known_email::KnownEmail;
use life_cycle::EnrollmentStage;
use push_pause::PushPause;
use recovery::RecoverySet;

/// Names a token, a chain of tokens or a record's incarnation.
pub(crate) type Id = [u8; 16];

/// Everything that the engine knows of one user. Sealed as a whole, written as a whole.
#[derive(Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Record {
    /// Writes so far. Never falls.
    #[n(0)]
    pub(crate) sequence: u64,
    /// The last operations that wrote, the newest last.
    #[n(1)]
    pub(crate) ring: OperationRing,
    /// The oldest format version whose readers may touch this record.
    #[n(2)]
    pub(crate) reader_min: u8,
    /// Drawn when the record was created; a later record of the same user has another.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub(crate) incarnation: Id,
    /// Tokens of an older epoch are dead.
    #[n(4)]
    pub(crate) epoch: u64,
    /// Authenticates recovery and delivered codes, so that they outlive the root keys.
    #[n(5)]
    pub(crate) mac_key: Secret<32>,
    /// Whether the user is established.
    #[n(6)]
    pub(crate) life: Life,
    /// The latest time that an operation wrote with, milliseconds since 1970.
    #[n(7)]
    pub(crate) seen_ms: u64,
    /// What is spent of the user's budgets.
    #[n(8)]
    pub(crate) buckets: Buckets,
    /// Wrong codes since the last right one, of any factor.
    #[n(9)]
    pub(crate) failures: u32,
    /// Confirmed enrollments, oldest first.
    #[n(10)]
    pub(crate) enrollments: Vec<Enrollment>,
    /// Enrollments that wait for their first code, oldest first.
    #[n(11)]
    pub(crate) pending: Vec<Pending>,
    /// The live recovery codes.
    #[n(12)]
    pub(crate) recovery: Option<RecoverySet>,
    /// Tokens that were used up, until they expire.
    #[n(13)]
    pub(crate) spent: Vec<TokenMark>,
    /// Tokens that outlive the authenticator that earned them, because they removed it.
    #[n(14)]
    pub(crate) excepted: Vec<Excepted>,
    /// Answers kept for callers who may not have got them, oldest first.
    #[n(15)]
    pub(crate) answers: Vec<KeptAnswer>,
    /// Out-of-band challenges that wait for their answer, oldest first.
    #[n(16)]
    pub(crate) challenges: Vec<Challenge>,
    /// Browsers that may skip the second factor.
    #[n(17)]
    pub(crate) browsers: Vec<TrustedBrowser>,
    /// Addresses that the host verified; authenticators without having been enrolled.
    #[n(18)]
    pub(crate) emails: Vec<KnownEmail>,
    /// No push is sent for a while after the user denied one.
    #[n(19)]
    pub(crate) push_pause: Option<PushPause>,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

/// Whether a user is established: from the first confirmation or import until all is reset, erased, or the
/// user has removed the last factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub(crate) enum Life {
    /// Nothing was ever confirmed, or all was reset.
    #[n(0)]
    Open,
    /// Since the first confirmation or import.
    #[n(1)]
    Established {
        /// When, milliseconds since 1970.
        #[n(0)]
        since_ms: u64,
    },
    /// Erased: nothing but what keeps older tokens dead.
    #[n(2)]
    Erased {
        /// When the last token of the erased record has expired, milliseconds since 1970.
        #[n(0)]
        until_ms: u64,
    },
}

/// An enrollment that waits for its first code. It belongs to the token chain that began it.
#[derive(Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub(crate) struct Pending {
    #[n(0)]
    pub(crate) enrollment: Enrollment,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) chain: Id,
    /// When the last token of the chain expires, milliseconds since 1970.
    #[n(2)]
    pub(crate) expires_ms: u64,
    /// The recovery codes that were shown with it; live once it is confirmed as the first.
    #[n(3)]
    pub(crate) recovery: Option<RecoverySet>,
    /// The telephone that goes in the write that confirms this one.
    #[n(4)]
    pub(crate) replaces: Option<Replaced>,
}

/// The enrollment that another one replaces.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(transparent)]
pub(crate) struct Replaced(#[cbor(n(0), with = "minicbor::bytes")] pub(crate) Suffix);

impl Pending {
    /// Where it is in the life of an enrollment.
    pub(crate) fn stage(&self) -> EnrollmentStage {
        match self.enrollment.push() {
            None => EnrollmentStage::Pending,
            Some(push) if push.device.is_none() => EnrollmentStage::ToBeScanned,
            Some(_) => EnrollmentStage::Scanned,
        }
    }
}

/// A token remembered until it expires.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode, CborLen)]
pub(crate) struct TokenMark {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) id: Id,
    #[n(1)]
    pub(crate) expires_ms: u64,
}

/// A token that outlives one of what earned it, because it removed that.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode, CborLen)]
pub(crate) struct Excepted {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) id: Id,
    #[n(1)]
    pub(crate) expires_ms: u64,
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) suffix: Suffix,
}

/// An answer with show-once secrets, sealed under a key that only the caller's token and request give.
#[derive(Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub(crate) struct KeptAnswer {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) tag: [u8; 32],
    #[n(1)]
    pub(crate) expires_ms: u64,
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) sealed: Vec<u8>,
    /// What the secrets are of; the answer is gone with it.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub(crate) suffix: Suffix,
}

/// The ids of the last operations that wrote a record, the newest, which is the record's version, last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OperationRing(Vec<Version>);

impl OperationRing {
    /// Adds the id of the operation that writes now.
    pub(crate) fn push(&mut self, id: Version) {
        if self.0.len() >= OPERATION_RING {
            self.0.remove(0);
        }
        self.0.push(id);
    }

    /// The version of the record.
    pub(crate) fn last(&self) -> Option<Version> {
        self.0.last().copied()
    }

    /// Whether `id` wrote, and the version that it wrote over as far as the ring reaches.
    pub(crate) fn find(&self, id: Version) -> Option<Option<Version>> {
        let at = self.0.iter().position(|entry| *entry == id)?;
        Some(at.checked_sub(1).and_then(|before| self.0.get(before)).copied())
    }

    /// Whether this is the ring of a record that was written `sequence` times, each time by another operation.
    pub(crate) fn is_of(&self, sequence: u64) -> bool {
        let written = usize::try_from(sequence).unwrap_or(usize::MAX);
        self.0.len() == written.min(OPERATION_RING) && invariants::all_differ(self.0.iter())
    }

    pub(crate) fn entries(&self) -> &[Version] {
        &self.0
    }

    pub(crate) fn from_entries(entries: Vec<Version>) -> Self {
        Self(entries)
    }
}

impl Record {
    /// The record of a user of whom nothing is known yet.
    pub(crate) fn new(stream: &mut Stream) -> Result<Self, Error> {
        Ok(Self {
            sequence: 0,
            ring: OperationRing::default(),
            reader_min: 0,
            incarnation: stream.bytes()?,
            epoch: 0,
            mac_key: Secret::new(stream.bytes()?),
            life: Life::Open,
            seen_ms: 0,
            buckets: Buckets::default(),
            failures: 0,
            enrollments: Vec::new(),
            pending: Vec::new(),
            recovery: None,
            spent: Vec::new(),
            excepted: Vec::new(),
            answers: Vec::new(),
            challenges: Vec::new(),
            browsers: Vec::new(),
            emails: Vec::new(),
            push_pause: None,
        })
    }

    /// Whether the user is established: a password alone adds nothing any more.
    pub fn is_established(&self) -> bool {
        matches!(self.life, Life::Established { .. })
    }

    /// The time by which expiry is judged: `now_ms`, or the highest seen where that is not absurdly far
    /// ahead.
    pub(crate) fn expiry_now_ms(&self, now_ms: u64) -> u64 {
        if self.was_far_ahead(now_ms) { now_ms } else { self.seen_ms.max(now_ms) }
    }

    /// Whether an operation wrote with a time so far ahead of `now_ms` that it is not believed.
    pub(crate) fn was_far_ahead(&self, now_ms: u64) -> bool {
        self.seen_ms.saturating_sub(now_ms) > SEEN_AHEAD_MS_MAX
    }

    /// Makes every older token dead, and what only a token reaches: what was begun with one, what was answered and
    /// sent to one, and trusted browsers.
    pub(crate) fn raise_epoch(&mut self) {
        self.epoch = self.epoch.saturating_add(1);
        self.pending.clear();
        self.answers.clear();
        self.challenges.clear();
        self.browsers.clear();
    }

    /// Makes every ticket dead: tickets outlive the epoch, so that a second device is told from the first.
    pub(crate) fn end_tickets(&mut self) {
        for push in self.enrollments.iter_mut().filter_map(Enrollment::push_mut) {
            push.ticket = None;
        }
    }

    /// Takes out a confirmed enrollment, and what hangs on it: its challenges, the answers that showed it and
    /// the browsers that it earned. The tokens that it earned are dead by its absence.
    pub(crate) fn remove_enrollment(&mut self, suffix: &Suffix) {
        self.enrollments.retain(|enrollment| enrollment.suffix != *suffix);
        self.challenges.retain(|challenge| challenge.suffix != *suffix);
        self.answers.retain(|answer| answer.suffix != *suffix);
        self.browsers.retain(|browser| browser.proofs.iter().all(|proof| proof.suffix != *suffix));
    }

    /// Takes out a pending enrollment, with its challenge and the answer that showed it.
    pub(crate) fn remove_pending(&mut self, suffix: &Suffix) -> Option<Pending> {
        let at = self.pending.iter().position(|pending| pending.enrollment.suffix == *suffix)?;
        self.challenges.retain(|challenge| challenge.suffix != *suffix);
        self.answers.retain(|answer| answer.suffix != *suffix);
        Some(self.pending.remove(at))
    }

    /// Stamps the record as written by `operation` and drops what has expired: the pending enrollments are
    /// returned.
    pub(crate) fn advance(&mut self, operation: Version, now_ms: u64) -> Result<Vec<Pending>, Error> {
        self.seen_ms = self.expiry_now_ms(now_ms);
        let now_ms = self.seen_ms;
        self.spent.retain(|mark| mark.expires_ms > now_ms);
        self.excepted.retain(|mark| mark.expires_ms > now_ms);
        self.answers.retain(|answer| answer.expires_ms > now_ms);
        self.challenges.retain(|challenge| challenge.expires_ms > now_ms);
        let expired: Vec<Pending> =
            self.pending.extract_if(.., |pending| pending.expires_ms <= now_ms).collect();
        let is_gone = |suffix: &Suffix| expired.iter().any(|pending| pending.enrollment.suffix == *suffix);
        self.challenges.retain(|challenge| !is_gone(&challenge.suffix));
        self.answers.retain(|answer| !is_gone(&answer.suffix));
        self.sequence = self.sequence.checked_add(1).ok_or(Error::Cap("sequence"))?;
        self.ring.push(operation);
        Ok(expired)
    }

    /// The confirmed enrollment with this suffix, or the verified address.
    pub(crate) fn enrollment(&self, suffix: &Suffix) -> Option<&Enrollment> {
        let known = self.emails.iter().map(|known| &known.enrollment);
        self.enrollments.iter().chain(known).find(|enrollment| enrollment.suffix == *suffix)
    }

    /// Every confirmed enrollment and verified address.
    pub(crate) fn enrollments_mut(&mut self) -> impl Iterator<Item = &mut Enrollment> {
        let Self { enrollments, emails, .. } = self;
        enrollments.iter_mut().chain(emails.iter_mut().map(|known| &mut known.enrollment))
    }

    /// Active one-time-password secrets, those of push pairs included.
    pub(crate) fn otp_secrets(&self) -> usize {
        self.enrollments.iter().filter(|enrollment| enrollment.otp().is_some()).count()
    }

    /// Every enrollment: confirmed, pending, verified addresses.
    pub(crate) fn all_enrollments(&self) -> impl Iterator<Item = &Enrollment> + Clone {
        let pending = self.pending.iter().map(|pending| &pending.enrollment);
        self.enrollments.iter().chain(pending).chain(self.emails.iter().map(|known| &known.enrollment))
    }

    /// Enrollments that wait for their first code and have not expired.
    pub(crate) fn live_pending(&self, now_ms: u64) -> impl Iterator<Item = &Pending> {
        let now_ms = self.expiry_now_ms(now_ms);
        self.pending.iter().filter(move |pending| pending.expires_ms > now_ms)
    }

    /// Keeps what a chain began for as long as its newest token lives.
    pub(crate) fn extend_pending(&mut self, chain: &Id, expires_ms: u64) {
        for pending in self.pending.iter_mut().filter(|pending| pending.chain == *chain) {
            pending.expires_ms = pending.expires_ms.max(expires_ms);
        }
    }

    /// How long until the list of spent tokens has room for one more; 0 where it has.
    pub(crate) fn spent_room_ms(&self, now_ms: u64) -> u64 {
        let now_ms = self.expiry_now_ms(now_ms);
        let live = || self.spent.iter().map(|mark| mark.expires_ms).filter(|expires_ms| *expires_ms > now_ms);
        if live().count() < SPENT_MAX { 0 } else { live().min().unwrap_or(now_ms).saturating_sub(now_ms) }
    }

    /// A suffix that names nothing in this record yet.
    pub(crate) fn fresh_suffix(&self, stream: &mut Stream) -> Result<Suffix, Error> {
        loop {
            let text = stream.text(SUFFIX_LETTERS, size_of::<Suffix>())?;
            let suffix: Suffix = text.as_bytes().try_into().map_err(|_| Error::Cap("authenticator id"))?;
            if self.all_enrollments().flat_map(Enrollment::suffixes).all(|taken| taken != suffix) {
                return Ok(suffix);
            }
        }
    }
}
