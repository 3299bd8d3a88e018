//! Codes, pushes and recovery codes: who may pass, who must, and what it grants.

use mfacore::commands::{VerifyOob, VerifyOtp, VerifyRecoveryCode};
use mfacore::otp::{Skew, parse_otp};
use mfacore::{
    Channel, Denial, DenialCode, EventKind, FactorKind, Refusal, Scopes, SecretString, VerifyReply,
};

use super::call::Done;
use super::judge::Attempt;
use super::model::{App, Fate, Proof, Stage, Token, Waits};
use super::sim::Sim;

/// What was passed.
pub struct Passed {
    pub proof: Proof,
    pub method: Method,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Otp,
    Out(Channel),
    Recovery,
}

/// The highest step of the window that gives `code`.
fn matching(app: &App, code: &SecretString, now_ms: u64, skew: Skew) -> Option<u64> {
    let (typed, now) = (parse_otp(code.expose()).ok()?, app.totp.step(now_ms));
    let window = now.saturating_sub(skew.back().into())..=now + u64::from(skew.forward());
    window.rev().find(|step| app.totp.generate(&app.seed, *step) == typed)
}

impl Sim {
    /// The enrollments whose one-time passwords a token is tested on; `None` where that is unknown.
    fn tested(&self, user: usize, token: usize, id: Option<&String>) -> (Vec<usize>, bool) {
        let (known, now_ms) = (&self.users[user], self.now_ms);
        let token = &known.tokens[token];
        let (mut tested, mut sure) = (Vec::new(), !known.unsure);
        for (at, e) in known.enrollments.iter().enumerate().filter(|(_, e)| e.stage != Stage::Gone) {
            let is_otp = matches!(e.kind, FactorKind::Otp | FactorKind::PushNotification);
            if !is_otp || id.is_some_and(|id| e.otp_id() != Some(id)) || token.has_passed(at) {
                continue;
            }
            let is_pending = e.stage == Stage::Pending && e.kind == FactorKind::Otp && e.chain == token.chain;
            let fate = match e.stage {
                _ if !e.sure => Fate::Perhaps,
                Stage::Active if token.is_mfa() => self.usable(user, at),
                Stage::Pending if is_pending && known.seen_ms.1.max(now_ms) < e.expires_ms => Fate::Live,
                Stage::Pending if is_pending && now_ms < e.expires_ms + 600_000 => Fate::Perhaps,
                _ => Fate::Dead,
            };
            sure &= fate != Fate::Perhaps;
            if fate != Fate::Dead {
                tested.push(at);
            }
        }
        (tested, sure)
    }

