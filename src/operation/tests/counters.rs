//! Records that hold nothing but a number, and machines over them.

use crate::denial::{Denial, DenialCode, Surface};
use crate::error::Error;
use crate::event::{Event, EventKind};
use crate::operation::{Answer, Attempt, Machine, NewRecord, Opened, Operation};
use crate::record::OperationRing;
use crate::store::{Loaded, Version};

pub(super) const MAIN: &[u8] = b"main";
pub(super) const LIMITER: &[u8] = b"limiter";
pub(super) const OTHER_LIMITER: &[u8] = b"other limiter";

/// The id of an operation, and the version of what it writes.
pub(super) fn id(number: u16) -> Version {
    let mut bytes = [0xA5; 16];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    Version(bytes)
}

/// The id of what an operation of this number gives back with.
pub(super) fn give_back_id(number: u16) -> Version {
    let Version(mut bytes) = id(number);
    bytes[15] = 0x5A;
    Version(bytes)
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counter {
    pub(super) sequence: u64,
    pub(super) value: u64,
    ring: OperationRing,
}

impl Counter {
    pub(super) fn decode(loaded: &Loaded) -> Self {
        let (numbers, ring) = loaded.bytes.split_at(16);
        let number = |at: usize| u64::from_be_bytes(numbers[at..at + 8].try_into().unwrap());
        let ring = ring.chunks(16).map(|entry| Version(entry.try_into().unwrap())).collect();
        Self { sequence: number(0), value: number(8), ring: OperationRing::from_entries(ring) }
    }

    /// The same with another value.
    #[must_use]
    pub(super) fn holding(self, value: u64) -> Self {
        Self { value, ..self }
    }

    pub(super) fn loaded(&self) -> Loaded {
        let mut bytes = [self.sequence.to_be_bytes(), self.value.to_be_bytes()].concat();
        self.ring.entries().iter().for_each(|entry| bytes.extend_from_slice(&entry.0));
        Loaded { version: self.ring.last().unwrap(), bytes }
    }

    #[must_use]
    pub(super) fn written(mut self, by: Version) -> Self {
        self.sequence += 1;
        self.ring.push(by);
        self
    }

    /// The counter after writes by these operations.
    pub(super) fn after(ids: impl IntoIterator<Item = u16>) -> Self {
        ids.into_iter().fold(Self::default(), |counter, by| counter.written(id(by)))
    }

    #[must_use]
    pub(super) fn then(self, ids: impl IntoIterator<Item = u16>) -> Self {
        ids.into_iter().fold(self, |counter, by| counter.written(id(by)))
    }
}

/// What a machine does to its counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Adds one.
    Add,
    /// The first one takes it; whoever comes later is refused, and nothing is written.
    Take,
    /// The first one takes it; whoever comes later is refused, and that is counted.
    TakeCounted,
    /// Adds one and answers nothing; with this much spent, refuses.
    Limit(u64),
    /// Takes one off again, where the operation's charge is known to be in it.
    GiveBack,
    /// Adds one, behind one of the records that go first: the value chooses which.
    Alternate,
    /// Deletes the record.
    Delete,
    /// Reads it.
    Read,
}

/// What an operation was told: the value, and what it was computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) value: u64,
    pub(super) from: Option<Version>,
}

pub(super) struct CounterMachine {
    number: u16,
    key: &'static [u8],
    rule: Rule,
    first: Vec<(&'static [u8], Rule)>,
    opened: Option<Counter>,
}

/// An operation that does `rule` to [`MAIN`], after what `first` does to other records.
pub(super) fn operation(number: u16, rule: Rule, first: &[(&'static [u8], Rule)]) -> Operation<Told> {
    let machine = CounterMachine { number, key: MAIN, rule, first: first.to_vec(), opened: None };
    Operation::new(Box::new(machine))
}

/// The records that go before an attempt by `rule` from this value.
pub(super) fn first_of<T>(rule: Rule, value: u64, first: &[T]) -> &[T] {
    let at = usize::try_from(value).unwrap() % first.len().max(1);
    match rule {
        Rule::Alternate => &first[at..=at],
        Rule::Read => &[],
        _ => first,
    }
}

impl CounterMachine {
    fn decide(&self, counter: &Counter, from: Option<Version>) -> (bool, Option<Result<Told, Denial>>) {
        let refused = Denial::new(DenialCode::InvalidOtp, Surface::Host);
        let told = Told { value: counter.value + 1, from };
        match self.rule {
            Rule::Add | Rule::Alternate => (true, Some(Ok(told))),
            Rule::Take | Rule::TakeCounted if counter.value == 0 => (true, Some(Ok(told))),
            Rule::Take => (false, Some(Err(refused))),
            Rule::TakeCounted => (true, Some(Err(refused.counted()))),
            Rule::Limit(limit) if counter.value < limit => (true, None),
            Rule::Limit(_) => (false, Some(Err(Denial::new(DenialCode::TooManyAttempts, Surface::Host)))),
            Rule::GiveBack => (counter.ring.find(id(self.number)).is_some(), None),
            Rule::Delete => (true, Some(Ok(told))),
            Rule::Read => (false, Some(Ok(Told { value: counter.value, from }))),
        }
    }
}

impl Machine<Told> for CounterMachine {
    fn key(&self) -> &[u8] {
        self.key
    }

    fn id(&self) -> Version {
        if self.rule == Rule::GiveBack { give_back_id(self.number) } else { id(self.number) }
    }

    fn open(&mut self, found: &Loaded) -> Result<Opened<'_>, Error> {
        let counter = self.opened.insert(Counter::decode(found));
        Ok(Opened { sequence: counter.sequence, ring: &counter.ring })
    }

    fn attempt(&mut self, loaded: Option<Version>) -> Result<Attempt<Told>, Error> {
        let mut counter = self.opened.take().filter(|_| loaded.is_some()).unwrap_or_default();
        let (writes, result) = self.decide(&counter, loaded);
        let mut write = None;
        let first = first_of(self.rule, counter.value, &self.first);
        if writes {
            counter.value = match self.rule {
                Rule::GiveBack => counter.value - 1,
                _ => counter.value + 1,
            };
            counter = counter.written(Machine::<Told>::id(self));
            let Loaded { version, bytes } = counter.loaded();
            write = Some(match self.rule {
                Rule::Delete => NewRecord::Delete,
                _ => NewRecord::Sealed { version, bytes },
            });
        }
        let sequence = counter.sequence;
        let answer = result.map(|result| Answer {
            result: result.map_err(Into::into),
            events: Vec::new(),
            deliveries: Vec::new(),
            sequence,
        });
        let machine = |(key, rule): &(&'static [u8], Rule)| -> Box<dyn Machine<Told>> {
            Box::new(CounterMachine {
                number: self.number,
                key,
                rule: *rule,
                first: Vec::new(),
                opened: None,
            })
        };
        Ok(Attempt { write, answer, first: first.iter().map(machine).collect() })
    }

    fn give_back(&self) -> Option<Box<dyn Machine<Told>>> {
        let Rule::Limit(_) = self.rule else { return None };
        let (number, key) = (self.number, self.key);
        Some(Box::new(CounterMachine { number, key, rule: Rule::GiveBack, first: Vec::new(), opened: None }))
    }

    fn events_of(&self, error: &Error) -> Vec<Event> {
        let kind = match error {
            Error::EntropyRepeated => EventKind::EntropyRepeated,
            _ => return Vec::new(),
        };
        let (tenant, user) = (String::new(), String::from_utf8_lossy(self.key).into_owned());
        vec![Event { at_ms: 0, tenant, user, client: None, kind }]
    }
}
