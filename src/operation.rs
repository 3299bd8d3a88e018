//! One request against storage, without doing any I/O: it asks, the host answers, until it is done.
//!
//! ```text
//! want() -> Load{key, after_ms}   loaded(found | absent | failed)
//!        -> Swap{key, write}      swapped(committed | conflict | failed)
//!        -> Done                  finish() -> reply, events
//! ```
//!
//! Reply and events cannot be read before the write is committed. Whatever a swap answers but _committed_ is
//! resolved by loading again: the record itself says whether the write happened.
//!
//! Records that go first are charges. One that the committed attempt does not stand for is given back before
//! `Done`; where the outcome is in doubt none is, since a charge too many is safe and one too few is not.

use crate::delivery::Delivery;
use crate::error::Error;
use crate::event::Event;
use crate::limits::{BACK_OFF_MS, OPERATION_RECORDS_MAX, OPERATION_RING, TRIES_MAX};
use crate::record::OperationRing;
use crate::reply::{Finished, Refusal};
use crate::store::{Loaded, New, StoreError, Swapped, Version, Write};

/// What an operation needs next.
#[derive(Debug)]
pub enum Want<'a> {
    /// Load `key` after a pause of `after_ms` milliseconds, and call [`Operation::loaded`].
    Load {
        /// The storage key.
        key: &'a [u8],
        /// How long to wait first; 0 at the first try.
        after_ms: u64,
    },
    /// Compare and swap, and call [`Operation::swapped`].
    Swap {
        /// The storage key.
        key: &'a [u8],
        /// What to write, and what must be there.
        write: Write<'a>,
    },
    /// Nothing: call [`Operation::finish`].
    Done,
}

/// One record's part of an operation: turns what was found into what is to be written, as often as it is
/// asked.
pub(crate) trait Machine<R>: Send {
    /// The storage key.
    fn key(&self) -> &[u8];

    /// The id that this machine writes with.
    fn id(&self) -> Version;

    /// Opens what was found, and keeps it for the next attempt.
    fn open(&mut self, found: &Loaded) -> Result<Opened<'_>, Error>;

    /// Computes the attempt from what was opened last, or from absence.
    fn attempt(&mut self, loaded: Option<Version>) -> Result<Attempt<R>, Error>;

    /// The events that an end without an answer leaves.
    fn events_of(&self, error: &Error) -> Vec<Event>;

    /// The machine that undoes what this one wrote, under an id of its own, once.
    fn give_back(&self) -> Option<Box<dyn Machine<R>>> {
        None
    }
}

/// What the operation itself needs of a record that was found.
pub(crate) struct Opened<'a> {
    pub(crate) sequence: u64,
    pub(crate) ring: &'a OperationRing,
}

/// The version and sequence that an attempt was computed from.
type Origin = (Option<Version>, u64);

impl Opened<'_> {
    /// Whether this shows that the attempt that was `asked` for before is written.
    ///
    /// # Errors
    /// [`Error::OutcomeUnknown`] where it cannot tell, [`Error::EntropyRepeated`] where nothing was asked
    /// for.
    fn has_written(&self, id: Version, asked: Option<Origin>) -> Result<bool, Error> {
        let written = usize::try_from(self.sequence).unwrap_or(usize::MAX);
        match (self.ring.find(id), asked) {
            (None, None) => Ok(false),
            (Some(_), None) => Err(Error::EntropyRepeated),
            (Some(None), Some((None, _))) if written == self.ring.entries().len() => Ok(true),
            (Some(Some(before)), Some((Some(from), _))) if before == from => Ok(true),
            (Some(_), Some(_)) => Err(Error::OutcomeUnknown),
            (None, Some((from, sequence))) => {
                let since = usize::try_from(self.sequence.saturating_sub(sequence)).unwrap_or(usize::MAX);
                // Where what was written over is not in its place, the record was deleted and created anew since.
                let place = self.ring.entries().iter().rev().nth(since);
                if since >= OPERATION_RING || place != from.as_ref() {
                    return Err(Error::OutcomeUnknown);
                }
                Ok(false)
            }
        }
    }
}

