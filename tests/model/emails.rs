//! The addresses that the host verified: what it tells, and what they are worth.

use mfacore::policy::ImplicitEmail;
use mfacore::{Caller, Content, Delivery, FactorKind};

use super::model::{Enrollment, Fate, Means, Proof, Stage};
use super::sim::Sim;
use super::user::Known;

impl Sim {
    pub fn has_implicit_email(&self, user: usize) -> bool {
        self.allows(user, FactorKind::Email) && self.policy(user).implicit_email != ImplicitEmail::Off
    }

    /// Whether a verified address that nobody enrolled is worth anything.
    pub fn stands(&self, user: usize, email: &Enrollment) -> Fate {
        let known = &self.users[user];
        if !self.has_implicit_email(user) {
            return Fate::Dead;
        }
        if known.enrolled().any(|(_, other)| other.destination() == email.destination()) {
            return if known.unsure { Fate::Perhaps } else { Fate::Dead };
        }
        let told = known.known.iter().find(|told| Some(told.address.as_str()) == email.destination());
        match told {
            _ if known.unsure || known.known_unsure => Fate::Perhaps,
            None => Fate::Dead,
            Some(told) if told.before || !known.established => Fate::Live,
            Some(told) if told.was_told => Fate::Perhaps,
            Some(_) => Fate::Dead,
        }
    }

    /// Whether a user who has nothing yet must pass a verified address first.
    pub fn email_first(&self, user: usize) -> Fate {
        let known = &self.users[user];
        if known.established && !known.unsure
            || self.policy(user).implicit_email != ImplicitEmail::MustBePassed
        {
            return Fate::Dead;
        }
        self.has_standing_email(user)
    }

    /// Whether there is a verified address that stands in the user's name, disabled or not.
    pub fn has_standing_email(&self, user: usize) -> Fate {
        let known = &self.users[user];
        let of = |e: &Enrollment| match (e.stage, e.implicit, e.vague) {
            (Stage::Gone, ..) => Fate::Dead,
            _ if e.kind != FactorKind::Email || !self.has_implicit_email(user) => Fate::Dead,
            (_, _, true) => Fate::Perhaps,
            (_, true, _) => self.stands(user, e).min(if e.sure { Fate::Live } else { Fate::Perhaps }),
            _ => Fate::Dead,
        };
        let fate = known.enrollments.iter().map(of).max().unwrap_or(Fate::Dead);
        if known.unsure { fate.min(Fate::Perhaps) } else { fate }
    }

    /// Sometimes the host tells which addresses it has verified.
    pub fn tell_emails(&mut self, user: usize, caller: Caller) -> (Caller, Option<Vec<String>>) {
        if self.chance.one_in(50) {
            let known = &mut self.users[user];
            let address = format!("{}{}@acme.example", known.name, self.chance.below(3));
            match known.verified.iter().position(|other| *other == address) {
                Some(at) => drop(known.verified.remove(at)),
                None => known.verified.push(address),
            }
        }
        if self.chance.one_in(2) {
            return (caller, None);
        }
        let told = self.users[user].verified.clone();
        (caller.verified_emails(told.iter().map(String::as_str)), Some(told))
    }

    /// The record is brought up to what the host told, in a call that sent `deliveries`.
    pub fn learn(&mut self, user: usize, told: Option<Vec<String>>, deliveries: &[Delivery]) {
        let delay = self.policy(user).email_delay_ms;
        let was_told = delay.is_some() && deliveries.iter().any(|sent| sent.content == Content::Notice);
        let Some(told) = told.filter(|_| self.has_implicit_email(user)) else { return };
        let known = &mut self.users[user];
        for at in 0..known.enrollments.len() {
            let enrollment = &known.enrollments[at];
            let is_told = told.iter().any(|address| Some(address.as_str()) == enrollment.destination());
            if enrollment.implicit && enrollment.stage == Stage::Active && !is_told {
                known.enrollment_is_gone(at, None);
            } else if enrollment.vague && enrollment.kind == FactorKind::Email && !is_told {
                // Perhaps nobody enrolled it.
                known.doubt_proof(Proof::Enrollment(at));
            }
        }
        known.known.retain(|known| told.contains(&known.address));
        for address in told {
            if known.known.iter().all(|known| known.address != address) {
                known.known.push(Known { address: address.clone(), before: !known.established, was_told });
            }
            let is_there = |e: &Enrollment| {
                let is_known = e.stage == Stage::Active && (e.implicit || e.vague);
                is_known && e.destination() == Some(address.as_str())
            };
            if !known.enrollments.iter().any(is_there) {
                known.enrollments.push(implicit(address));
            }
        }
    }
}

/// A verified address that nobody enrolled; its id is not told.
pub fn implicit(address: String) -> Enrollment {
    Enrollment {
        ids: Vec::new(),
        halves: 1,
        kind: FactorKind::Email,
        means: Means::Email(address),
        stage: Stage::Active,
        sure: true,
        implicit: true,
        vague: false,
        chain: 0,
        expires_ms: 0,
        weak_until_ms: None,
        failures: (0, 0),
        recovery: Vec::new(),
        replaces: None,
    }
}
