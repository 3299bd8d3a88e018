//! The devices' half: scanning tickets, answering pushes.

use mfacore::commands::PushDecision;
use mfacore::otp::{OtpauthUri, Totp};
use mfacore::{DenialCode, NumberEntry, Refusal};
use mfacore_conformance::device::{KeyKind, PushDevice};

use super::model::{App, Enrollment, Fate, Means, Stage, Waits};
use super::sim::{Next, Sim};
use super::spend::Refused;

fn device(seed: u8) -> PushDevice {
    let kind = if seed.is_multiple_of(4) { KeyKind::Es256 } else { KeyKind::Ed25519 };
    PushDevice::new(kind, seed)
}

/// Whether a refused scan is the end of its enrollment.
pub fn ends_ticket(code: &DenialCode) -> bool {
    matches!(code, DenialCode::TicketUsed | DenialCode::InvalidRequest(_))
}

impl Sim {
    /// A device scans a ticket: mostly the first one, sometimes it again, sometimes another.
    pub fn scan(&mut self, user: usize) {
        let known = &self.users[user];
        let tickets: Vec<usize> = (0..known.enrollments.len())
            .filter(|at| matches!(known.enrollments[*at].means, Means::Push { ticket: Some(_), .. }))
            .collect();
        let recent = tickets.len().saturating_sub(2);
        let picked = match self.chance.percent(80) {
            true => self.chance.pick(&tickets[recent..]),
            false => self.chance.pick(&tickets),
        };
        let Some(at) = picked else { return self.associate(user) };
        let known = &self.users[user];
        let enrollment = &known.enrollments[at];
        let Means::Push { ticket: Some((ticket, good)), device: own, .. } = &enrollment.means else { return };
        let (ticket, good, own) = (ticket.clone(), *good, *own);
        let (stage, sure) = (enrollment.stage, enrollment.sure);
        let is_other = self.chance.one_in(12);
        let seed = match own {
            Some(own) if !is_other => own,
            _ if self.chance.one_in(8) => self.some_device(user),
            _ => u8::try_from(self.chance.below(250)).unwrap(),
        };
        let scan = self.users[user].challenges.iter().find(|c| c.enrollment == at && c.push.is_none());
        let time = match scan.map(|scan| (scan.issued_ms, scan.expires_ms)) {
            None => Fate::Perhaps,
            Some((from_ms, until_ms)) if self.now_ms >= until_ms || from_ms > self.now_ms + 300_000 => {
                Fate::Dead
            }
            Some((_, until_ms)) if self.users[user].seen_ms.1 >= until_ms => Fate::Perhaps,
            Some(_) => Fate::Live,
        };
        let held = match (stage, sure && !self.users[user].unsure) {
            (Stage::Gone, _) => Fate::Dead,
            (_, false) => Fate::Perhaps,
            (Stage::Active, true) => Fate::Live,
            (Stage::Pending, true) if self.users[user].enrollments[at].expires_ms > self.now_ms => Fate::Live,
            (Stage::Pending, true) => Fate::Perhaps,
        };
        let free = self.is_free(user, at, seed);
        let fate = time.min(held).min(good).min(free);
        let (command, caller) = device(seed).enroll(&ticket);
        self.moves.say(format!("scan {user} enrollment {at} {stage:?} by {seed} of {own:?} {fate:?}"));
        let done = self.run(user, command, caller);
        let past = done.is_of_the_past();
        match &done.result {
            Ok(enrolled) => {
                assert!(fate != Fate::Dead || past, "a dead ticket enrolls");
                let is_known = own.is_some_and(|own| own != seed) && sure && !past;
                assert!(!is_known, "one ticket, two devices");
                self.tally.count("devices enrolled");
                self.then(user, &[Next::VerifyOob, Next::VerifyOob, Next::Scan]);
                let uri = OtpauthUri::parse(enrolled.barcode_uri.expose()).unwrap();
                let totp =
                    Totp { algorithm: uri.algorithm(), digits: uri.digits(), ..self.policy(user).totp };
                let known = &mut self.users[user];
                let enrollment = &mut known.enrollments[at];
                for id in [&enrolled.authenticator_id, &enrolled.otp_authenticator_id] {
                    if !enrollment.has_id(id) {
                        enrollment.ids.push(id.clone());
                    }
                }
                if let Means::Push { device, app, .. } = &mut enrollment.means {
                    if let Some(app) = app {
                        assert_eq!(app.seed.expose(), uri.seed().expose(), "another secret");
                    } else {
                        let seed = uri.seed().clone();
                        *app = Some(App { seed, totp, spent: None, spent_perhaps: None });
                    }
                    *device = Some(seed);
                }
                let scans = |c: &&mut super::model::Challenge| c.enrollment == at && c.waits == Waits::Scan;
                known.challenges.iter_mut().filter(scans).for_each(|c| c.waits = Waits::Approved);
            }
            // A second device, or one that is a factor already: either has seen the ticket, which is dead.
            Err(Refusal::Denied(denial)) if ends_ticket(&denial.code) => {
                if denial.code == DenialCode::TicketUsed {
                    self.tally.count("tickets scanned twice");
                    assert!(own != Some(seed) || !sure, "the same device kills its enrollment");
                } else {
                    self.tally.count("devices enrolled already");
                    assert!(free != Fate::Live, "a new device is taken for an enrolled one");
                }
                let known = &mut self.users[user];
                let was_active = known.enrollments[at].stage == Stage::Active;
                known.enrollment_is_gone(at, None);
                if !sure || known.unsure {
                    self.lost(user);
                } else if was_active {
                    known.raise_epoch();
                }
                self.look(user);
            }
            Err(Refusal::Denied(denial)) => {
                assert!(fate != Fate::Live || past, "a live ticket was refused: {denial}");
            }
            Err(_) => drop(self.users[user].devices_perhaps.insert(seed)),
        }
        self.settle(user);
    }

