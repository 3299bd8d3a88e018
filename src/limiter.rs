//! Budgets that cross users (CONTRACT section 4 rule 8): messages to a destination, to a country prefix, of a
//! tenant.
//!
//! A limiter is a record of its own, which an [`crate::operation::Operation`] charges before it writes the
//! user's: once, however often the user's record is tried again, and gives back where nothing was sent. Its
//! storage key is `l` and a MAC, so that storage shows neither number nor address.

use std::sync::Arc;

use base64ct::{Base64UrlUnpadded, Encoding};
use minicbor::{CborLen, Decode, Encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::crypto::frame;
use crate::crypto::keys::{KeyRing, Purpose};
use crate::crypto::mac::mac;
use crate::crypto::secret::Secret;
use crate::crypto::stream::Stream;
use crate::denial::Denial;
use crate::error::Error;
use crate::event::{Event, EventKind};
use crate::limits::{CLOCK_DRIFT_MS_MAX, LIMITER_SHARDS, SEEN_AHEAD_MS_MAX};
use crate::operation::{Answer, Attempt, Machine, NewRecord, Opened};
use crate::record::OperationRing;
use crate::record::budget::{Bucket, Budget};
use crate::record::{codec, seal};
use crate::store::{Loaded, Version};
use crate::user_key::UserKey;

/// A budget, as audit events name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Limit {
    /// Messages to one phone number or address, of all users.
    Destination,
    /// Messages to one country prefix, of all users.
    Prefix,
    /// Messages of one tenant.
    Tenant,
    /// Wrong 6-digit codes of one user.
    Codes,
    /// Wrong recovery codes of one user.
    RecoveryCodes,
    /// Messages to the phones of one user.
    PhoneMessages,
    /// E-mails to one user.
    Emails,
    /// Pushes to one user.
    Pushes,
    /// Challenges of one user that are live at a time.
    Challenges,
    /// Spent tokens of one user that have not expired.
    Tokens,
}

/// What a message is for. Each has budgets of its own, so that nobody who enrolls numbers, their own or
/// another's, takes the messages away that logins need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    LogIn,
    Enroll,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Destination,
    Prefix,
    Tenant,
}

/// One message, charged to one budget. Has no `Debug`: it names the destination.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct LimiterCharge {
    kind: Kind,
    used_for: Use,
    value: Vec<u8>,
    total: Budget,
}

impl LimiterCharge {
    /// A message to a destination, in the one form that this destination has.
    pub(crate) fn destination(used_for: Use, destination: &str, budget: Budget) -> Self {
        Self { kind: Kind::Destination, used_for, value: destination.as_bytes().to_vec(), total: budget }
    }

    /// A message to a country prefix; `total` is the budget of all records that it is spread over.
    pub(crate) fn prefix(used_for: Use, prefix: &str, total: Budget) -> Self {
        Self { kind: Kind::Prefix, used_for, value: prefix.as_bytes().to_vec(), total }
    }

    /// A message of the tenant; `total` is the budget of all records that it is spread over.
    pub(crate) fn tenant(used_for: Use, total: Budget) -> Self {
        Self { kind: Kind::Tenant, used_for, value: Vec::new(), total }
    }

    /// The budget that is spent.
    pub(crate) fn limit(&self) -> Limit {
        match self.kind {
            Kind::Destination => Limit::Destination,
            Kind::Prefix => Limit::Prefix,
            Kind::Tenant => Limit::Tenant,
        }
    }

    /// The budget of one record.
    fn budget(&self) -> Budget {
        let Budget { burst, refill_ms } = self.total;
        match self.kind {
            Kind::Destination => self.total,
            // A small budget still lets every user send, a budget of nothing nobody.
            Kind::Prefix | Kind::Tenant => Budget {
                burst: burst.checked_div(LIMITER_SHARDS.into()).unwrap_or_default().max(burst.min(1)),
                refill_ms: refill_ms.saturating_mul(LIMITER_SHARDS.into()),
            },
        }
    }

