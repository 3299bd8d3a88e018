//! Addresses that the host verified: authenticators that nobody enrolled (CONTRACT section 4, rule 2).

use minicbor::{CborLen, Decode, Encode};

use super::Record;
use super::enrollment::{Enrollment, Factor};
use super::life_cycle::{EnrollmentEvent, EnrollmentStage};
use crate::destination::EmailAddress;

/// A verified address. It cannot be removed; it goes when the host does not list it any more.
#[derive(Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub(crate) struct KnownEmail {
    #[n(0)]
    pub(crate) enrollment: Enrollment,
    /// When it becomes active, milliseconds since 1970; `None`: not before it is enrolled.
    #[n(1)]
    pub(crate) active_from_ms: Option<u64>,
}

impl KnownEmail {
    /// Where it is in the life of an enrollment.
    pub(crate) fn stage(&self, is_established: bool, now_ms: u64) -> EnrollmentStage {
        let stage = if is_established { EnrollmentStage::Inactive } else { EnrollmentStage::Active };
        match self.active_from_ms.filter(|from_ms| *from_ms <= now_ms) {
            Some(_) => stage.on(EnrollmentEvent::DelayOver).unwrap_or(stage),
            None => stage,
        }
    }
}

impl Record {
    /// Verified addresses of which none was enrolled as well: an enrolled one stands for itself.
    pub(crate) fn implicit_emails(&self) -> impl DoubleEndedIterator<Item = &KnownEmail> + Clone {
        self.emails.iter().filter(|known| !self.has_enrolled_email(&known.enrollment))
    }

    fn has_enrolled_email(&self, known: &Enrollment) -> bool {
        self.enrollments.iter().any(|enrollment| {
            matches!((&enrollment.factor, &known.factor), (Factor::Email(one), Factor::Email(other)) if one == other)
        })
    }

    /// Whether the host has told of this address already.
    pub(crate) fn knows_email(&self, address: &EmailAddress) -> bool {
        self.emails.iter().any(|known| known.enrollment.email() == Some(address))
    }

    /// The user is established from now on: addresses from before are not new.
    pub(crate) fn activate_emails(&mut self) {
        self.emails.iter_mut().for_each(|known| known.active_from_ms = Some(0));
    }
}
