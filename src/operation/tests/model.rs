//! A store in which every answer is a choice, and a walk through all choices of two clients that share it.

use std::collections::BTreeMap;

use crate::operation::{Operation, Want};
use crate::reply::Finished;
use crate::store::{Loaded, New, StoreError, Swapped, Version};

/// Each key's states in the order in which they came about; the last one is there now.
pub(super) type States = BTreeMap<Vec<u8>, Vec<Option<Loaded>>>;

/// Walks a tree of choices depth first: replays a path and goes on with the first branch not taken yet.
#[derive(Default)]
struct Chooser {
    path: Vec<(usize, usize)>,
    at: usize,
}

impl Chooser {
    fn choose(&mut self, options: usize) -> usize {
        if options <= 1 {
            return 0;
        }
        if self.at == self.path.len() {
            self.path.push((0, options));
        }
        let (chosen, known) = self.path[self.at];
        assert_eq!(known, options, "a replayed path offers what it offered before");
        self.at += 1;
        chosen
    }

    /// Whether there is a path that was not walked.
    fn next_path(&mut self) -> bool {
        self.at = 0;
        while let Some((chosen, options)) = self.path.pop() {
            if chosen + 1 < options {
                self.path.push((chosen + 1, options));
                return true;
            }
        }
        false
    }
}

/// How a call is answered that was not done, or not as it is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    Failed,
    Conflict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Not done. Where it is the answer to a load, it is a failure.
    Lost(Lie),
    /// Done, and said not to be.
    Landed(Lie),
    /// Done, then the other client goes on until it has written, then said not to be done.
    Overwritten(Lie),
    /// Not done yet.
    Late,
    /// A state from so long before.
    Older(usize),
    /// This, and the same for every like call of this client for this key from now on.
    Outage(&'static Fault),
}

/// A write that happened.
#[derive(Clone, Debug)]
pub(super) struct Landed {
    pub(super) by: usize,
    pub(super) key: Vec<u8>,
    pub(super) over: Option<Version>,
    /// What it left; `None`: nothing.
    pub(super) version: Option<Version>,
}

struct Late {
    by: usize,
    key: Vec<u8>,
    expected: Option<Version>,
    new: Option<Loaded>,
}

/// What answers every like call for a key.
struct Lasting {
    key: Vec<u8>,
    fault: Fault,
}

fn lasting(of: &Option<Lasting>, key: &[u8]) -> Option<Fault> {
    of.as_ref().filter(|lasting| lasting.key == key).map(|lasting| lasting.fault)
}

struct Client<R> {
    operation: Option<Operation<R>>,
    finished: Option<Finished<R>>,
    loads: Option<Lasting>,
    swaps: Option<Lasting>,
    steps: u32,
}

/// How one history ended.
pub(super) struct Ended<R> {
    pub(super) finished: [Finished<R>; 2],
    pub(super) landed: Vec<Landed>,
    pub(super) states: States,
    /// The key for which a client's store failed for good.
    pub(super) outages: [Option<Vec<u8>>; 2],
}

impl<R> Ended<R> {
    /// What a client wrote under a key.
    pub(super) fn landed_by(&self, client: usize, key: &[u8]) -> Vec<&Landed> {
        self.landed.iter().filter(|landed| landed.by == client && landed.key == key).collect()
    }
}

enum Asked {
    Load(Vec<u8>),
    Swap(Late),
    Done,
}

struct History<'a, R> {
    chooser: &'a mut Chooser,
    faults_left: usize,
    at_work: usize,
    switches_left: u32,
    states: States,
    late: Vec<Late>,
    landed: Vec<Landed>,
    clients: [Client<R>; 2],
}

/// How often the clients take turns in a history while both are at work: without a bound under `make prove`.
const SWITCHES_MAX: u32 = if option_env!("MFACORE_PROVE").is_some() { u32::MAX } else { 4 };

