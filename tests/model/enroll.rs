//! Adding authenticators.

use mfacore::commands::{Associate, Associated};
use mfacore::otp::Seed;
use mfacore::{Channel, Content, DenialCode, EventKind, FactorKind, Refusal, Scopes, SecretString};
use mfacore_conformance::device::ScannedTicket;

use super::model::{App, Challenge, Enrollment, Fate, Means, Proof, Shown, Stage, Token, Waits};
use super::sim::{Next, Sim};
use super::spend::Refused;

/// The ids of an enrollment whose first one is `id`: text messages and calls share the suffix.
pub fn ids_of(id: String, halves: usize) -> Vec<String> {
    match id.strip_prefix("sms|") {
        Some(suffix) if halves == 2 => vec![id.clone(), format!("voice|{suffix}")],
        _ => vec![id],
    }
}

pub fn texts(codes: Option<Vec<SecretString>>) -> Vec<String> {
    codes.unwrap_or_default().iter().map(|code| code.expose().to_owned()).collect()
}

impl Sim {
    pub fn some_number(&mut self) -> String {
        let country = self.chance.pick(&["+4930100000", "+1212555000"]).unwrap();
        format!("{country}{}", self.chance.below(6))
    }

    pub fn blank(&self, user: usize, kind: FactorKind, means: Means, token: &Token) -> Enrollment {
        let channels = self.policy(user).phone.channels.len();
        let halves = match kind {
            FactorKind::Phone => channels,
            FactorKind::PushNotification => 2,
            _ => 1,
        };
        Enrollment {
            kind,
            means,
            halves,
            stage: Stage::Pending,
            implicit: false,
            chain: token.chain,
            expires_ms: token.expires_ms,
            // The first factor is as good as its own proof, whatever its chain has passed.
            weak_until_ms: token
                .weak_until_ms
                .filter(|until_ms| *until_ms > self.now_ms && self.users[user].established),
            ..super::emails::implicit(String::new())
        }
    }

    /// Begins an enrollment.
    pub fn associate(&mut self, user: usize) {
        let Some(token) = self
            .some_token(user, |token| token.scopes().is_none_or(|scopes| scopes.contains(Scopes::ENROLL)))
        else {
            return self.require(user);
        };
        let (number, address) = (self.some_number(), format!("x{}@acme.example", self.chance.below(4)));
        let command = match self.chance.below(22) {
            0..6 => Associate::otp(),
            6..9 => Associate::sms(number),
            9..11 => Associate::voice(number),
            11..13 => Associate::email(address),
            13..19 => Associate::push(),
            19 => Associate::sms("12345"),
            20 => Associate { email: None, ..Associate::email("") },
            _ => Associate::default(),
        };
        let (caller, bad) = self.present::<Associate>(user, token);
        let repeats = self.users[user].shown.len();
        let body = serde_json::to_string(&command).unwrap();
        let text = self.users[user].tokens[token].text.clone();
        let is_repeat = self.users[user].shown.iter().any(|shown| shown.token == text && shown.body == body);
        let (caller, told) = if is_repeat || bad { (caller, None) } else { self.tell_emails(user, caller) };
        let fate = if bad { Fate::Dead } else { self.fate(user, token) };
        self.moves.say(format!(
            "associate {user} token {token} {fate:?} {body} repeat {is_repeat}/{repeats} told {told:?}"
        ));
        let done = self.run(user, command.clone(), caller);
        let to = command.phone_number.clone().or(command.email.clone());
        match &done.result {
            Ok(associated) => {
                let (secret, sent) = shown(associated);
                let now_ms = self.now_ms;
                let is_of = |shown: &Shown| {
                    shown.until_ms > now_ms
                        && shown.token == text
                        && shown.body == body
                        && (shown.secret == secret || shown.secret.is_empty())
                };
                let again = self.users[user].shown.iter().any(is_of) && !done.acts();
                if again {
                    self.found_again(user, token, associated, &secret);
                    self.tally.count("lost answers given again");
                    assert!(!bad && done.deliveries.is_empty() && !done.acts(), "an answer given again acts");
                    assert!(!done.trace.landed, "an answer given again is written");
                    return self.settle(user);
                }
                if done.is_of_the_past() {
                    // An answer that an older state still keeps, for the caller who had it.
                    assert!(done.deliveries.is_empty() && !done.acts(), "an answer given again acts");
                    return self.settle(user);
                }
                assert!(fate != Fate::Dead, "a dead token enrolls");
                self.learn(user, told, &done.deliveries);
                let codes = texts(associated.recovery_codes().map(<[_]>::to_vec));
                let by_email = command.email.is_some() || command.oob_channels.iter().any(|on| on == "email");
                self.check_may_associate(user, token, codes.is_empty(), by_email);
                let at = self.begun(user, token, &done.events, associated, &command, codes);
                let delivered: Vec<_> =
                    done.deliveries.iter().filter(|d| d.content != Content::Notice).collect();
                assert_eq!(delivered.len(), usize::from(sent), "what is to be sent is not what was sent");
                if let (Some(delivery), Associated::Oob(oob)) = (delivered.first(), associated) {
                    assert_eq!(oob.oob_channel, delivery.channel, "another channel");
                    self.sent(user, token, at, delivery, oob.oob_code.clone(), None, "enroll");
                }
                let until_ms = self.shown_until_ms(user, !matches!(associated, Associated::Otp(_)));
                self.users[user].shown.push(Shown { token: text, body, secret, until_ms });
                self.look(user);
            }
            Err(Refusal::Denied(denial)) => {
                let past = done.is_of_the_past();
                let first = self.email_first(user);
                let known = &self.users[user];
                let sure = !known.unsure && !past;
                match &denial.code {
                    DenialCode::TokenExpired => {
                        assert!(fate != Fate::Live || past, "a live token was refused")
                    }
                    DenialCode::AlreadyEnrolled => assert!(known.established || !sure, "nothing is enrolled"),
                    DenialCode::EmailFirst => {
                        assert!(first != Fate::Dead || told.is_some() || !sure, "no address")
                    }
                    DenialCode::TooManyAttempts => {
                        let to = to.map(|to| to.expose().to_owned());
                        let refused = Refused { used_for: "enroll", to, cost: 0, token: Some(token), past };
                        self.check_limit(user, &done.events, refused);
                    }
                    _ => {}
                }
                self.perhaps_enrolled(user, &command, done.trace.faults > 0);
            }
            Err(_) => {
                self.perhaps_enrolled(user, &command, true);
                if done.trace.landed || done.trace.late {
                    let until_ms = self.shown_until_ms(user, false);
                    let secret = String::new();
                    self.users[user].shown.push(Shown { token: text, body, secret, until_ms });
                }
            }
        }
        self.settle(user);
    }

