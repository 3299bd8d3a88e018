//! Scenarios: conversations with the engine as data, so that every driver and every binding is known to
//! agree.
//!
//! A scenario is a JSON file: a policy, a start time, and steps that are taken in order.
//!
//! ```json
//! {
//!   "about": "what it shows",
//!   "policy": {"profile": "recommended"},
//!   "tenants": {"acme": {"profile": "asvs_l2"}},
//!   "start_ms": 1767225600000,
//!   "steps": [
//!     {"call": "require", "caller": {"authority": {"host": "ann"}}, "body": {},
//!      "reply": {"outcome": "required", "status": 403, "body": {"error": "mfa_required", "mfa_token": "*"}},
//!      "events": ["enrollment_started"], "save": {"token": "/mfa_token"},
//!      "deliveries": [{"channel": "sms", "content": {"code": "*"}}], "save_delivery": {"code": "/0/content/code"}},
//!     {"pass_ms": 30000},
//!     {"totp": {"secret": "${secret}", "back": 0}, "save_as": "code"},
//!     {"scan": "${barcode_uri}", "device": 1, "save": {"ticket": "/token", "body": "/body"}},
//!     {"answer_push": "${push}", "device": 1, "decision": "approve", "number": "${number}", "save": {"body": "/body"}},
//!     {"faults": ["swap_lands_and_fails"]},
//!     {"parallel": 8, "call": "verify_otp", "caller": {}, "body": {}, "outcomes": {"granted": 1, "denied": 7}}
//!   ]
//! }
//! ```
//!
//! A reply matches where every member that is named is there and matches; `"*"` is any value, `null` is none;
//! lists match element by element. Deliveries are a list of `mfacore::Delivery` as JSON and match the same way:
//! `[]` says that nothing goes out, a step without the member does not say. `${name}` stands for a saved value:
//! in a longer text as text, and a text that is one placeholder and nothing else is the value itself, an object
//! too. The seed of a call is derived from the scenario's name, the call's index and its lane, so that every
//! runner gets the same tokens, secrets and bytes.
//!
//! The push device of number `n` has an Ed25519 key (RFC 8032) whose secret is the 32 bytes `31 n + 1`,
//! `31 n + 2` and so on, each modulo 256, the name `device n` and the push address `push-service:device n`.
//! `scan` and `answer_push` make no call: what the device would send is `{"token": .., "body": ..}`, of which
//! `save` keeps parts, and a call step sends it. What a device signs is at `mfacore::commands::EnrollPushDevice`
//! and `mfacore::commands::AnswerPush`.
//!
//! Every runner seals under the same ring: root key 1 is the 32 bytes `the key that all scenarios share`, the
//! naming key `the naming key of all scenarios.`

mod devices;
mod faulty_store;
mod matching;
mod play;
mod rust;

use std::collections::BTreeMap;

use mfacore::commands::PushDecision;
use serde::Deserialize;
use serde_json::Value;

pub use faulty_store::{Fault, FaultyStore};
pub use play::{Played, play};
pub use rust::{BlockingRunner, LoopRunner, NonblockingRunner};

/// A conversation with the engine.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows.
    pub about: String,
    /// The policy of the tenant without a name.
    pub policy: Value,
    /// The policies of further tenants.
    #[serde(default)]
    pub tenants: BTreeMap<String, Value>,
    /// The time at which it starts, milliseconds since 1970.
    pub start_ms: u64,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One step of a [`Scenario`].
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Step {
    /// A call, once or by several at once.
    Call(Box<CallStep>),
    /// Time passes.
    Pass(PassStep),
    /// A code is computed, as the user's app does it.
    Totp(TotpStep),
    /// A push device scans a ticket.
    Scan(ScanStep),
    /// The user of a push device answers a push.
    AnswerPush(AnswerPushStep),
    /// The store misbehaves at its next calls.
    Faults(FaultStep),
}