    /// Types a one-time password.
    pub fn verify_otp(&mut self, user: usize) {
        let Some(token) = self.some_token(user, |_| true) else { return self.require(user) };
        let (now_ms, skew) = (self.now_ms, self.policy(user).skew);
        let known = &self.users[user];
        let own: Vec<usize> = (0..known.enrollments.len())
            .filter(|at| {
                known.enrollments[*at].app().is_some() && known.enrollments[*at].stage != Stage::Gone
            })
            .collect();
        let (tested, _) = self.tested(user, token, None);
        if tested.is_empty() && self.chance.percent(80) {
            return self.challenge(user);
        }
        let kind = if self.guesses { 18 } else { self.chance.below(20) };
        let from = match kind {
            0..13 => self.chance.pick(&tested),
            13..15 => self.chance.pick(&own),
            15 => (0..self.users[user].enrollments.len())
                .rfind(|at| self.users[user].enrollments[*at].app().is_some()),
            _ => None,
        };
        let back = self.chance.pick(&[0, 0, 0, 0, 0, 1, 1, 2]).unwrap_or_default();
        let otp: SecretString = match from.and_then(|at| self.users[user].enrollments[at].app()) {
            Some(app) => {
                let step = app.totp.step(now_ms) - back;
                app.totp.generate(&app.seed, step).to_text()
            }
            None => match kind {
                19 if self.chance.one_in(2) => {
                    self.chance.pick(&["", "12345", "12345678901", "１２３４５６"]).unwrap().into()
                }
                _ => format!("{:06}", self.chance.below(1_000_000)).into(),
            },
        };
        let otp = if self.chance.one_in(10) { format!(" {} ", otp.expose()).into() } else { otp };
        let id = match self.chance.below(30) {
            0..9 => from.and_then(|at| self.users[user].enrollments[at].otp_id().cloned()),
            9 => Some("totp|dev_0000000000000000".to_owned()),
            _ => None,
        };
        let (caller, bad) = self.present::<VerifyOtp>(user, token);
        let fate = self.fate_to_pass(user, token, bad);
        let (tested, sure) = self.tested(user, token, id.as_ref());
        let is_code = parse_otp(otp.expose()).is_ok();
        let (mut certain, mut perhaps) = (false, false);
        for at in &tested {
            let Some(app) = self.users[user].enrollments[*at].app() else {
                // Nobody told the secret: the answer that had it was lost.
                perhaps |= is_code;
                continue;
            };
            let step = matching(app, &otp, now_ms, skew);
            perhaps |= step > app.spent && step.is_some();
            certain |= step > app.spent_perhaps && step.is_some();
        }
        let cost = sure.then_some(tested.len() as u64).filter(|cost| *cost > 0);
        let passes = match (perhaps, certain && sure) {
            (false, _) => Fate::Dead,
            (true, true) => fate,
            (true, false) => fate.min(Fate::Perhaps),
        };
        self.moves.say(format!(
            "verify_otp {user} token {token} {fate:?} tested {tested:?} sure {sure} from {from:?} back {back} id {id:?} passes {passes:?}"
        ));
        let attempt = Attempt { user, token, passes, cost, tested: tested.clone(), is_recovery: false };
        let done = self.run(user, VerifyOtp { otp: otp.clone(), authenticator_id: id }, caller);
        let passed = self.passed_id(user, &done);
        let wrong = is_code.then_some(DenialCode::InvalidOtp);
        let Some((reply, at)) = self.judge(attempt, done, wrong).zip(passed) else {
            return self.settle(user);
        };
        for other in tested {
            // The code is spent for every authenticator that it matches.
            let known = &mut self.users[user];
            let Some(app) = known.enrollments[other].app_mut() else { continue };
            let Some(step) = matching(app, &otp, now_ms, skew) else { continue };
            app.spent = app.spent.max(sure.then_some(step));
            app.spent_perhaps = app.spent_perhaps.max(Some(step));
            if other == at {
                assert!(known.codes_used.insert((at, step)), "a one-time password was accepted twice");
            }
        }
        self.passed(user, token, Passed { proof: Proof::Enrollment(at), method: Method::Otp }, reply);
        self.settle(user);
    }

    /// How sure it is that a code is looked at for a token: an access token confirms what it may enroll.
    fn fate_to_pass(&self, user: usize, token: usize, bad: bool) -> Fate {
        let enrolls = self.users[user].tokens[token].scopes().is_none_or(|own| own.contains(Scopes::ENROLL));
        if bad || !enrolls { Fate::Dead } else { self.fate(user, token) }
    }

    /// The enrollment that the events say was passed or confirmed.
    fn passed_id<R>(&self, user: usize, done: &Done<R>) -> Option<usize> {
        let of = |event: &EventKind| match event {
            EventKind::VerificationPassed { authenticator } => Some(authenticator.clone()),
            _ => None,
        };
        let confirmed = |event: &EventKind| match event {
            EventKind::EnrollmentConfirmed { authenticator } => Some(authenticator.clone()),
            _ => None,
        };
        let id = done.events.iter().find_map(of).or_else(|| done.events.iter().find_map(confirmed))?;
        self.users[user].find(&id)
    }

