//! A store that conflicts, fails and lies about failing, and that tells the test what it really did.

use std::collections::BTreeMap;
use std::sync::Mutex;

use mfacore::store::{Loaded, New, Store, StoreError, Swapped, Version, Write};

use super::chance::Chance;

/// What the store really did for one call of the engine.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// Lies, failures and conflicts that were not asked for.
    pub faults: u32,
    /// Whether the last load of the user's record was of an older state.
    pub stale: bool,
    /// Whether this call's write of the user's record is there.
    pub landed: bool,
    /// Whether it is not, and may come yet.
    pub late: bool,
    /// Keys that this call wrote.
    pub written: Vec<Vec<u8>>,
}

/// A write that was answered for, and comes later or never.
struct Late {
    operation: u64,
    key: Vec<u8>,
    expected: Option<Version>,
    new: Option<Loaded>,
}

struct Inner {
    chance: Chance,
    records: BTreeMap<Vec<u8>, Loaded>,
    /// What was there before the last write, for stale loads.
    before: BTreeMap<Vec<u8>, Option<Loaded>>,
    late: Vec<Late>,
    operation: u64,
    user_key: Vec<u8>,
    per_mille: u64,
    first_may_be_stale: bool,
    was_loaded: bool,
    trace: Trace,
}

pub struct FaultyStore(Mutex<Inner>);

/// What happens to a swap.
enum Fate {
    Honest,
    Lost,
    LostConflict,
    Landed,
    LandedConflict,
    Late,
    LateConflict,
}

impl FaultyStore {
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(Inner {
            chance: Chance::new(seed),
            records: BTreeMap::new(),
            before: BTreeMap::new(),
            late: Vec::new(),
            operation: 0,
            user_key: Vec::new(),
            per_mille: 0,
            first_may_be_stale: false,
            was_loaded: false,
            trace: Trace::default(),
        }))
    }

    /// A call on the user with this key begins; `per_mille` of its storage calls go wrong.
    pub fn begin(&self, user_key: &[u8], per_mille: u64, first_may_be_stale: bool) {
        let mut inner = self.0.lock().unwrap();
        inner.operation += 1;
        inner.user_key = user_key.to_vec();
        inner.per_mille = per_mille;
        inner.first_may_be_stale = first_may_be_stale;
        inner.was_loaded = false;
        inner.trace = Trace::default();
    }

    /// What was really done since then.
    pub fn end(&self) -> Trace {
        let mut inner = self.0.lock().unwrap();
        inner.per_mille = 0;
        let is_own = |late: &Late| late.operation == inner.operation && late.key == inner.user_key;
        let late = inner.late.iter().any(is_own);
        Trace { late, ..std::mem::take(&mut inner.trace) }
    }

    /// Time passes: late writes may come.
    pub fn tick(&self) {
        let mut inner = self.0.lock().unwrap();
        inner.operation += 1;
        inner.land_late(2);
    }

    /// Whether a write of this record may come yet.
    pub fn has_late(&self, key: &[u8]) -> bool {
        self.0.lock().unwrap().late.iter().any(|late| late.key == key)
    }

    pub fn holds(&self, key: &[u8]) -> bool {
        self.0.lock().unwrap().records.contains_key(key)
    }
}

impl Inner {
    fn land_late(&mut self, one_in: u64) {
        let mut at = 0;
        while at < self.late.len() {
            if !self.chance.one_in(one_in) {
                at += 1;
                continue;
            }
            let Late { operation, key, expected, new } = self.late.remove(at);
            let is_own = operation == self.operation && key == self.user_key;
            let is_of_call = operation == self.operation;
            if self.apply(&key, expected, new) {
                self.trace.landed |= is_own;
                self.trace.written.extend(is_of_call.then_some(key));
            }
            at = 0;
        }
    }

    fn version(&self, key: &[u8]) -> Option<Version> {
        self.records.get(key).map(|record| record.version)
    }

    fn apply(&mut self, key: &[u8], expected: Option<Version>, new: Option<Loaded>) -> bool {
        if self.version(key) != expected {
            return false;
        }
        let old = match new {
            Some(record) => self.records.insert(key.to_vec(), record),
            None => self.records.remove(key),
        };
        self.before.insert(key.to_vec(), old);
        let now = self.version(key);
        self.late.retain(|late| late.key != key || late.expected == now);
        true
    }

    fn fate(&mut self) -> Fate {
        if self.chance.below(1000) >= self.per_mille {
            return Fate::Honest;
        }
        self.trace.faults += 1;
        match self.chance.below(14) {
            0..3 => Fate::Lost,
            3..6 => Fate::LostConflict,
            6..9 => Fate::Landed,
            9..11 => Fate::LandedConflict,
            11..13 => Fate::Late,
            _ => Fate::LateConflict,
        }
    }

    fn swap(
        &mut self,
        key: &[u8],
        expected: Option<Version>,
        new: Option<Loaded>,
    ) -> Result<Swapped, StoreError> {
        self.land_late(4);
        let failed = |text: &'static str| Err(StoreError::new(text));
        let fate = self.fate();
        match fate {
            Fate::Lost => return failed("the write was lost"),
            Fate::LostConflict => return Ok(Swapped::Conflict),
            Fate::Late | Fate::LateConflict => {
                let operation = self.operation;
                // What is to be written over a version that is gone never lands.
                if self.version(key) == expected {
                    self.late.push(Late { operation, key: key.to_vec(), expected, new });
                }
                let is_conflict = matches!(fate, Fate::LateConflict);
                return if is_conflict { Ok(Swapped::Conflict) } else { failed("the write is on its way") };
            }
            Fate::Honest | Fate::Landed | Fate::LandedConflict => {}
        }
        let landed = self.apply(key, expected, new);
        if landed {
            self.trace.landed |= key == self.user_key;
            self.trace.written.push(key.to_vec());
        }
        match fate {
            Fate::Landed => failed("the write seems to have failed"),
            Fate::LandedConflict => Ok(Swapped::Conflict),
            _ if landed => Ok(Swapped::Committed),
            _ => Ok(Swapped::Conflict),
        }
    }

    fn load(&mut self, key: &[u8]) -> Result<Option<Loaded>, StoreError> {
        self.land_late(4);
        let is_user = key == self.user_key;
        let is_wrong = self.chance.below(1000) < self.per_mille;
        let may_be_stale = is_user && (self.was_loaded || self.first_may_be_stale);
        if is_user {
            self.trace.stale = false;
        }
        if is_wrong
            && may_be_stale
            && self.chance.one_in(2)
            && let Some(before) = self.before.get(key).cloned()
        {
            self.trace.faults += 1;
            self.trace.stale = true;
            self.was_loaded = true;
            return Ok(before);
        }
        if is_wrong {
            self.trace.faults += 1;
            return Err(StoreError::new("the load failed"));
        }
        self.was_loaded |= is_user;
        Ok(self.records.get(key).cloned())
    }
}

impl Store for FaultyStore {
    fn load(&self, key: &[u8]) -> Result<Option<Loaded>, StoreError> {
        self.0.lock().unwrap().load(key)
    }

    fn swap(&self, key: &[u8], write: Write<'_>) -> Result<Swapped, StoreError> {
        let new = match write.new {
            New::Record { version, bytes } => Some(Loaded { version, bytes: bytes.to_vec() }),
            New::Delete => None,
        };
        self.0.lock().unwrap().swap(key, write.expected, new)
    }

    fn durable(&self) -> bool {
        false
    }
}