/// What one attempt writes and, once that is committed, answers.
pub(crate) struct Attempt<R> {
    /// `None` where the record does not change.
    pub(crate) write: Option<NewRecord>,
    /// Ends the operation. `None` for a record that is only written ahead of the one that answers.
    pub(crate) answer: Option<Answer<R>>,
    /// Records that must be written, in this order, before this one: each key once, and none puts others before
    /// itself.
    pub(crate) first: Vec<Box<dyn Machine<R>>>,
}

/// A record to be written.
pub(crate) enum NewRecord {
    Sealed { version: Version, bytes: Vec<u8> },
    Delete,
}

/// A reply that nobody may read yet.
pub(crate) struct Answer<R> {
    pub(crate) result: Result<R, Refusal>,
    pub(crate) events: Vec<Event>,
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) sequence: u64,
}

/// A record on its way through the operation.
struct Track<R> {
    machine: Box<dyn Machine<R>>,
    loads: u8,
    /// The highest sequence that this operation has seen; an older load is a failed one.
    sequence_floor: u64,
    found_before: bool,
    /// The version and sequence that the latest attempt was computed from, where it asked for a swap.
    asked: Option<Origin>,
    /// Whether a write that was asked for may have landed, or may land yet.
    in_doubt: bool,
    /// Keys of the records that the latest attempt puts before itself.
    named: Vec<Vec<u8>>,
    attempt: Option<Attempt<R>>,
    store_error: Option<StoreError>,
}

impl<R> Track<R> {
    fn new(machine: Box<dyn Machine<R>>) -> Self {
        Self {
            machine,
            loads: 0,
            sequence_floor: 0,
            found_before: false,
            asked: None,
            in_doubt: false,
            named: Vec::new(),
            attempt: None,
            store_error: None,
        }
    }

    /// Gives back what this record was charged, as it was written or later.
    fn give_back(self) -> Option<Self> {
        let written = self.asked.map_or(0, |(_, sequence)| sequence.saturating_add(1));
        let machine = self.machine.give_back()?;
        let sequence_floor = self.sequence_floor.max(written);
        Some(Self { sequence_floor, ..Self::new(machine) })
    }

    /// Takes a load that did not happen, or one that an earlier load of this operation shows to be stale.
    fn load_failed(&mut self, error: Option<StoreError>) -> Result<(), Error> {
        self.store_error = error.or(self.store_error.take());
        match self.asked {
            None if self.loads >= TRIES_MAX => Err(self.store_error.take().map_or(Error::Busy, Error::Store)),
            Some(_) if self.loads > TRIES_MAX => Err(Error::OutcomeUnknown),
            _ => Ok(()),
        }
    }

    /// Why there is no further try: `Busy` only where another's write shows that the last one can never land.
    fn given_up(&mut self, found: Option<Version>) -> Error {
        match self.asked {
            Some((from, _)) if from == found => {
                self.store_error.take().map_or(Error::OutcomeUnknown, Error::Store)
            }
            _ => Error::Busy,
        }
    }
}

enum Phase {
    Load,
    Swap,
    Done,
}

/// One request against storage. See the module's documentation for the loop; the drivers run it for you.
pub struct Operation<R> {
    id: Version,
    /// Records to be settled: the first one answers, the last one is at work. Once there is an answer, records
    /// to be given back.
    tracks: Vec<Track<R>>,
    /// The records that were settled ahead; they are written once, however often the first one is retried.
    settled: Vec<Track<R>>,
    phase: Phase,
    /// Held until [`Phase::Done`].
    answer: Option<Answer<R>>,
}

impl<R> std::fmt::Debug for Operation<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operation").field("id", &self.id).finish_non_exhaustive()
    }
}

impl<R> Operation<R> {
    pub(crate) fn new(machine: Box<dyn Machine<R>>) -> Self {
        Self {
            id: machine.id(),
            tracks: vec![Track::new(machine)],
            settled: Vec::new(),
            phase: Phase::Load,
            answer: None,
        }
    }