    /// A device that the user has already, mostly.
    fn some_device(&mut self, user: usize) -> u8 {
        let of = |e: &Enrollment| match e.means {
            Means::Push { device, .. } if e.stage != Stage::Gone => device,
            _ => None,
        };
        let held: Vec<u8> = self.users[user].enrollments.iter().filter_map(of).collect();
        self.chance.pick(&held).unwrap_or_default()
    }

    /// How sure it is that no other enrollment of the user holds the device.
    fn is_free(&self, user: usize, at: usize, seed: u8) -> Fate {
        let known = &self.users[user];
        let holds = |(other, e): (usize, &Enrollment)| match e.means {
            Means::Push { device: Some(held), .. } if held == seed && other != at => match e.stage {
                Stage::Gone => Fate::Live,
                _ if !e.sure || known.unsure => Fate::Perhaps,
                Stage::Active => Fate::Dead,
                // One that lapsed is there until the next write.
                Stage::Pending if e.expires_ms > self.now_ms.max(known.seen_ms.1) => Fate::Dead,
                Stage::Pending => Fate::Perhaps,
            },
            _ => Fate::Live,
        };
        let free = known.enrollments.iter().enumerate().map(holds).min().unwrap_or(Fate::Live);
        if known.devices_perhaps.contains(&seed) { free.min(Fate::Perhaps) } else { free }
    }

