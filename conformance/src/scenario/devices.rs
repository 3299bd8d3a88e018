//! What the user's devices compute: the codes of an app, and what a push device would send.

use mfacore::PushMessage;
use mfacore::otp::{OtpauthUri, Seed, Totp};
use serde::Serialize;
use serde_json::{Value, json};

use super::matching::{Saved, fill, fill_text};
use super::{AnswerPushStep, ScanStep, TotpOf};
use crate::device::{KeyKind, PushDevice, ScannedTicket};

/// A code of the user's app, computed from the shown secret alone.
pub(super) fn code(of: &TotpOf, saved: &Saved, now_ms: u64) -> Result<String, String> {
    let secret = fill_text(&of.secret, saved)?;
    let seed = match secret.starts_with("otpauth:") {
        true => OtpauthUri::parse(&secret).map(|uri| uri.seed().clone()).map_err(|error| error.to_string()),
        false => Seed::from_base32(&secret).map_err(|error| error.to_string()),
    };
    let totp = Totp::default();
    let step = totp.step(now_ms).checked_sub(of.back).ok_or("a step before 1970")?;
    let code = totp.generate(&seed?, step).to_text();
    let number: u32 = code.expose().parse().map_err(|_| "a code that is no number")?;
    Ok(format!("{:06}", number.wrapping_add(of.off_by) % 1_000_000))
}

/// What a device sends that scanned a ticket.
pub(super) fn enroll(step: &ScanStep, saved: &Saved) -> Result<Value, String> {
    let scanned = ScannedTicket::parse(&fill_text(&step.scan, saved)?).ok_or("a QR code without a ticket")?;
    let (command, _) = device(step.device).enroll(&scanned.ticket);
    sent(scanned.ticket.expose(), command)
}

/// What a device sends whose user answered a push.
pub(super) fn answer(step: &AnswerPushStep, saved: &Saved) -> Result<Value, String> {
    let push = fill(&step.answer_push, saved)?;
    let push: PushMessage = serde_json::from_value(push).map_err(|error| format!("no push: {error}"))?;
    let number = step.number.as_ref().map(|number| fill_text(number, saved)).transpose()?;
    let (command, _) = device(step.device).answer(&push, step.decision, number.as_deref());
    sent(push.transaction_token.expose(), command)
}

/// Ed25519 alone: a scenario needs signatures that are the same in every language.
fn device(number: u8) -> PushDevice {
    PushDevice::new(KeyKind::Ed25519, number)
}

fn sent(token: &str, command: impl Serialize) -> Result<Value, String> {
    let body = serde_json::to_value(command).map_err(|error| error.to_string())?;
    Ok(json!({"token": token, "body": body}))
}