    /// An operation that ended before anything was loaded.
    pub(crate) fn ended(result: Result<R, Refusal>, events: Vec<Event>) -> Self {
        let answer = Some(Answer { result, events, deliveries: Vec::new(), sequence: 0 });
        Self { id: Version([0; 16]), tracks: Vec::new(), settled: Vec::new(), phase: Phase::Done, answer }
    }

    /// What is needed next. Says the same until it is answered.
    pub fn want(&self) -> Want<'_> {
        let Some(track) = self.tracks.last() else { return Want::Done };
        let key = track.machine.key();
        let write = track.attempt.as_ref().and_then(|attempt| attempt.write.as_ref());
        let expected = track.asked.and_then(|(from, _)| from);
        match (&self.phase, write) {
            (Phase::Load, _) => Want::Load { key, after_ms: pause_ms(track.loads) },
            (Phase::Swap, Some(NewRecord::Sealed { version, bytes })) => {
                Want::Swap { key, write: Write { expected, new: New::Record { version: *version, bytes } } }
            }
            (Phase::Swap, Some(NewRecord::Delete)) => {
                Want::Swap { key, write: Write { expected, new: New::Delete } }
            }
            (Phase::Swap, None) | (Phase::Done, _) => Want::Done,
        }
    }

    /// Answers [`Want::Load`]. `Ok(None)` only where the store says for certain that nothing is there.
    pub fn loaded(&mut self, found: Result<Option<Loaded>, StoreError>) {
        if !matches!(self.phase, Phase::Load) {
            self.stop_out_of_step("loaded() answers Want::Load only");
        } else if let Err(error) = self.take_loaded(found) {
            self.stop(error);
        }
    }

    /// Answers [`Want::Swap`]. Say [`Swapped::Committed`] only once the write can no longer be undone.
    pub fn swapped(&mut self, answer: Result<Swapped, StoreError>) {
        let track = self.tracks.last_mut().filter(|_| matches!(self.phase, Phase::Swap));
        match (track, answer) {
            (None, _) => self.stop_out_of_step("swapped() answers Want::Swap only"),
            (Some(_), Ok(Swapped::Committed)) => self.settle(),
            (Some(_), Ok(Swapped::Conflict)) => self.phase = Phase::Load,
            (Some(track), Err(error)) => {
                track.store_error = Some(error);
                self.phase = Phase::Load;
            }
        }
    }

    /// The reply. Before [`Want::Done`] there is none: the result is an error, and nothing may be concluded
    /// from it.
    pub fn finish(mut self) -> Finished<R> {
        let answer = self.answer.take().filter(|_| matches!(self.phase, Phase::Done));
        let Answer { result, events, deliveries, sequence } = answer.unwrap_or_else(|| Answer {
            result: Err(Error::Misuse("finish() comes after Want::Done").into()),
            events: Vec::new(),
            deliveries: Vec::new(),
            sequence: 0,
        });
        Finished { result, deliveries, events, sequence }
    }

    fn take_loaded(&mut self, found: Result<Option<Loaded>, StoreError>) -> Result<(), Error> {
        let track = self.tracks.last_mut().ok_or(Error::Misuse("the operation has ended"))?;
        track.loads = track.loads.saturating_add(1);
        match found {
            Err(error) => return track.load_failed(Some(error)),
            Ok(None) if track.found_before => return Err(Error::OutcomeUnknown),
            Ok(None) => {}
            Ok(Some(found)) => {
                let id = track.machine.id();
                let opened = track.machine.open(&found)?;
                let sequence = opened.sequence;
                if sequence < track.sequence_floor {
                    return track.load_failed(None);
                }
                let has_written = opened.has_written(id, track.asked);
                track.sequence_floor = sequence;
                track.found_before = true;
                if has_written? {
                    self.settle();
                    return Ok(());
                }
                // What was to be written over another version than is there now can never land.
                track.in_doubt &= track.asked.is_some_and(|(from, _)| from == Some(found.version));
                return self.attempt(Some(found.version), sequence);
            }
        }
        self.attempt(None, 0)
    }

    /// Computes an attempt from what was found; the records that go first are settled before it is swapped.
    fn attempt(&mut self, from: Option<Version>, sequence: u64) -> Result<(), Error> {
        let track = self.tracks.last_mut().ok_or(Error::Misuse("the operation has ended"))?;
        if track.loads > TRIES_MAX {
            return Err(track.given_up(from));
        }
        let mut attempt = track.machine.attempt(from)?;
        let mut first = std::mem::take(&mut attempt.first);
        let named = first.iter().map(|machine| machine.key().to_vec()).collect();
        first.retain(|machine| !self.settled.iter().any(|settled| settled.machine.key() == machine.key()));
        if self.settled.len().saturating_add(first.len()) >= OPERATION_RECORDS_MAX {
            return Err(Error::Cap("records of an operation"));
        }
        track.asked = attempt.write.as_ref().map(|_| (from, sequence));
        track.named = named;
        track.attempt = Some(attempt);
        self.tracks.extend(first.into_iter().rev().map(Track::new));
        self.proceed();
        Ok(())
    }

    /// Goes on with the record at work: loads it, swaps it, or settles it where it does not change.
    fn proceed(&mut self) {
        let Some(track) = self.tracks.last_mut() else {
            self.phase = Phase::Done;
            return;
        };
        match track.attempt.as_ref().map(|attempt| attempt.write.is_some()) {
            Some(true) => {
                track.in_doubt = true;
                self.phase = Phase::Swap;
            }
            Some(false) => self.settle(),
            None => self.phase = Phase::Load,
        }
    }

    /// The record at work is written, or needs no write: its answer may be read.
    fn settle(&mut self) {
        let Some(mut track) = self.tracks.pop() else { return };
        if self.is_giving_back() {
            return self.proceed();
        }
        match track.attempt.take() {
            Some(Attempt { answer: Some(mut answer), write, .. }) => {
                // The sequence that a host keeps is that of the record that answers, whichever record refused.
                answer.sequence = self.tracks.first().map_or(answer.sequence, |track| track.sequence_floor);
                self.end(answer, if write.is_some() { track.named } else { Vec::new() });
            }
            _ => {
                self.settled.push(track);
                self.proceed();
            }
        }
    }

    /// Ends without an answer; a record that was to be given back stays as it is.
    fn stop(&mut self, error: Error) {
        if self.is_giving_back() {
            self.tracks.pop();
            return self.proceed();
        }
        let events = self.tracks.last().map(|track| track.machine.events_of(&error)).unwrap_or_default();
        let sequence = self.tracks.first().map_or(0, |track| track.sequence_floor);
        self.end(Answer { result: Err(error.into()), events, deliveries: Vec::new(), sequence }, Vec::new());
    }

    /// Denies a host that does not follow the loop, whatever else there was to be answered or given back.
    fn stop_out_of_step(&mut self, text: &'static str) {
        if self.is_giving_back() {
            self.tracks.clear();
            self.answer = None;
        }
        self.stop(Error::Misuse(text));
    }

    /// Whether there is an answer, which waits for what is given back.
    fn is_giving_back(&self) -> bool {
        self.answer.is_some()
    }

    /// Gives back what was settled ahead, but for the records that are `kept`; then the answer may be read.
    fn end(&mut self, answer: Answer<R>, kept: Vec<Vec<u8>>) {
        let in_doubt = self.tracks.first().is_some_and(|track| track.in_doubt);
        self.answer = Some(answer);
        let settled = std::mem::take(&mut self.settled).into_iter();
        let unused = settled.filter(|track| !in_doubt && !kept.iter().any(|key| key == track.machine.key()));
        self.tracks = unused.filter_map(Track::give_back).collect();
        self.proceed();
    }
}

/// The pause before a load, doubling with each try.
fn pause_ms(loads: u8) -> u64 {
    match loads {
        0 => 0,
        loads => BACK_OFF_MS.checked_shl(u32::from(loads).saturating_sub(1)).unwrap_or(BACK_OFF_MS),
    }
}

#[cfg(test)]
mod tests;
