//! Plays a scenario through a runner.

use std::collections::BTreeMap;

use serde_json::Value;

use super::devices;
use super::matching::{Saved, difference, fill};
use super::{CallRequest, CallResponse, CallStep, Runner, RunnerFactory, Scenario, Step};

/// What came of a scenario: every response, so that two runs can be compared to the byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Played {
    /// The responses to the calls, in order, up to the first parallel step: who wins it decides what comes
    /// after.
    pub responses: Vec<CallResponse>,
}

struct Stage<'a> {
    runner: &'a dyn Runner,
    name: &'a str,
    now_ms: u64,
    calls: u32,
    saved: Saved,
    responses: Vec<CallResponse>,
    was_parallel: bool,
}

/// Plays `scenario`; `name` seeds it.
///
/// # Errors
/// A text that names the step and what differed.
pub fn play(name: &str, scenario: &Scenario, factory: &dyn RunnerFactory) -> Result<Played, String> {
    let own = (String::new(), scenario.policy.to_string());
    let others = scenario.tenants.iter().map(|(tenant, policy)| (tenant.clone(), policy.to_string()));
    let runner = factory.runner(&others.chain([own]).collect())?;
    let mut stage = Stage {
        runner: &*runner,
        name,
        now_ms: scenario.start_ms,
        calls: 0,
        saved: Saved::new(),
        responses: Vec::new(),
        was_parallel: false,
    };
    for (index, step) in scenario.steps.iter().enumerate() {
        stage.take(step).map_err(|text| format!("{name}, step {index}: {text}"))?;
    }
    Ok(Played { responses: stage.responses })
}

impl Stage<'_> {
    fn take(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Pass(pass) => {
                let now_ms = self.now_ms.checked_add_signed(pass.pass_ms);
                self.now_ms = now_ms.ok_or("time passed its bounds")?;
            }
            Step::Totp(totp) => {
                let code = devices::code(&totp.totp, &self.saved, self.now_ms)?;
                self.saved.insert(totp.save_as.clone(), code.into());
            }
            Step::Scan(scan) => self.save(&scan.save, &devices::enroll(scan, &self.saved)?)?,
            Step::AnswerPush(answer) => self.save(&answer.save, &devices::answer(answer, &self.saved)?)?,
            Step::Faults(faults) => self.runner.inject(&faults.faults),
            Step::Call(call) => match call.parallel {
                Some(lanes) => self.call_at_once(call, lanes)?,
                None => self.call(call)?,
            },
        }
        Ok(())
    }

    /// Keeps values of `from`, by JSON pointer.
    fn save(&mut self, save: &BTreeMap<String, String>, from: &Value) -> Result<(), String> {
        for (name, pointer) in save {
            let value = from.pointer(pointer).ok_or_else(|| format!("{pointer} is not in {from}"))?;
            self.saved.insert(name.clone(), value.clone());
        }
        Ok(())
    }

    fn request(&mut self, call: &CallStep, lane: u32) -> Result<CallRequest, String> {
        Ok(CallRequest {
            tenant: call.tenant.clone(),
            name: call.call.clone(),
            caller: fill(&call.caller, &self.saved)?.to_string(),
            body: fill(&call.body, &self.saved)?.to_string(),
            now_ms: self.now_ms,
            seed: seed(self.name, self.calls, lane),
        })
    }

    fn call(&mut self, call: &CallStep) -> Result<(), String> {
        let request = self.request(call, 0)?;
        self.calls += 1;
        let response = self.runner.call(&request)?;
        let body: Value = match response.body.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text).map_err(|error| format!("the body is no JSON: {error}"))?,
        };
        let whole = format!("{} {} {}", response.outcome, response.status, response.body);
        if let Some(expected) = &call.reply {
            if (&expected.outcome, expected.status) != (&response.outcome, response.status) {
                return Err(format!("should be {} {}, and is {whole}", expected.outcome, expected.status));
            }
            if let Some(text) = difference(&fill(&expected.body, &self.saved)?, Some(&body), "body")
                .filter(|_| expected.body != super::empty_object())
            {
                return Err(format!("{text}: {whole}"));
            }
        }
        if call.events.as_ref().is_some_and(|events| *events != response.events) {
            return Err(format!(
                "should leave the events {:?}, and leaves {:?}",
                call.events, response.events
            ));
        }
        if (response.outcome == "granted") != response.verified_user.is_some() {
            return Err(format!("a grant and its proof do not agree: {whole}"));
        }
        let deliveries = Value::Array(response.deliveries.clone());
        self.check_deliveries(call, &deliveries).map_err(|text| format!("{text}, {whole}"))?;
        self.save(&call.save, &body)?;
        self.save(&call.save_delivery, &deliveries)?;
        if !self.was_parallel {
            self.responses.push(response);
        }
        Ok(())
    }

    fn check_deliveries(&self, call: &CallStep, found: &Value) -> Result<(), String> {
        let Some(expected) = &call.deliveries else { return Ok(()) };
        let expected = fill(&Value::Array(expected.clone()), &self.saved)?;
        match difference(&expected, Some(found), "deliveries") {
            Some(text) => Err(format!("{text}: {found}")),
            None => Ok(()),
        }
    }

    fn call_at_once(&mut self, call: &CallStep, lanes: u32) -> Result<(), String> {
        let requests = (0..lanes).map(|lane| self.request(call, lane)).collect::<Result<Vec<_>, _>>()?;
        self.calls += 1;
        self.was_parallel = true;
        let runner = self.runner;
        let responses: Vec<Result<CallResponse, String>> = std::thread::scope(|scope| {
            let lanes: Vec<_> =
                requests.iter().map(|request| scope.spawn(move || runner.call(request))).collect();
            lanes.into_iter().map(|lane| lane.join().map_err(|_| "a lane panicked".to_owned())?).collect()
        });
        let (mut outcomes, mut deliveries) = (BTreeMap::new(), Vec::new());
        for response in responses {
            let response = response?;
            *outcomes.entry(response.outcome).or_insert(0) += 1;
            deliveries.extend(response.deliveries);
        }
        if outcomes != call.outcomes {
            return Err(format!("should come to {:?}, and came to {outcomes:?}", call.outcomes));
        }
        self.check_deliveries(call, &Value::Array(deliveries))
    }
}

/// The seed of a call: 32 bytes that differ by scenario, call and lane. FNV-1a spreads them; they only have
/// to differ.
fn seed(name: &str, call: u32, lane: u32) -> [u8; 32] {
    let mut seed = [0; 32];
    for (index, chunk) in seed.chunks_exact_mut(8).enumerate() {
        let place = [call.to_be_bytes(), lane.to_be_bytes()].concat();
        let bytes = [u8::try_from(index).unwrap_or_default()].into_iter().chain(place).chain(name.bytes());
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        chunk.copy_from_slice(&hash.to_be_bytes());
    }
    seed
}