/// A call.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallStep {
    /// The command's name.
    pub call: String,
    /// The tenant; the one without a name where left out.
    #[serde(default)]
    pub tenant: String,
    /// The caller, as `mfacore::Caller` is written in JSON.
    pub caller: Value,
    /// The body.
    #[serde(default = "empty_object")]
    pub body: Value,
    /// What the reply must be.
    #[serde(default)]
    pub reply: Option<ExpectedReply>,
    /// The names of the events, in order.
    #[serde(default)]
    pub events: Option<Vec<String>>,
    /// Values of the reply's body to keep: name to JSON pointer.
    #[serde(default)]
    pub save: BTreeMap<String, String>,
    /// What must go out, all of it and in order, by all lanes of a parallel call together; not looked at where
    /// left out.
    #[serde(default)]
    pub deliveries: Option<Vec<Value>>,
    /// Values of the list of deliveries to keep: name to JSON pointer. None of a parallel call.
    #[serde(default)]
    pub save_delivery: BTreeMap<String, String>,
    /// How many make the call at once; once where left out.
    #[serde(default)]
    pub parallel: Option<u32>,
    /// How often each outcome must come of a parallel call.
    #[serde(default)]
    pub outcomes: BTreeMap<String, u32>,
}

/// What a reply must be.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedReply {
    /// The outcome's name.
    pub outcome: String,
    /// The HTTP status.
    pub status: u16,
    /// Members that the body must have.
    #[serde(default = "empty_object")]
    pub body: Value,
}

/// Time passes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassStep {
    /// How much, milliseconds; negative where a clock is set back.
    pub pass_ms: i64,
}

/// A code is computed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TotpStep {
    /// Of which secret, and when.
    pub totp: TotpOf,
    /// The name that the code is saved under.
    pub save_as: String,
}

/// What a code is computed of.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TotpOf {
    /// The secret in base32, or the `otpauth` URI that holds it.
    pub secret: String,
    /// Steps before the current one.
    #[serde(default)]
    pub back: u64,
    /// A number that is added to the code, to make it wrong.
    #[serde(default)]
    pub off_by: u32,
}

/// A push device scans a ticket: gives the ticket and the body of `enroll_push_device`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScanStep {
    /// The URI in the QR code.
    pub scan: String,
    /// The device's number.
    pub device: u8,
    /// Values of `{"token": .., "body": ..}` to keep: name to JSON pointer.
    pub save: BTreeMap<String, String>,
}

/// The user of a push device answers a push: gives the transaction token and the body of `answer_push`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerPushStep {
    /// The push, whole, as it was delivered: a saved `/0/content/push`.
    pub answer_push: Value,
    /// The device's number.
    pub device: u8,
    /// What the user decides.
    pub decision: PushDecision,
    /// The number that the user chooses or types.
    #[serde(default)]
    pub number: Option<String>,
    /// Values of `{"token": .., "body": ..}` to keep: name to JSON pointer.
    pub save: BTreeMap<String, String>,
}

/// The store misbehaves.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultStep {
    /// How, at the next calls of their kind.
    pub faults: Vec<Fault>,
}

fn empty_object() -> Value {
    Value::Object(serde_json::Map::new())
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// A text that says what is wrong with it.
    pub fn parse(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }
}

/// One call, as a runner gets it.
#[derive(Clone, Debug)]
pub struct CallRequest {
    /// The tenant; empty for the one without a name.
    pub tenant: String,
    /// The command's name.
    pub name: String,
    /// The caller, as JSON.
    pub caller: String,
    /// The body, as JSON.
    pub body: String,
    /// The time, milliseconds since 1970.
    pub now_ms: u64,
    /// The operation's seed.
    pub seed: [u8; 32],
}

/// What a runner got for a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallResponse {
    /// The outcome's name: `none`, `done`, `required`, `denied`, `confirmed` or `granted`.
    pub outcome: String,
    /// The HTTP status.
    pub status: u16,
    /// The body as JSON; empty where there is none.
    pub body: String,
    /// The names of the events, in order.
    pub events: Vec<String>,
    /// What is to be sent: each `mfacore::Delivery` as JSON, in order.
    pub deliveries: Vec<Value>,
    /// The user whom the proof of a login names.
    pub verified_user: Option<String>,
}

/// A way to make calls of an engine: a driver, or a binding. Lanes of a parallel step call it at once.
pub trait Runner: Sync {
    /// Runs one call to its end.
    ///
    /// # Errors
    /// A text, where the runner itself failed.
    fn call(&self, request: &CallRequest) -> Result<CallResponse, String>;

    /// Makes the runner's store misbehave at its next calls.
    fn inject(&self, faults: &[Fault]);
}

/// Makes a runner with an empty store for a scenario.
pub trait RunnerFactory {
    /// The column in the table.
    fn name(&self) -> &str;

    /// A runner for the policies of a scenario, as JSON by tenant; the tenant without a name is among them.
    ///
    /// # Errors
    /// A text, where a policy is refused or a store cannot be had.
    fn runner(&self, policies: &BTreeMap<String, String>) -> Result<Box<dyn Runner>, String>;
}