    /// A device answers a push.
    pub fn answer_push(&mut self, user: usize) {
        let now_ms = self.now_ms;
        let known = &self.users[user];
        let pushes: Vec<usize> =
            (0..known.challenges.len()).filter(|at| known.challenges[*at].push.is_some()).collect();
        let recent = pushes.len().saturating_sub(2);
        let picked = match self.chance.percent(85) {
            true => self.chance.pick(&pushes[recent..]),
            false => self.chance.pick(&pushes),
        };
        let Some(at) = picked else { return self.challenge(user) };
        let challenge = self.users[user].challenges[at].clone();
        let Some(push) = challenge.push else { return };
        let Means::Push { device: Some(own), .. } = self.users[user].enrollments[challenge.enrollment].means
        else {
            return;
        };
        let signer = if self.chance.one_in(12) { own.wrapping_add(1) } else { own };
        let decision = if self.chance.one_in(6) { PushDecision::Deny } else { PushDecision::Approve };
        let shown = challenge.number.as_ref().map(|number| number.expose().to_owned());
        let number = match (&push.number, self.chance.below(8)) {
            (NumberEntry::Choose(choices), 0) => self.chance.pick(choices),
            (NumberEntry::None, 0) => Some("00".to_owned()),
            (_, 0) => Some(format!("{:02}", self.chance.below(100))),
            (_, 1) => None,
            _ => shown.clone(),
        };
        let is_asked = !matches!(push.number, NumberEntry::None);
        let is_right = !is_asked || number == shown;
        let (command, caller) = device(signer).answer(&push, decision, number.as_deref());
        let is_late = challenge.expires_ms <= now_ms || challenge.issued_ms > now_ms + 300_000;
        let time = match is_late {
            true => Fate::Dead,
            false if self.users[user].seen_ms.1 >= challenge.expires_ms => Fate::Perhaps,
            false => Fate::Live,
        };
        let waits = match (challenge.waits, challenge.sure) {
            (Waits::Push, true) => Fate::Live,
            (_, false) => Fate::Perhaps,
            _ => Fate::Dead,
        };
        let usable = self.usable(user, challenge.enrollment);
        let fate = challenge.fate.min(time).min(waits).min(usable);
        let costs = is_asked && decision == PushDecision::Approve && number.is_some();
        let holds = match costs {
            true if challenge.sure_budget => self.holds_codes(user, challenge.reserved, 1),
            true => Fate::Perhaps,
            false => Fate::Live,
        };
        self.moves.say(format!(
            "answer_push {user} challenge {at} {decision:?} by {signer} of {own} right {is_right} {fate:?} {holds:?}"
        ));
        let done = self.run(user, command, caller);
        let past = done.is_of_the_past();
        let signed = signer == own;
        match &done.result {
            Ok(_) => {
                assert!(fate != Fate::Dead && holds != Fate::Dead && signed, "answered without right");
                assert!(decision == PushDecision::Deny || is_right, "approved with a wrong number");
                match costs {
                    true if challenge.sure_budget => self.give_back_codes(user, challenge.reserved),
                    true => self.charge_codes_perhaps(user, 1),
                    false => {}
                }
                let known = &mut self.users[user];
                let denied = decision == PushDecision::Deny;
                known.challenges[at].waits = if denied { Waits::Denied } else { Waits::Approved };
                known.challenges[at].sure = true;
                known.denied_push_ms = denied.then_some(now_ms);
                self.then(user, &[Next::VerifyOob]);
                self.tally.count(if denied { "pushes denied" } else { "pushes approved" });
            }
            Err(Refusal::Denied(denial)) => {
                let wrong = denial.code == DenialCode::Rejected;
                assert_eq!(denial.counted, wrong, "a wrong number is counted, and nothing else");
                let complete = decision == PushDecision::Deny || is_right;
                let must = fate == Fate::Live && holds == Fate::Live && signed && complete;
                assert!(!must || past, "a right answer was refused: {denial}");
                if wrong {
                    self.tally.count("wrong numbers");
                    assert!(
                        !is_right && signed && fate != Fate::Dead && holds != Fate::Dead,
                        "nothing was wrong"
                    );
                    match challenge.sure_budget {
                        true => self.charge_codes(user, challenge.reserved, 1),
                        false => self.charge_codes_perhaps(user, 1),
                    }
                    let known = &mut self.users[user];
                    known.challenges[at].waits = Waits::Denied;
                    known.challenges[at].sure = true;
                    known.denied_push_ms = Some(now_ms);
                    let failures = &mut known.enrollments[challenge.enrollment].failures;
                    *failures = (failures.0 + 1, failures.1 + 1);
                } else if denial.code == DenialCode::TooManyAttempts {
                    self.check_limit(user, &done.events, Refused { cost: 1, past, ..Refused::default() });
                }
            }
            Err(_) => {}
        }
        self.settle(user);
    }
}