    /// Types a delivered code, or polls.
    pub fn verify_oob(&mut self, user: usize) {
        let now_ms = self.now_ms;
        let known = &self.users[user];
        let recent: Vec<usize> = (0..known.challenges.len())
            .filter(|at| {
                known.challenges[*at].fate != Fate::Dead && known.challenges[*at].expires_ms > now_ms
            })
            .collect();
        let picked = match self.chance.below(10) {
            0..5 if !recent.is_empty() => recent.last().copied(),
            5..8 if !recent.is_empty() => self.chance.pick(&recent),
            _ if known.challenges.is_empty() => return self.challenge(user),
            _ => Some(self.chance.index(known.challenges.len())),
        };
        let Some(at) = picked else { return };
        let challenge = self.users[user].challenges[at].clone();
        let chain = challenge.chain;
        let Some(token) = self.some_token(user, |token| token.chain == chain) else {
            return self.require(user);
        };
        let right = challenge.code.clone();
        let older = self.users[user].challenges.iter().rev().filter_map(|c| c.code.clone()).nth(1);
        let kind = if self.guesses { 14 } else { self.chance.below(20) };
        let code: Option<SecretString> = match kind {
            0..13 => right.clone(),
            13..17 => Some(format!("{:06}", self.chance.below(1_000_000)).into()),
            17 => older,
            18 => Some("12 34".into()),
            _ => None,
        };
        let oob_code = match self.chance.below(40) {
            0 => "rubbish".into(),
            1 => self.users[user].tokens[token].text.clone(),
            _ => challenge.oob_code.clone(),
        };
        let is_right_oob = oob_code == challenge.oob_code;
        let (caller, bad) = self.present::<VerifyOob>(user, token);
        let fate = self.fate_to_pass(user, token, bad);
        let live = self.challenge_fate(user, token, at);
        let is_code = code
            .as_ref()
            .is_some_and(|code| parse_otp(code.expose()).is_ok_and(|code| code.digits().get() == 6));
        let answered = match challenge.waits {
            Waits::Code if code.is_some() && code == right => Fate::Live,
            Waits::Code | Waits::Denied => Fate::Dead,
            Waits::Approved if challenge.sure => Fate::Live,
            Waits::Push | Waits::Scan if challenge.sure => Fate::Dead,
            _ => Fate::Perhaps,
        };
        let passes = if is_right_oob { fate.min(live).min(answered) } else { Fate::Dead };
        let is_typed = challenge.waits == Waits::Code;
        let cost = (is_typed && live == Fate::Live && is_right_oob && code.is_some()).then_some(1);
        self.moves.say(format!(
            "verify_oob {user} token {token} {fate:?} challenge {at} of {} {:?} {live:?} {:?} passes {passes:?}",
            challenge.enrollment, challenge.waits, code == right
        ));
        let tested = vec![challenge.enrollment];
        let cost = if is_typed { cost } else { Some(0) };
        let attempt = Attempt { user, token, passes, cost, tested, is_recovery: false };
        let done = self.run(user, VerifyOob { oob_code, binding_code: code }, caller);
        let wrong = (is_typed && is_code).then_some(DenialCode::InvalidBindingCode);
        let said_denied = done.code() == Some(&DenialCode::Rejected) && !done.is_of_the_past();
        assert!(!said_denied || !challenge.sure || challenge.waits == Waits::Denied, "nobody denied it");
        if let Some(reply) = self.judge(attempt, done, wrong) {
            let now = &mut self.users[user].challenges[at];
            assert!(!std::mem::replace(&mut now.succeeded, true), "one answer, two successes");
            now.fate = Fate::Dead;
            let method = Method::Out(challenge.channel);
            self.passed(
                user,
                token,
                Passed { proof: Proof::Enrollment(challenge.enrollment), method },
                reply,
            );
            if challenge.waits == Waits::Approved && self.chance.one_in(20) {
                self.host_call(user, 9);
            }
        }
        self.settle(user);
    }

