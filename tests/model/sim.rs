//! The deployment under test: engines, drivers, clocks, users; and what holds of every call, whatever it is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mfacore::commands::Command;
use mfacore::drivers::blocking::Mfa;
use mfacore::{Caller, Engine, FactorKind, KeyRing, Policy, Subject, Surface, UserKey};

use super::budgets::Bounds;
use super::chance::Chance;
use super::model::Fate;
use super::setting::policies;
use super::store::FaultyStore;
use super::user::User;

pub const TENANTS: [&str; 2] = ["acme", "zeta"];
pub const USERS: [&str; 3] = ["ann", "bob", "eve"];
pub const START_MS: u64 = 1_767_225_600_000;

/// How the clocks of the servers behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clocks {
    /// All servers have one time, which goes on.
    Steady,
    /// Servers differ by up to two minutes.
    Skewed,
    /// Now and then a clock goes back, or ahead by years.
    Wild,
}

/// What was seen, by name.
#[derive(Default)]
pub struct Tally(pub BTreeMap<String, u64>);

impl Tally {
    pub fn count(&mut self, name: &str) {
        self.add(name, 1);
    }

    pub fn add(&mut self, name: &str, times: u64) {
        match self.0.get_mut(name) {
            Some(count) => *count += times,
            None => drop(self.0.insert(name.to_owned(), times)),
        }
    }

    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }
}

/// The last moves, printed where the test fails.
pub struct Moves {
    /// How many are kept.
    pub shown: usize,
    last: VecDeque<String>,
    pub title: String,
    pub step: u64,
    /// Seconds since the world began.
    pub second: i64,
}

impl Moves {
    pub fn say(&mut self, text: String) {
        if self.last.len() >= self.shown {
            self.last.pop_front();
        }
        self.last.push_back(format!("{:>7} {:>9} {text}", self.step, self.second));
    }

    /// What came of the last move.
    pub fn add(&mut self, text: &str) {
        if let Some(last) = self.last.back_mut() {
            last.push_str(" -> ");
            last.push_str(text);
        }
    }
}

impl Drop for Moves {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("failed at command {} of {}; the last moves:", self.step, self.title);
            self.last.iter().for_each(|text| println!("{text}"));
        }
    }
}

/// What a client would do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Challenge,
    VerifyOtp,
    VerifyOob,
    Associate,
    Scan,
    AnswerPush,
    Manage,
    Guess,
}

pub struct Sim {
    /// Whose story goes on, and how.
    pub next: Option<(usize, Next)>,
    /// Whether codes are guessed, and so are wrong.
    pub guesses: bool,
    pub chance: Chance,
    pub tally: Tally,
    pub moves: Moves,
    pub store: Arc<FaultyStore>,
    pub clock: Arc<AtomicU64>,
    pub operations: Arc<AtomicU64>,
    engines: Vec<Engine>,
    pub mfas: Vec<Mfa<Arc<FaultyStore>>>,
    /// Policies as they were set at the start, and as they are now.
    pub policies: Vec<Policy>,
    pub users: Vec<User>,
    pub clocks: Clocks,
    pub per_mille: u64,
    pub base_ms: u64,
    /// The time of this step.
    pub now_ms: u64,
    /// Budgets across users, by name: what one user certainly spent, and what all perhaps did.
    pub limiters: BTreeMap<String, Bounds>,
    pub chains: usize,
    pub verified: BTreeSet<[u8; 16]>,
    pub packages: Vec<super::migrate::Package>,
}

