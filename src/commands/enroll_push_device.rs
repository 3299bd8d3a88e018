//! The device's half of enrolling push: it scans the ticket and brings its key.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};

use super::associate::otpauth_uri;
use super::{Allows, Command, DeviceToken};
use crate::context::{Bearer, Context};
use crate::crypto::device_key::{DeviceKey, PublicKey};
use crate::crypto::frame;
use crate::crypto::secret::SecretString;
use crate::denial::DenialCode;
use crate::error::Error;
use crate::event::{EventKind, FailureReason};
use crate::limits::DEVICE_FIELD_BYTES_MAX;
use crate::policy::PushConfirmation;
use crate::record::Record;
use crate::record::authenticator::{AuthenticatorKind, Suffix};
use crate::record::enrollment::{Device, Enrollment, Push};
use crate::record::life_cycle::{ChallengeEvent, ChallengeStage, EnrollmentEvent, EnrollmentStage};
use crate::reply::{Outcome, Refusal, Reply};

/// Enrolls the device that scanned the ticket, which is the caller's token.
///
/// The same key again, while the ticket lives, gets the same answer. Another key means that two devices saw the
/// QR code: the enrollment is dead, confirmed or not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EnrollPushDevice {
    /// What the user knows the device by: 1 to 64 characters, none of them a control character.
    pub name: String,
    /// The key whose private half never leaves the device, as a JSON Web Key: Ed25519 or P-256.
    pub public_key: PublicKey,
    /// Where the host's push service reaches the device, at most 512 bytes; opaque to the engine.
    pub push_address: SecretString,
    /// Over [`EnrollPushDevice::signed`], by the key that is enrolled; base64url without padding.
    pub signature: String,
}

impl EnrollPushDevice {
    /// What the device signs: the parts `mfacore/enroll push device/0`, the ticket's text, `x` and, for P-256,
    /// `y` of the key, name and push address, each behind its length in four bytes, big-endian.
    pub fn signed(ticket: &str, public_key: &PublicKey, name: &str, push_address: &str) -> Vec<u8> {
        let y = public_key.y.as_deref().unwrap_or_default();
        let label = b"mfacore/enroll push device/0";
        let (ticket, x) = (ticket.as_bytes(), public_key.x.as_bytes());
        frame(&[label, ticket, x, y.as_bytes(), name.as_bytes(), push_address.as_bytes()])
    }
}

/// What the device keeps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PushDeviceEnrolled {
    /// The push authenticator.
    pub authenticator_id: String,
    /// Its one-time-password authenticator.
    pub otp_authenticator_id: String,
    /// The secret of the one-time passwords that the device computes for logins without a network, as an
    /// `otpauth` URI.
    pub barcode_uri: SecretString,
    /// How the user approves a push.
    pub confirmation: PushConfirmation,
}

impl Reply for PushDeviceEnrolled {
    fn outcome(&self) -> Outcome {
        Outcome::Done
    }
}

impl Command for EnrollPushDevice {
    const NAME: &'static str = "enroll_push_device";
    const ALLOWS: Allows = Allows::device(DeviceToken::Ticket);
    type Reply = PushDeviceEnrolled;

    fn apply(&self, record: &mut Record, context: &mut Context<'_>) -> Result<PushDeviceEnrolled, Refusal> {
        let bearer = context.bearer.ok_or(Error::Misuse("enroll_push_device takes a ticket"))?;
        let device = self.device(bearer, context)?;
        let (suffix, push, stage) =
            ticketed(record, context, bearer).ok_or_else(|| context.deny(DenialCode::TokenExpired))?;
        let event = match &push.device {
            Some(first) if first.key != device.key => EnrollmentEvent::ScannedByOther,
            _ => EnrollmentEvent::Scanned,
        };
        match stage.on(event) {
            None => Err(context.deny(DenialCode::TokenExpired).into()),
            Some(EnrollmentStage::Absent) => {
                kill(record, context, &suffix);
                Err(context.deny(DenialCode::TicketUsed).keeping_change().into())
            }
            // A device that is enrolled already is no second factor, and has seen the ticket.
            Some(EnrollmentStage::Scanned)
                if stage == EnrollmentStage::ToBeScanned && is_enrolled(record, &suffix, &device) =>
            {
                kill(record, context, &suffix);
                let text =
                    "This device is enrolled already: remove it first, or make another key.".to_owned();
                Err(context.deny(DenialCode::InvalidRequest(text)).keeping_change().into())
            }
            Some(EnrollmentStage::Scanned) if stage == EnrollmentStage::ToBeScanned => {
                bring(record, &suffix, device);
                enrolled(record, context, &suffix)
            }
            Some(_) => enrolled(record, context, &suffix),
        }
    }
}