    /// The key of the record that is charged for `user`.
    fn storage_key(&self, naming: &Secret<32>, user: &UserKey) -> String {
        let (limit, shard) = match self.kind {
            Kind::Destination => ("destination", 0),
            Kind::Prefix => ("prefix", shard(naming, user)),
            Kind::Tenant => ("tenant", shard(naming, user)),
        };
        let of = match self.used_for {
            Use::LogIn => "log_in",
            Use::Enroll => "enroll",
        };
        let parts =
            [user.tenant().as_bytes(), limit.as_bytes(), of.as_bytes(), self.value.as_slice(), &[shard]];
        let mut key = String::from("l");
        key.push_str(&Base64UrlUnpadded::encode_string(&mac(naming, "limiter name", &parts)));
        key
    }
}

/// The record of a spread budget that a user draws on: keyed, so that nobody picks users who share one.
fn shard(naming: &Secret<32>, user: &UserKey) -> u8 {
    let [first, ..] = mac(naming, "limiter shard", &[user.storage_key()]);
    first.checked_rem(LIMITER_SHARDS).unwrap_or_default()
}

/// What is spent of a budget. Stored under the rules of [`codec`].
#[derive(Clone, Default, PartialEq, Eq, Encode, Decode, CborLen)]
pub(crate) struct Limiter {
    /// Writes so far. Never falls.
    #[n(0)]
    sequence: u64,
    /// The last operations that wrote, the newest last.
    #[n(1)]
    ring: OperationRing,
    /// The oldest format version whose readers may touch this record.
    #[n(2)]
    reader_min: u8,
    /// What is spent, as of the latest time that any server's clock has told.
    #[n(3)]
    bucket: Bucket,
    /// The latest time by the clock of the servers that are far behind, where clocks differ.
    #[n(4)]
    behind_ms: u64,
    /// The operation that created the record: a later record of the same name has another.
    #[cbor(n(5), with = "minicbor::bytes")]
    incarnation: [u8; 16],
    /// Time that clocks which are still further behind will tell again; it is not credited twice.
    #[n(6)]
    owed_again_ms: u64,
}

impl Limiter {
    /// Lets time pass, and returns whether it met a clock that is far behind for the first time.
    ///
    /// Servers share a limiter, and their clocks may differ. Within the drift that is allowed the clock that is
    /// ahead tells the time. One that is further behind is followed on its own, so that it does not wait for
    /// hours; what passes is credited once, whichever clock tells it, and what a clock still further behind
    /// would see pass again is owed first.
    fn tick(&mut self, budget: Budget, now_ms: u64) -> bool {
        let ahead_ms = self.bucket.stamp_ms();
        let mut is_new = false;
        let passed_ms = if ahead_ms.saturating_sub(now_ms) <= CLOCK_DRIFT_MS_MAX {
            let passed_ms = now_ms.saturating_sub(ahead_ms);
            self.behind_ms = self.behind_ms.saturating_add(passed_ms);
            passed_ms
        } else {
            let by_ms = self.behind_ms.saturating_sub(now_ms);
            if by_ms > CLOCK_DRIFT_MS_MAX {
                let is_jump = self.behind_ms == ahead_ms || by_ms > SEEN_AHEAD_MS_MAX;
                self.owed_again_ms = if is_jump { 0 } else { self.owed_again_ms.saturating_add(by_ms) };
                self.behind_ms = now_ms;
                is_new = true;
            }
            let passed_ms = now_ms.saturating_sub(self.behind_ms);
            let again_ms = self.owed_again_ms.min(passed_ms);
            self.owed_again_ms = self.owed_again_ms.saturating_sub(again_ms);
            self.behind_ms = self.behind_ms.saturating_add(passed_ms);
            passed_ms.saturating_sub(again_ms)
        };
        self.bucket.charge(budget, 0, ahead_ms.saturating_add(passed_ms));
        is_new
    }
}

/// A limiter's record and the operation that works at it.
#[derive(Clone)]
struct Place {
    keys: Arc<KeyRing>,
    storage_key: String,
    budget: Budget,
    operation: Version,
    now_ms: u64,
    record_format: u8,
    seed: Secret<32>,
    digest: [u8; 32],
}