    /// Until when what is answered now is given again: no longer than a code that it names.
    pub fn shown_until_ms(&self, user: usize, names_code: bool) -> u64 {
        let life_ms = if names_code { self.policy(user).oob_code_ms.min(120_000) } else { 120_000 };
        self.now_ms.max(self.users[user].seen_ms.1) + life_ms
    }

    /// The answer that was lost is there after all.
    fn found_again(&mut self, user: usize, token: usize, associated: &Associated, secret: &str) {
        let chain = self.users[user].tokens[token].chain;
        let totp = self.policy(user).totp;
        let known = &mut self.users[user];
        let is_known = known.shown.iter().any(|shown| shown.secret == secret);
        let is_it = |e: &Enrollment| e.vague && e.stage == Stage::Pending && e.kind == FactorKind::Otp;
        if let (false, Associated::Otp(otp)) = (is_known, associated)
            && let Some(at) = known.enrollments.iter().rposition(is_it)
        {
            self.tally.count("lost secrets found again");
            let seed = Seed::from_base32(otp.secret.expose()).unwrap();
            known.enrollments[at].means = Means::Otp(App { seed, totp, spent: None, spent_perhaps: None });
            known.enrollments[at].chain = chain;
            known.enrollments[at].recovery = texts(otp.recovery_codes.clone());
        }
    }

    fn perhaps_enrolled(&mut self, user: usize, command: &Associate, perhaps: bool) {
        if let Some(to) = command.phone_number.as_ref().or(command.email.as_ref()).filter(|_| perhaps) {
            self.perhaps_sent_to(user, to.expose(), "enroll");
        }
        self.perhaps_sent(user, "enroll", perhaps);
    }