impl EnrollPushDevice {
    /// The device, once the holder of its key has signed.
    fn device(&self, bearer: Bearer<'_>, context: &Context<'_>) -> Result<Device, Refusal> {
        let invalid = |text: &str| Refusal::from(context.deny(DenialCode::InvalidRequest(text.to_owned())));
        let key = DeviceKey::try_from(&self.public_key).map_err(|error| invalid(&error.to_string()))?;
        let address = self.push_address.expose().to_owned();
        let device = Device { key, name: self.name.clone(), address };
        if !device.is_sound() {
            return Err(invalid(
                "name has 1 to 64 characters, push_address at most 512 bytes, neither a control character",
            ));
        }
        let signed = Self::signed(bearer.text.expose(), &self.public_key, &self.name, &device.address);
        if !verifies(&device.key, &signed, &self.signature) {
            return Err(context.deny(DenialCode::InvalidSignature).because(FailureReason::Signature).into());
        }
        Ok(device)
    }
}

/// Whether a signature, in base64url without padding, verifies under a device's key.
pub(super) fn verifies(key: &DeviceKey, signed: &[u8], signature: &str) -> bool {
    signature.len() <= DEVICE_FIELD_BYTES_MAX
        && Base64UrlUnpadded::decode_vec(signature).is_ok_and(|signature| key.verify(signed, &signature))
}

/// The enrollment that holds the ticket, wherever it is in its life.
fn ticketed(
    record: &Record,
    context: &Context<'_>,
    bearer: Bearer<'_>,
) -> Option<(Suffix, Push, EnrollmentStage)> {
    let of = |enrollment: &Enrollment, stage| {
        let push =
            enrollment.push().filter(|push| push.ticket.is_some_and(|ticket| *ticket == bearer.token.id))?;
        Some((enrollment.suffix, push.clone(), stage))
    };
    let mut pending = record.live_pending(context.now_ms);
    let pending = pending.find_map(|pending| of(&pending.enrollment, pending.stage()));
    pending.or_else(|| record.enrollments.iter().find_map(|e| of(e, context.stage(e))))
}

/// Whether another enrollment holds the device's key.
fn is_enrolled(record: &Record, suffix: &Suffix, device: &Device) -> bool {
    let is_held = |held: &Device| held.key == device.key;
    record.all_enrollments().any(|other| other.suffix != *suffix && other.device().is_some_and(is_held))
}

/// The device is there: the enrollment's poll finds it.
fn bring(record: &mut Record, suffix: &Suffix, device: Device) {
    for pending in record.pending.iter_mut().filter(|pending| pending.enrollment.suffix == *suffix) {
        if let Some(push) = pending.enrollment.push_mut() {
            push.device = Some(device.clone());
        }
    }
    let is_waiting = |challenge: &&mut crate::record::challenge::Challenge| {
        challenge.suffix == *suffix && challenge.stage() == ChallengeStage::ToBeScanned
    };
    for challenge in record.challenges.iter_mut().filter(is_waiting) {
        challenge.advance(ChallengeEvent::Scan);
    }
}

/// Somebody photographed the QR code, and nobody can tell who was first. The user stays established, as after a
/// removal by the host: a password alone must not enroll anew.
fn kill(record: &mut Record, context: &mut Context<'_>, suffix: &Suffix) {
    if record.remove_pending(suffix).is_none() {
        record.remove_enrollment(suffix);
        record.raise_epoch();
    }
    let authenticator = AuthenticatorKind::Push.id(suffix);
    context.event(EventKind::EnrollmentFailed { authenticator, reason: FailureReason::TicketUsed });
}

fn enrolled(record: &Record, context: &Context<'_>, suffix: &Suffix) -> Result<PushDeviceEnrolled, Refusal> {
    let mut all = record.all_enrollments();
    let enrollment = all.find(|enrollment| enrollment.suffix == *suffix);
    let enrollment = enrollment.ok_or(Error::Misuse("what was scanned is gone"))?;
    let otp = enrollment.otp().ok_or(Error::Corrupt)?;
    let otp_authenticator = enrollment.authenticator(AuthenticatorKind::Totp);
    Ok(PushDeviceEnrolled {
        authenticator_id: enrollment.authenticator_id(),
        otp_authenticator_id: otp_authenticator.map(|own| own.id()).unwrap_or_default(),
        barcode_uri: otpauth_uri(context, otp)?,
        confirmation: context.policy.push.confirmation,
    })
}