impl Place {
    fn open(&self, found: &Loaded) -> Result<Limiter, Error> {
        let associated = self.associated(&found.version);
        let opened = seal::open_stored(&self.keys, Purpose::Limiter, &associated, &found.bytes)?;
        let limiter: Limiter = codec::decode_all(&opened.plaintext)?;
        if !limiter.ring.is_of(limiter.sequence) || limiter.ring.last() != Some(found.version) {
            return Err(Error::Corrupt);
        }
        Ok(limiter)
    }

    /// Seals what `id` writes over `loaded`.
    fn seal(&self, mut limiter: Limiter, id: Version, loaded: Option<Version>) -> Result<NewRecord, Error> {
        limiter.sequence = limiter.sequence.checked_add(1).ok_or(Error::Cap("sequence"))?;
        limiter.ring.push(id);
        let stream = Stream::new(self.seed.expose(), self.storage_key.as_bytes(), loaded, &self.digest);
        let mut plaintext = Vec::with_capacity(minicbor::len(&limiter));
        minicbor::encode(&limiter, &mut plaintext).map_err(|_| Error::Corrupt)?;
        let bytes = self.keys.seal(
            Purpose::Limiter,
            self.record_format,
            stream.seal_nonce()?,
            &self.associated(&id),
            &plaintext,
        )?;
        Ok(NewRecord::Sealed { version: id, bytes })
    }

    fn associated<'a>(&'a self, version: &'a Version) -> [&'a [u8]; 3] {
        [b"limiter", self.storage_key.as_bytes(), &version.0]
    }
}

/// What the charges of one operation have in common.
#[derive(Clone, Copy)]
pub(crate) struct Charging<'a> {
    pub(crate) keys: &'a KeyRing,
    pub(crate) user: &'a UserKey,
    /// The operation's id.
    pub(crate) operation: Version,
    pub(crate) now_ms: u64,
    /// `Policy::record_format`.
    pub(crate) record_format: u8,
    /// Seed and request digest, as the user's own record takes them into its stream.
    pub(crate) seed: &'a [u8; 32],
    pub(crate) digest: &'a [u8; 32],
    /// The answer of a spent limiter, but for when to try again.
    pub(crate) denial: &'a Denial,
    /// Its event; the kind becomes [`EventKind::LimitReached`].
    pub(crate) event: &'a Event,
}

/// A limiter within an operation: charges one message, or gives it back.
pub(crate) struct LimiterMachine {
    place: Place,
    step: Step,
    opened: Option<Limiter>,
}

enum Step {
    Charge {
        limit: Limit,
        denial: Denial,
        event: Event,
        /// By the latest attempt.
        charged: Charged,
    },
    GiveBack(Charged),
}

/// Which record was charged, and the bucket's stamp after it.
#[derive(Clone, Copy, Default)]
struct Charged {
    incarnation: [u8; 16],
    stamp_ms: u64,
}

impl LimiterMachine {
    /// The machine that charges one message. Put one for every budget of a message into [`Attempt::first`] of
    /// the attempt that sends it, the narrowest budget first; the operation does the rest.
    ///
    /// # Errors
    /// [`Error::Misuse`] where the ring has no naming key.
    pub(crate) fn new(charge: &LimiterCharge, charging: Charging<'_>) -> Result<Self, Error> {
        let naming = charging.keys.naming().ok_or(Error::Misuse("messages need KeyRing::with_naming_key"))?;
        let place = Place {
            keys: naming.seals.clone(),
            storage_key: charge.storage_key(&naming.key, charging.user),
            budget: charge.budget(),
            operation: charging.operation,
            now_ms: charging.now_ms,
            record_format: charging.record_format,
            seed: Secret::new(*charging.seed),
            digest: *charging.digest,
        };
        let step = Step::Charge {
            limit: charge.limit(),
            denial: charging.denial.clone(),
            event: charging.event.clone(),
            charged: Charged::default(),
        };
        Ok(Self { place, step, opened: None })
    }