/// Runs every history of two clients with at most `faults` faults, and returns how many there are.
pub(super) fn explore<R>(
    faults: usize,
    start: impl Fn() -> (States, [Operation<R>; 2]),
    mut check: impl FnMut(Ended<R>),
) -> u64 {
    let mut chooser = Chooser::default();
    for histories in 1.. {
        let (states, operations) = start();
        let clients = operations.map(|operation| Client {
            operation: Some(operation),
            finished: None,
            loads: None,
            swaps: None,
            steps: 0,
        });
        let history = History {
            chooser: &mut chooser,
            faults_left: faults,
            at_work: 0,
            switches_left: SWITCHES_MAX,
            states,
            late: Vec::new(),
            landed: Vec::new(),
            clients,
        };
        check(history.run());
        if !chooser.next_path() {
            return histories;
        }
    }
    unreachable!("the walk ends")
}

impl<R> History<'_, R> {
    fn run(mut self) -> Ended<R> {
        loop {
            match [0, 1].map(|who: usize| self.clients[who].operation.is_some()) {
                [false, false] => break,
                [true, false] => self.step(0, true),
                [false, true] => self.step(1, true),
                [true, true] => {
                    if self.switches_left > 0 && self.chooser.choose(2) == 1 {
                        self.switches_left -= 1;
                        self.at_work = 1 - self.at_work;
                    }
                    self.step(self.at_work, true);
                }
            }
        }
        while !self.late.is_empty() {
            self.arrive(0);
        }
        let [one, two] = self.clients;
        let outages = [&one, &two]
            .map(|client| client.loads.as_ref().or(client.swaps.as_ref()).map(|outage| outage.key.clone()));
        let finished = [one, two].map(|client| client.finished.unwrap());
        Ended { finished, landed: self.landed, states: self.states, outages }
    }

    /// Does and answers what a client asks for. Without `may_fail` the store is a good one.
    fn step(&mut self, who: usize, may_fail: bool) {
        let client = &mut self.clients[who];
        client.steps += 1;
        assert!(client.steps <= 60, "an operation ends");
        let asked = match client.operation.as_ref().unwrap().want() {
            Want::Load { key, .. } => Asked::Load(key.to_vec()),
            Want::Swap { key, write } => Asked::Swap(Late {
                by: who,
                key: key.to_vec(),
                expected: write.expected,
                new: match write.new {
                    New::Record { version, bytes } => Some(Loaded { version, bytes: bytes.to_vec() }),
                    New::Delete => None,
                },
            }),
            Want::Done => Asked::Done,
        };
        match asked {
            Asked::Load(key) => {
                let answer = self.load(who, &key, may_fail);
                self.operation(who).loaded(answer);
            }
            Asked::Swap(write) => {
                let answer = self.swap(who, write, may_fail);
                self.operation(who).swapped(answer);
            }
            Asked::Done => {
                self.clients[who].finished = self.clients[who].operation.take().map(Operation::finish)
            }
        }
    }

    fn operation(&mut self, who: usize) -> &mut Operation<R> {
        self.clients[who].operation.as_mut().unwrap()
    }

    fn load(&mut self, who: usize, key: &[u8], may_fail: bool) -> Result<Option<Loaded>, StoreError> {
        let mut at = 0;
        while may_fail && at < self.late.len() {
            if self.late[at].key == key && self.chooser.choose(2) == 1 {
                self.arrive(at);
            } else {
                at += 1;
            }
        }
        let states = self.states.get(key).map_or(&[][..], Vec::as_slice);
        let is_there = |back: &usize| states.iter().nth_back(*back).is_some_and(Option::is_some);
        let mut faults = vec![Fault::Lost(Lie::Failed), Fault::Outage(&Fault::Lost(Lie::Failed))];
        faults.extend([1, 2].into_iter().filter(is_there).map(Fault::Older));
        if is_there(&1) {
            faults.push(Fault::Outage(&Fault::Older(1)));
        }
        let lasting = lasting(&self.clients[who].loads, key);
        let fault = lasting.or_else(|| self.choose_fault(&faults, may_fail));
        match fault {
            None => Ok(self.now(key).cloned()),
            Some(Fault::Outage(fault)) => {
                self.clients[who].loads = Some(Lasting { key: key.to_vec(), fault: *fault });
                self.load(who, key, false)
            }
            Some(Fault::Older(back)) => Ok(self.states[key].iter().nth_back(back).cloned().flatten()),
            Some(_) => Err(StoreError::new("failed")),
        }
    }

    fn swap(&mut self, who: usize, write: Late, may_fail: bool) -> Result<Swapped, StoreError> {
        let mut faults = vec![Fault::Lost(Lie::Failed), Fault::Outage(&Fault::Lost(Lie::Failed))];
        if self.fits(&write) {
            faults.extend([Lie::Failed, Lie::Conflict].map(Fault::Landed));
            faults.extend([
                Fault::Lost(Lie::Conflict),
                Fault::Outage(&Fault::Lost(Lie::Conflict)),
                Fault::Late,
            ]);
            if self.clients[1 - who].operation.is_some() {
                faults.extend([Lie::Failed, Lie::Conflict].map(Fault::Overwritten));
            }
        }
        let lasting = lasting(&self.clients[who].swaps, &write.key);
        match lasting.or_else(|| self.choose_fault(&faults, may_fail)) {
            None if self.fits(&write) => {
                self.land(write);
                Ok(Swapped::Committed)
            }
            None => Ok(Swapped::Conflict),
            Some(Fault::Outage(fault)) => {
                self.clients[who].swaps = Some(Lasting { key: write.key.clone(), fault: *fault });
                self.swap(who, write, false)
            }
            Some(Fault::Landed(lie)) => {
                self.land(write);
                say(lie)
            }
            Some(Fault::Overwritten(lie)) => {
                self.land(write);
                self.let_the_other_write(1 - who);
                say(lie)
            }
            Some(Fault::Late) => {
                self.late.push(write);
                say(Lie::Failed)
            }
            Some(Fault::Lost(lie)) => say(lie),
            Some(Fault::Older(_)) => unreachable!("a swap has no age"),
        }
    }

    /// An outage is as much as all other faults together, and lets the clients take turns once more, or the
    /// histories would be too many.
    fn choose_fault(&mut self, faults: &[Fault], may_fail: bool) -> Option<Fault> {
        if !may_fail || self.faults_left == 0 {
            return None;
        }
        let chosen = self.chooser.choose(faults.len() + 1).checked_sub(1)?;
        self.faults_left -= 1;
        if matches!(faults[chosen], Fault::Outage(_)) {
            self.faults_left = 0;
            self.switches_left = self.switches_left.min(1);
        }
        Some(faults[chosen])
    }

    fn let_the_other_write(&mut self, other: usize) {
        let written = self.landed.len();
        while self.clients[other].operation.is_some() && self.landed.len() == written {
            self.step(other, false);
        }
    }

    fn arrive(&mut self, at: usize) {
        let late = self.late.remove(at);
        if self.fits(&late) {
            self.land(late);
        }
    }

    fn now(&self, key: &[u8]) -> Option<&Loaded> {
        self.states.get(key).and_then(|states| states.last()).and_then(Option::as_ref)
    }

    fn fits(&self, write: &Late) -> bool {
        self.now(&write.key).map(|loaded| loaded.version) == write.expected
    }

    fn land(&mut self, write: Late) {
        let Late { by, key, expected: over, new } = write;
        let version = new.as_ref().map(|loaded| loaded.version);
        self.states.entry(key.clone()).or_default().push(new);
        self.landed.push(Landed { by, key, over, version });
    }
}

fn say(lie: Lie) -> Result<Swapped, StoreError> {
    match lie {
        Lie::Failed => Err(StoreError::new("failed")),
        Lie::Conflict => Ok(Swapped::Conflict),
    }
}
