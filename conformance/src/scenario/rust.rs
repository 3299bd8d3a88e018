//! Runners over the Rust drivers, and over the bare loop of an operation.

use std::collections::BTreeMap;
use std::sync::Arc;

use mfacore::drivers::{blocking, nonblocking};
use mfacore::store::{Memory, Store, Swapped};
use mfacore::{Caller, Engine, Finished, KeyRing, Operation, Outcome, Policy, Replied, Want};

use super::{CallRequest, CallResponse, Fault, FaultyStore, Runner, RunnerFactory};

/// The root key of every scenario.
const ROOT: [u8; 32] = *b"the key that all scenarios share";
/// The naming key of every scenario.
const NAMING: [u8; 32] = *b"the naming key of all scenarios.";

type SharedStore = Arc<FaultyStore<Box<dyn Store>>>;
type OpenStore = Box<dyn Fn() -> Result<Box<dyn Store>, String>>;

/// Engines of a scenario's tenants over one store.
struct Deployment {
    engines: BTreeMap<String, Engine>,
    store: SharedStore,
}

impl Deployment {
    fn new(policies: &BTreeMap<String, String>, store: Box<dyn Store>) -> Result<Self, String> {
        let text = |error: mfacore::ConfigError| error.to_string();
        let policy = |json: &String| Policy::from_json(json).map_err(text);
        let own = policies.get("").ok_or("a scenario needs a policy")?;
        let keys = KeyRing::new(1, ROOT).and_then(|keys| keys.with_naming_key(NAMING)).map_err(text)?;
        let first = Engine::new(keys, policy(own)?).map_err(text)?;
        let mut engines = BTreeMap::from([(String::new(), first.clone())]);
        for (tenant, json) in policies.iter().filter(|(tenant, _)| !tenant.is_empty()) {
            engines.insert(tenant.clone(), first.with_policy(tenant, policy(json)?).map_err(text)?);
        }
        Ok(Self { engines, store: Arc::new(FaultyStore::new(store)) })
    }

    fn operation(&self, request: &CallRequest) -> Result<(Engine, Operation<Replied>), String> {
        let engine = self.engines.get(&request.tenant).ok_or("a tenant without a policy")?;
        let caller: Caller =
            serde_json::from_str(&request.caller).map_err(|error| format!("caller: {error}"))?;
        let operation = engine.call(&request.name, &request.body, caller, request.now_ms, request.seed);
        Ok((engine.clone(), operation))
    }
}

fn respond(finished: Finished<Replied>) -> Result<CallResponse, String> {
    let (outcome, status, body) = finished.response();
    let json = |value: serde_json::Result<serde_json::Value>| value.map_err(|error| error.to_string());
    let mut events = Vec::new();
    for event in &finished.events {
        let event = json(serde_json::to_value(event))?;
        events.push(event["event"].as_str().unwrap_or_default().to_owned());
    }
    let deliveries = finished.deliveries.iter().map(|delivery| json(serde_json::to_value(delivery)));
    let deliveries = deliveries.collect::<Result<_, _>>()?;
    let verified = finished.result.ok().and_then(|replied| replied.verified);
    Ok(CallResponse {
        outcome: outcome_name(outcome).to_owned(),
        status,
        body: body.expose().to_owned(),
        events,
        deliveries,
        verified_user: verified.map(|verified| verified.user().to_owned()),
    })
}

fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::None => "none",
        Outcome::Done => "done",
        Outcome::Required => "required",
        Outcome::Denied => "denied",
        Outcome::Confirmed => "confirmed",
        Outcome::Granted => "granted",
    }
}

macro_rules! runner {
    ($(#[$doc:meta])* $runner:ident, $drive:expr) => {
        $(#[$doc])*
        pub struct $runner {
            name: String,
            open: OpenStore,
        }

        impl std::fmt::Debug for $runner {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.name)
            }
        }

        impl $runner {
            /// The runner on stores in memory.
            pub fn in_memory(name: &str) -> Self {
                Self::on(name, Box::new(|| Ok(Box::new(Memory::new()))))
            }

            /// The runner on stores that `open` makes, an empty one each.
            pub fn on(name: &str, open: OpenStore) -> Self {
                Self { name: name.to_owned(), open }
            }
        }

        impl RunnerFactory for $runner {
            fn name(&self) -> &str {
                &self.name
            }

            fn runner(&self, policies: &BTreeMap<String, String>) -> Result<Box<dyn Runner>, String> {
                struct Running(Deployment);
                impl Runner for Running {
                    fn call(&self, request: &CallRequest) -> Result<CallResponse, String> {
                        let (engine, operation) = self.0.operation(request)?;
                        let drive: fn(Engine, SharedStore, Operation<Replied>) -> Finished<Replied> = $drive;
                        respond(drive(engine, self.0.store.clone(), operation))
                    }

                    fn inject(&self, faults: &[Fault]) {
                        self.0.store.inject(faults);
                    }
                }
                Ok(Box::new(Running(Deployment::new(policies, (self.open)()?)?)))
            }
        }
    };
}

runner!(
    /// Through `drivers::blocking`.
    BlockingRunner,
    |engine, store, operation| blocking::Mfa::new(engine, store).with_pause(Arc::new(|_| {})).drive(operation)
);

runner!(
    /// Through `drivers::nonblocking`.
    NonblockingRunner,
    |engine, store, operation| {
        let mfa = nonblocking::Mfa::new(engine, store, Arc::new(|_| Box::pin(std::future::ready(()))));
        pollster::block_on(mfa.drive(operation))
    }
);

runner!(
    /// Through the bare loop, as a host with an event loop writes it.
    LoopRunner,
    |_, store, mut operation| loop {
        match operation.want() {
            Want::Load { key, .. } => {
                let found = store.load(key);
                operation.loaded(found);
            }
            Want::Swap { key, write } => {
                let answer: Result<Swapped, _> = store.swap(key, write);
                operation.swapped(answer);
            }
            Want::Done => return operation.finish(),
        }
    }
);