    fn version(&self) -> Version {
        match self.step {
            Step::Charge { .. } => self.place.operation,
            Step::GiveBack { .. } => give_back_id(self.place.operation),
        }
    }
}

/// The id that an operation gives back with: as unique as its own, and never found in place of it.
fn give_back_id(operation: Version) -> Version {
    let digest: [u8; 32] = Sha256::digest(frame(&[b"mfacore/give back/0", &operation.0])).into();
    Version(digest.first_chunk().copied().unwrap_or_default())
}

impl<R> Machine<R> for LimiterMachine {
    fn key(&self) -> &[u8] {
        self.place.storage_key.as_bytes()
    }

    fn id(&self) -> Version {
        self.version()
    }

    fn open(&mut self, found: &Loaded) -> Result<Opened<'_>, Error> {
        let limiter = self.opened.insert(self.place.open(found)?);
        Ok(Opened { sequence: limiter.sequence, ring: &limiter.ring })
    }

    fn attempt(&mut self, loaded: Option<Version>) -> Result<Attempt<R>, Error> {
        let id = self.version();
        let mut limiter = self.opened.take().filter(|_| loaded.is_some()).unwrap_or_default();
        let Place { budget, operation, now_ms, .. } = self.place;
        if loaded.is_none() {
            limiter.incarnation = operation.0;
        }
        let is_new_clock = limiter.tick(budget, now_ms);
        let bucket = &mut limiter.bucket;
        match &mut self.step {
            Step::Charge { limit, denial, event, charged } => {
                let wait_ms = bucket.wait_ms(budget, 1, bucket.stamp_ms()).unwrap_or(u64::MAX);
                if wait_ms > 0 {
                    let refused = refuse(*limit, denial, event, wait_ms.div_ceil(1_000));
                    // Else a clock that is far behind would be met for the first time at every call.
                    let write = if is_new_clock { Some(self.place.seal(limiter, id, loaded)?) } else { None };
                    return Ok(Attempt { write, ..refused });
                }
                bucket.charge(budget, 1, bucket.stamp_ms());
                *charged = Charged { incarnation: limiter.incarnation, stamp_ms: bucket.stamp_ms() };
            }
            Step::GiveBack(charged) => {
                // A limiter that was deleted and created anew holds no such charge.
                if limiter.incarnation != charged.incarnation {
                    return Ok(Attempt { write: None, answer: None, first: Vec::new() });
                }
                bucket.give_back_since(budget, charged.stamp_ms);
            }
        }
        let write = self.place.seal(limiter, id, loaded)?;
        Ok(Attempt { write: Some(write), answer: None, first: Vec::new() })
    }

    fn events_of(&self, error: &Error) -> Vec<Event> {
        match (error, &self.step) {
            (
                Error::Corrupt | Error::NewerFormat(_) | Error::KeyMissing(_),
                Step::Charge { limit, event, .. },
            ) => {
                let kind =
                    EventKind::LimiterUnreadable { limit: *limit, key: self.place.storage_key.clone() };
                vec![Event { kind, ..event.clone() }]
            }
            _ => Vec::new(),
        }
    }

    fn give_back(&self) -> Option<Box<dyn Machine<R>>> {
        let Step::Charge { charged, .. } = self.step else { return None };
        Some(Box::new(Self { place: self.place.clone(), step: Step::GiveBack(charged), opened: None }))
    }
}

/// The answer of a spent limiter, which is not written.
fn refuse<R>(limit: Limit, denial: &Denial, event: &Event, retry_after_s: u64) -> Attempt<R> {
    let denial = denial.clone().retry_after_s(retry_after_s);
    let event = Event { kind: EventKind::LimitReached { limit, retry_after_s }, ..event.clone() };
    // The operation puts the sequence of the user's record in place.
    let answer =
        Answer { result: Err(denial.into()), events: vec![event], deliveries: Vec::new(), sequence: 0 };
    Attempt { write: None, answer: Some(answer), first: Vec::new() }
}

#[cfg(test)]
mod tests;