    /// Types a recovery code.
    pub fn verify_recovery(&mut self, user: usize) {
        let Some(token) = self.some_token(user, Token::is_mfa) else { return self.require(user) };
        let now_ms = self.now_ms;
        let known = &self.users[user];
        let live: Vec<String> = known.recovery.codes.iter().map(|(code, _)| code.clone()).collect();
        let pending: Vec<String> = known.enrollments.iter().flat_map(|e| &e.recovery).cloned().collect();
        let other = self.chance.index(self.users.len());
        let kind = if self.guesses { 18 } else { self.chance.below(20) };
        let code = match kind {
            0..10 => self.chance.pick(&live),
            10..12 => self.chance.pick(&self.users[user].used_codes.clone()),
            12 => self.chance.pick(&pending),
            13 => self.users[other].recovery.codes.first().map(|(code, _)| code.clone()),
            14 => Some("!".to_owned()),
            _ => Some(format!("{:024}", self.chance.below(1_000_000))),
        };
        let Some(code) = code else { return };
        let typed = if self.chance.one_in(4) { code.to_lowercase().replace('A', "-A") } else { code.clone() };
        let (caller, bad) = self.present::<VerifyRecoveryCode>(user, token);
        let known = &self.users[user];
        let token_fate =
            if bad || !known.tokens[token].is_mfa() { Fate::Dead } else { self.fate(user, token) };
        let found = known.recovery.codes.iter().position(|(live, _)| *live == code);
        let recovered = known.tokens[token].proofs.iter().any(|p| matches!(p, Proof::Recovery(_)));
        let fate = match found.map(|at| known.recovery.codes[at].1) {
            _ if recovered || !self.allows(user, FactorKind::RecoveryCode) => Fate::Dead,
            // What came with a pending enrollment is perhaps live by now.
            None if known.recovery.others && !known.used_codes.contains(&code) => Fate::Perhaps,
            None => Fate::Dead,
            Some(_) if known.unsure => Fate::Perhaps,
            Some(fate) => fate,
        };
        let reserved = known.tokens[token].facts().is_some_and(|facts| facts.reserved);
        let holds = self.holds(&known.budgets.recovery, self.policy(user).budgets.recovery, 1, now_ms);
        let short = if known.recovery.is_short { self.holds_codes(user, reserved, 1) } else { Fate::Live };
        let passes = fate.min(token_fate).min(holds).min(short);
        // The budget of recovery codes is looked at here, that of 6-digit codes with every attempt.
        let cost = (!known.recovery.others && !known.unsure).then_some(u64::from(known.recovery.is_short));
        self.moves.say(format!(
            "verify_recovery {user} token {token} {token_fate:?} {fate:?} {holds:?} passes {passes:?}"
        ));
        let attempt = Attempt { user, token, passes, cost, tested: Vec::new(), is_recovery: true };
        let done = self.run(user, VerifyRecoveryCode { recovery_code: typed.into() }, caller);
        if let Err(Refusal::Denied(Denial { recovery_code: Some(again), .. })) = &done.result {
            self.tally.count("lost answers given again");
            let is_live = self.users[user].recovery.codes.iter().any(|(live, _)| live == again.expose());
            assert!(
                is_live || done.is_of_the_past() || self.users[user].recovery.others,
                "an old code is told"
            );
        }
        let wrong = (typed_is_code(&code)).then_some(DenialCode::InvalidRecoveryCode);
        if let Some(reply) = self.judge(attempt, done, wrong) {
            let known = &mut self.users[user];
            known.recovery.codes.retain(|(live, _)| *live != code);
            assert!(!known.used_codes.contains(&code), "a recovery code was accepted twice");
            known.used_codes.push(code);
            let replacement = match &reply {
                VerifyReply::Granted(granted) => granted.recovery_code.clone(),
                VerifyReply::Required(required) => required.recovery_code.clone(),
                VerifyReply::Confirmed(_) => panic!("a recovery code confirms nothing"),
            };
            let single = self.policy(user).recovery.codes == 1;
            assert_eq!(replacement.is_some(), single, "a single code is replaced, one of a set is not");
            let known = &mut self.users[user];
            known.recovery.codes.extend(replacement.map(|code| (code.expose().to_owned(), Fate::Live)));
            known.recovery.is_short &= known.recovery.codes.iter().any(|(code, _)| code.len() < 13);
            let proof = Proof::Recovery(known.recovery.generation);
            self.passed(user, token, Passed { proof, method: Method::Recovery }, reply);
        }
        self.settle(user);
    }
}

fn typed_is_code(code: &str) -> bool {
    code != "!"
}