    /// A password alone adds nothing to an established user, and an address goes first.
    fn check_may_associate(&mut self, user: usize, token: usize, no_codes: bool, by_email: bool) {
        let first = self.email_first(user);
        let (known, allows) = (&self.users[user], self.allows(user, FactorKind::RecoveryCode));
        let token = &known.tokens[token];
        if known.unsure {
            return;
        }
        match token.facts() {
            Some(facts) if known.established => {
                let passed_all = known.enrolled().all(|(at, e)| token.has_passed(at) || !e.sure);
                assert!(facts.may_enroll && passed_all, "a password alone enrolls");
            }
            Some(_) => {}
            None => assert!(token.scopes().unwrap().contains(Scopes::ENROLL), "enrolls without the scope"),
        }
        let is_email = |proof: &Proof| matches!(proof, Proof::Enrollment(at) if known.enrollments[*at].kind == FactorKind::Email);
        let passed_email = token.proofs.iter().any(is_email);
        assert!(first != Fate::Live || passed_email, "the address was not passed first");
        assert!(first != Fate::Live || !by_email, "a mailbox shown twice is a factor");
        assert_eq!(no_codes, known.established || !allows, "recovery codes come with the first factor");
    }

    /// A pending enrollment is there.
    fn begun(
        &mut self,
        user: usize,
        token: usize,
        events: &[EventKind],
        associated: &Associated,
        command: &Associate,
        codes: Vec<String>,
    ) -> usize {
        self.tally.count("enrollments begun");
        let started = events.iter().find_map(|event| match event {
            EventKind::EnrollmentStarted { authenticator } => Some(authenticator.clone()),
            _ => None,
        });
        let id = started.expect("an enrollment that begins says so");
        let bearer = self.users[user].tokens[token].clone();
        let text = |text: &Option<SecretString>| text.as_ref().map(|text| text.expose().to_owned());
        let (kind, means) = match associated {
            Associated::Otp(otp) => {
                let seed = Seed::from_base32(otp.secret.expose()).unwrap();
                let app = App { seed, totp: self.policy(user).totp, spent: None, spent_perhaps: None };
                (FactorKind::Otp, Means::Otp(app))
            }
            Associated::Push(push) => {
                let ticket = ScannedTicket::parse(push.barcode_uri.expose()).unwrap().ticket;
                (
                    FactorKind::PushNotification,
                    Means::Push { ticket: Some((ticket, Fate::Live)), device: None, app: None },
                )
            }
            Associated::Oob(oob) if oob.oob_channel == Channel::Email => {
                let known = self.users[user].known.first().map(|known| known.address.clone());
                let to = text(&command.email).filter(|to| !to.is_empty()).or(known).unwrap();
                (FactorKind::Email, Means::Email(to))
            }
            Associated::Oob(_) => (FactorKind::Phone, Means::Phone(text(&command.phone_number).unwrap())),
        };
        let enrollment = self.blank(user, kind, means, &bearer);
        let at = self.add_pending(
            user,
            Enrollment { ids: ids_of(id, enrollment.halves), recovery: codes, ..enrollment },
        );
        self.then(user, &[if kind == FactorKind::Otp { Next::VerifyOtp } else { Next::Scan }]);
        if let Associated::Push(push) = associated {
            let challenge = Challenge {
                chain: bearer.chain,
                enrollment: at,
                channel: Channel::Push,
                oob_code: push.oob_code.clone(),
                code: None,
                push: None,
                number: None,
                reserved: false,
                sure_budget: true,
                issued_ms: self.now_ms,
                expires_ms: self.now_ms + self.policy(user).oob_code_ms,
                waits: Waits::Scan,
                sure: true,
                fate: Fate::Live,
                succeeded: false,
            };
            self.put(user, challenge);
        }
        at
    }

    /// A fourth pending enrollment replaces the oldest.
    pub fn add_pending(&mut self, user: usize, enrollment: Enrollment) -> usize {
        let known = &mut self.users[user];
        // An address whose answer was lost is perhaps pending.
        let is_vague = |e: &Enrollment| e.vague && e.kind == FactorKind::Email && e.stage != Stage::Gone;
        let pending = known.enrollments.iter().filter(|e| e.stage == Stage::Pending || is_vague(e)).count();
        known.may_lapse |= pending >= 3;
        known.enrollments.push(enrollment);
        known.enrollments.len() - 1
    }
}

/// What an answer of associate shows once, and whether a message goes with it.
fn shown(associated: &Associated) -> (String, bool) {
    match associated {
        Associated::Otp(otp) => (otp.secret.expose().to_owned(), false),
        Associated::Push(push) => (push.oob_code.expose().to_owned(), false),
        Associated::Oob(oob) => (oob.oob_code.expose().to_owned(), true),
    }
}