impl Sim {
    /// A fresh deployment: which policies, clocks and faults it has follows from `number`.
    pub fn new(seed: u64, number: u64, tally: Tally) -> Self {
        let mut chance = Chance::new(seed ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let all = policies();
        let length = all.len() as u64;
        let pick = |index: u64| all[usize::try_from(index % length).unwrap()].clone();
        let picked = [pick(number), pick(number * 3 + 1 + number / length)];
        let clocks = match number % 4 {
            0 | 2 => Clocks::Steady,
            1 => Clocks::Skewed,
            _ => Clocks::Wild,
        };
        let per_mille = if (number / 2).is_multiple_of(2) { 0 } else { 60 };
        let keys = KeyRing::new(1, key(1)).unwrap().with_naming_key(key(9)).unwrap();
        let first = Engine::new(keys, Policy::recommended()).unwrap();
        let engine = |(tenant, (_, policy)): (&&str, &(&str, Policy))| {
            first.with_policy(tenant, policy.clone()).unwrap()
        };
        let engines: Vec<Engine> = TENANTS.iter().zip(&picked).map(engine).collect();
        let users = (0..TENANTS.len()).flat_map(|tenant| {
            USERS.iter().map(move |name| User {
                tenant,
                name,
                key: UserKey::new(TENANTS[tenant], name).unwrap().storage_key().to_vec(),
                ..User::default()
            })
        });
        let title =
            format!("world {number}: {} and {}, {clocks:?}, {per_mille} faults", picked[0].0, picked[1].0);
        let store = Arc::new(FaultyStore::new(chance.next()));
        let mut sim = Self {
            next: None,
            guesses: false,
            chance,
            tally,
            moves: Moves { shown: 24, last: VecDeque::new(), title, step: 0, second: 0 },
            store,
            clock: Arc::new(AtomicU64::new(START_MS)),
            operations: Arc::new(AtomicU64::new(number << 32)),
            engines,
            mfas: Vec::new(),
            policies: picked.into_iter().map(|(_, policy)| policy).collect(),
            users: users.collect(),
            clocks,
            per_mille,
            base_ms: START_MS,
            now_ms: START_MS,
            limiters: BTreeMap::new(),
            chains: 0,
            verified: BTreeSet::new(),
            packages: Vec::new(),
        };
        sim.start();
        sim
    }

    /// Drivers for the engines as they are.
    fn start(&mut self) {
        let driver = |engine: &Engine| {
            let (clock, operations) = (self.clock.clone(), self.operations.clone());
            Mfa::new(engine.clone(), self.store.clone())
                .with_clock(Arc::new(move || clock.load(Ordering::Relaxed)))
                .with_entropy(Arc::new(move || Ok(entropy(operations.fetch_add(1, Ordering::Relaxed)))))
                .with_pause(Arc::new(|_| {}))
        };
        self.mfas = self.engines.iter().map(driver).collect();
    }

    /// Another policy for a tenant, as after a restart with another configuration.
    pub fn set_policy(&mut self, tenant: usize, policy: Policy) {
        self.policies[tenant] = policy.clone();
        self.engines[tenant] = self.engines[tenant].with_policy(TENANTS[tenant], policy).unwrap();
        self.start();
    }

    pub fn policy(&self, user: usize) -> &Policy {
        &self.policies[self.users[user].tenant]
    }

    /// Whether spent budgets are known from above as well.
    pub fn is_exact(&self) -> bool {
        self.clocks != Clocks::Wild
    }

    pub fn allows(&self, user: usize, kind: FactorKind) -> bool {
        self.policy(user).allows(kind)
    }

    /// What the client of `user` would do next, which it mostly does.
    pub fn then(&mut self, user: usize, choices: &[Next]) {
        self.next = self.chance.pick(choices).map(|next| (user, next));
    }

    /// The call of the host itself.
    pub fn host(&self, user: usize) -> Caller {
        Caller::host(self.users[user].name)
    }

    /// A token as it is presented; `true` where that must not be honoured.
    pub fn present<C: Command>(&mut self, user: usize, token: usize) -> (Caller, bool) {
        let known = &self.users[user];
        let (text, client) = (known.tokens[token].text.clone(), known.tokens[token].client);
        // Bearers need not say which client they are.
        let is_token_endpoint = C::ALLOWS.surface == Surface::Token;
        let (subject, foreign) = match self.chance.below(40) {
            0 => (Subject::Expected("mallory".to_owned()), true),
            1 => (Subject::Expected(USERS[2].to_owned()), known.name != USERS[2]),
            2..20 => (Subject::Expected(known.name.to_owned()), false),
            _ => (Subject::FromToken, false),
        };
        let caller = Caller::token(text, subject);
        match (self.chance.below(60), client) {
            (0, _) => (caller.client("other"), true),
            (1, Some(_)) => (caller, foreign || is_token_endpoint),
            (_, Some(client)) => (caller.client(client), foreign),
            (_, None) => (caller, foreign),
        }
    }

    pub fn fate(&self, user: usize, token: usize) -> Fate {
        self.users[user].token_fate(token, self.now_ms)
    }
}

fn key(first: u8) -> [u8; 32] {
    std::array::from_fn(|index| first.wrapping_add(u8::try_from(index).unwrap()))
}

/// The seed of an operation: bytes 0 to 15 never repeat.
fn entropy(number: u64) -> [u8; 32] {
    let mut seed = [0x5e; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    seed[16..24].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    seed
}
