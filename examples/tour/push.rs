//! A device that is asked: enrolled by a QR code, approving, denying, attacked, removed.

use mfacore::commands::PushDecision;
use mfacore::{Caller, Channel, PushMessage, Scopes};
use mfacore_conformance::device::{KeyKind, PushDevice, ScannedTicket};

use crate::authenticator_app::ENROLL;
use crate::expect::Expect;
use crate::stage::{Result, Stage, text};

const PUSH: &str = r#"{"mfa_requirements": {
    "challenge": [{"type": "otp"}, {"type": "push-notification"}, {"type": "recovery-code"}]
}}"#;
const TICKET: &str = r#"{"authenticator_types":["oob"],"oob_channels":["auth0"]}"#;
const ANY: &str = r#"{"challenge_type":"oob"}"#;
const PENDING: &str = r#"{"error": "authorization_pending"}"#;
const EXPIRED: &str = r#"{"error": "expired_token"}"#;

/// A push on its way, and what the login page has of it.
struct Asked {
    push: PushMessage,
    /// The body that polls for the answer.
    poll: String,
    /// What the login page shows.
    number: String,
}

/// The device scans a ticket and brings its key.
pub(crate) fn enroll(stage: &mut Stage) -> Result<PushDevice> {
    stage.title("A device that is asked");
    stage.enter("pia");
    let device = PushDevice::new(KeyKind::Es256, 1);
    let token = stage.require(stage.host(), ENROLL)?;
    let wanted = r#"{"authenticator_type": "oob", "oob_channel": "auth0"}"#;
    let about = "She adds a device: the QR code holds a ticket, and no secret";
    let associated = stage.call(about, "associate", TICKET, stage.bearer(&token), Expect::done(wanted))?;
    let poll = poll(&text(&associated, "/oob_code")?);
    let caller = stage.bearer(&token);
    stage.call("The page waits", "verify_oob", &poll, caller, Expect::denied(400, PENDING))?;
    let scanned = ScannedTicket::parse(&text(&associated, "/barcode_uri")?).ok_or("the URI has no ticket")?;
    let (command, caller) = device.enroll(&scanned.ticket);
    let body = serde_json::to_string(&command)?;
    let about = "The device scans it, makes a key, and signs";
    let wanted = r#"{"confirmation": "number_matching"}"#;
    stage.call(about, "enroll_push_device", &body, caller, Expect::done(wanted))?;
    let about = "The page asks again: confirmed, and she is in";
    stage.call(about, "verify_oob", &poll, stage.bearer(&token), Expect::granted("{}"))?;
    Ok(device)
}

/// A login that the user approves, by the number that the login page shows.
pub(crate) fn approve(stage: &mut Stage, device: &PushDevice) -> Result<()> {
    stage.title("Approving");
    let token = stage.require(stage.host(), PUSH)?;
    let asked = ask(stage, "Her device is asked; the page shows the number", &token)?;
    let caller = stage.bearer(&token);
    stage.call("The page waits", "verify_oob", &asked.poll, caller, Expect::denied(400, PENDING))?;
    answer(stage, "She chooses it among three, and the device signs", device, &asked)?;
    stage.call("She is in", "verify_oob", &asked.poll, stage.bearer(&token), Expect::granted("{}"))?;
    Ok(())
}

/// A login that the user did not begin.
pub(crate) fn deny(stage: &mut Stage, device: &PushDevice) -> Result<()> {
    stage.title("Denying");
    let token = stage.require(stage.host(), PUSH)?;
    let asked = ask(stage, "A thief who has the password has her asked", &token)?;
    let (command, caller) = device.answer(&asked.push, PushDecision::Deny, None);
    let body = serde_json::to_string(&command)?;
    stage.call("It is not her, and she says so", "answer_push", &body, caller, Expect::done("{}"))?;
    let wanted = r#"{"error": "access_denied", "error_description": "MFA Authorization rejected."}"#;
    let caller = stage.bearer(&token);
    stage.call("The thief is out", "verify_oob", &asked.poll, caller, Expect::denied(400, wanted))?;
    let wanted = r#"{"error": "too_many_attempts", "retry_after": 60}"#;
    let about = "Nor can he ask until she gives in: a pause, which doubles each time";
    stage.call(about, "challenge", ANY, stage.bearer(&token), Expect::denied(429, wanted))?;
    stage.pass_s(60);
    Ok(())
}

/// Two logins at once: a push that waits is replaced by its own login alone.
pub(crate) fn cross(stage: &mut Stage, device: &PushDevice) -> Result<()> {
    stage.title("Two logins cross");
    let thief = stage.require(stage.host(), PUSH)?;
    let token = stage.require(stage.host(), PUSH)?;
    let first = ask(stage, "She logs in, and her device is asked", &token)?;
    let wanted = r#"{"error": "too_many_attempts", "retry_after": 300}"#;
    let about = "A thief's push does not take the place of hers";
    stage.call(about, "challenge", ANY, stage.bearer(&thief), Expect::denied(429, wanted))?;
    let second = ask(stage, "She asks anew, and may: it is the same login", &token)?;
    let (command, caller) = device.answer(&first.push, PushDecision::Deny, None);
    let body = serde_json::to_string(&command)?;
    stage.call("The first one is dead", "answer_push", &body, caller, Expect::denied(403, EXPIRED))?;
    answer(stage, "She answers the second", device, &second)?;
    stage.call("She is in", "verify_oob", &second.poll, stage.bearer(&token), Expect::granted("{}"))?;
    Ok(())
}

/// The push and the one-time passwords of its device go together.
pub(crate) fn remove(stage: &mut Stage, device: &PushDevice) -> Result<()> {
    stage.title("Removing a pair");
    stage.pass_s(60);
    let token = stage.require(stage.host().mfa_audience(Scopes::ALL), PUSH)?;
    let asked = ask(stage, "Her device is asked", &token)?;
    answer(stage, "She approves", device, &asked)?;
    let about = "She gets an access token of the MFA audience";
    let caller = stage.bearer(&token);
    let granted = stage.call(about, "verify_oob", &asked.poll, caller, Expect::granted("{}"))?;
    let access = text(&granted, "/access_token")?;
    let pair = r#"[{"type": "push-notification", "name": "device 1"}, {"type": "otp"}, {}]"#;
    let about = "One device, two authenticators: it computes one-time passwords, too";
    let listed = stage.call(about, "list_authenticators", "{}", stage.bearer(&access), Expect::done(pair))?;
    let later = stage.require(stage.host(), PUSH)?;
    let waiting = ask(stage, "A push waits for its answer", &later)?;
    let body = format!(r#"{{"authenticator_id":"{}"}}"#, text(&listed, "/1/id")?);
    let about = "She removes the one-time passwords, and with them the push";
    stage.call(about, "remove_authenticator", &body, stage.bearer(&access), Expect::removed())?;
    let (body, caller) = approval(device, &waiting)?;
    stage.call("What waited is dead", "answer_push", &body, caller, Expect::denied(403, EXPIRED))?;
    stage.require(stage.host(), ENROLL)?;
    Ok(())
}

/// Challenges the device.
fn ask(stage: &mut Stage, about: &str, token: &str) -> Result<Asked> {
    let wanted = r#"{"challenge_type": "oob", "oob_channel": "auth0", "name": "device 1"}"#;
    let expected = Expect::done(wanted).sends(Channel::Push);
    let challenged = stage.call(about, "challenge", ANY, stage.bearer(token), expected)?;
    let (poll, number) = (poll(&text(&challenged, "/oob_code")?), text(&challenged, "/number")?);
    Ok(Asked { push: stage.push_sent()?, poll, number })
}

/// The user approves.
fn answer(stage: &mut Stage, about: &str, device: &PushDevice, asked: &Asked) -> Result<()> {
    let (body, caller) = approval(device, asked)?;
    stage.call(about, "answer_push", &body, caller, Expect::done("{}"))?;
    Ok(())
}

fn approval(device: &PushDevice, asked: &Asked) -> Result<(String, Caller)> {
    let (command, caller) = device.approve(&asked.push, Some(&asked.number));
    Ok((serde_json::to_string(&command)?, caller))
}

fn poll(oob_code: &str) -> String {
    format!(r#"{{"oob_code":"{oob_code}"}}"#)
}
