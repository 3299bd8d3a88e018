//! What happens next: whose turn it is, what is tried, how much time passes.

use mfacore::commands::{
    Challenge, Erase, Require, Reseal, ResetMfa, RevokeTokens, Unlock, VerifyOob, VerifyOtp,
};
use mfacore::{Caller, Scopes, Subject};

use super::sim::{Clocks, Next, Sim, USERS};

impl Sim {
    /// One move.
    pub fn step(&mut self) {
        self.pass_time();
        let since_ms = i64::try_from(self.now_ms).unwrap() - i64::try_from(super::sim::START_MS).unwrap();
        self.moves.second = since_ms / 1_000;
        self.store.tick();
        if self.chance.one_in(400) {
            self.switch();
        }
        // One user at a time has most of the attention, so that stories come to an end.
        let favourite = usize::try_from(self.moves.step / 60).unwrap() % self.users.len();
        let user = if self.chance.percent(75) { favourite } else { self.chance.index(self.users.len()) };
        if let Some((user, next)) = self.next.take()
            && self.chance.percent(80)
        {
            return match next {
                Next::Challenge => self.challenge(user),
                Next::VerifyOtp => self.verify_otp(user),
                Next::VerifyOob => self.verify_oob(user),
                Next::Associate => self.associate(user),
                Next::Scan => self.scan(user),
                Next::AnswerPush => self.answer_push(user),
                Next::Manage if self.chance.one_in(3) => self.replace_phone(user),
                Next::Manage => self.remove(user),
                Next::Guess => self.guess(user),
            };
        }
        match self.chance.below(1000) {
            0..200 => self.require(user),
            200..330 => self.challenge(user),
            330..450 => self.verify_oob(user),
            450..590 => self.verify_otp(user),
            590..660 => self.verify_recovery(user),
            660..760 => self.associate(user),
            760..790 => self.list(user),
            790..812 => self.remove(user),
            812..820 => self.rename(user),
            820..840 => self.replace_phone(user),
            840..850 => self.regenerate(user),
            850..890 => self.scan(user),
            890..940 => self.answer_push(user),
            940..946 => self.import(user),
            946..952 => self.export(user),
            952..962 => {
                let call = self.chance.below(16);
                self.host_call(user, call);
            }
            962..975 => self.guess(user),
            _ => self.rubbish(user),
        }
    }

    /// A patient attacker: one wrong code after another.
    fn guess(&mut self, user: usize) {
        self.guesses = true;
        for _ in 0..self.chance.below(14) {
            match self.chance.below(8) {
                0 => self.verify_recovery(user),
                1 | 2 => self.verify_oob(user),
                _ => self.verify_otp(user),
            }
        }
        self.guesses = false;
    }

    fn pass_time(&mut self) {
        let chance = &mut self.chance;
        let ms = match chance.below(1000) {
            0..400 => chance.below(3_000),
            400..750 => 5_000 + chance.below(30_000),
            750..950 => chance.below(180_000),
            950..985 => chance.below(3_600_000),
            985..997 => chance.below(86_400_000),
            _ => chance.below(21 * 86_400_000),
        };
        self.base_ms += ms;
        self.now_ms = match self.clocks {
            Clocks::Steady => self.base_ms,
            Clocks::Skewed => self.base_ms - 60_000 + chance.below(3) * 60_000,
            Clocks::Wild => match chance.below(300) {
                0..3 => self.base_ms - chance.below(600_000),
                3 => self.base_ms - chance.below(2 * 86_400_000),
                4..6 => self.base_ms + chance.below(2 * 86_400_000),
                6 => self.base_ms + 10 * 365 * 86_400_000,
                _ => self.base_ms,
            },
        };
        self.follow_clock();
    }

    /// What only the host does.
    pub fn host_call(&mut self, user: usize, call: u64) {
        let (caller, now_ms) = (self.host(user), self.now_ms);
        self.moves.say(format!("host call {call} {user}"));
        match call {
            0..6 => {
                let done = self.run(user, Unlock {}, caller);
                let known = &mut self.users[user];
                match done.result {
                    Ok(_) => {
                        known.budgets.all().into_iter().for_each(|bounds| bounds.refill(now_ms));
                        known.denied_push_ms = None;
                    }
                    Err(_) => known.budgets.all().into_iter().for_each(|bounds| bounds.refill_perhaps()),
                }
            }
            6..9 => {
                if self.run(user, ResetMfa {}, caller).result.is_ok() {
                    self.tally.count("resets");
                    self.users[user].disestablish(false);
                    self.users[user].unsure &= self.store.has_late(&self.users[user].key);
                }
            }
            9..12 => {
                if self.run(user, RevokeTokens {}, caller).result.is_ok() {
                    self.tally.count("revocations");
                    self.users[user].revoke();
                    // Whoever kept a ticket tries it.
                    self.then(user, &[Next::Scan]);
                }
            }
            12 | 13 => self.erase(user, caller),
            _ => {
                let done = self.run(user, Reseal {}, caller);
                assert!(!done.trace.landed || self.clocks == Clocks::Wild, "nothing is to be sealed anew");
            }
        }
        self.look(user);
    }

    fn erase(&mut self, user: usize, caller: Caller) {
        let done = self.run(user, Erase {}, caller);
        let known = &mut self.users[user];
        if done.is_error() {
            known.sequence = 0;
            known.seen_ms.0 = 0;
            known.budgets.all().into_iter().for_each(|bounds| bounds.refill_perhaps());
            return;
        }
        self.tally.count("erasures");
        known.disestablish(false);
        known.forget_budgets();
        if !self.store.holds(&known.key) {
            known.sequence = 0;
            known.seen_ms = (0, 0);
        }
    }

    /// Calls that no client makes.
    fn rubbish(&mut self, user: usize) {
        let now = self.moves.step;
        let token = self.some_token(user, |_| true);
        let other = self.chance.index(self.users.len());
        match (self.chance.below(6), token) {
            (0, Some(token)) => {
                // At the other tenant.
                let text = self.users[user].tokens[token].text.clone();
                self.moves.say(format!("token {token} of {user} at the other tenant"));
                let tenant = 1 - self.users[user].tenant;
                let caller = Caller::token(text, Subject::FromToken).client("app");
                let done = self.run_at(tenant, user, Challenge::default(), caller);
                assert!(done.result.is_err(), "a token of another tenant is honoured");
            }
            (1, Some(token)) => {
                // As another user's.
                let text = self.users[user].tokens[token].text.clone();
                let wrong = USERS.iter().find(|name| **name != self.users[user].name).unwrap();
                self.moves.say(format!("token {token} of {user} as {wrong}'s"));
                let caller = Caller::token(text, Subject::Expected((*wrong).to_owned())).client("app");
                let done = self.run(user, VerifyOtp { otp: "000000".into(), authenticator_id: None }, caller);
                assert!(done.result.is_err() && done.events.len() <= 1, "another user's token is honoured");
            }
            (2, Some(token)) => {
                // An oob_code of somebody else.
                let Some(theirs) =
                    self.users[other].challenges.last().map(|c| (c.oob_code.clone(), c.code.clone()))
                else {
                    return;
                };
                let chains = self.users[other].challenges.last().map(|challenge| challenge.chain);
                if user == other && chains == Some(self.users[user].tokens[token].chain) {
                    return;
                }
                let (caller, _) = self.present::<VerifyOob>(user, token);
                self.moves.say(format!("token {token} of {user} with an oob_code of {other}"));
                let done = self.run(user, VerifyOob { oob_code: theirs.0, binding_code: theirs.1 }, caller);
                assert!(done.result.is_err() && !done.trace.landed, "another login's oob_code is honoured");
            }
            (3, Some(token)) => {
                // Cut, or changed.
                let text = self.users[user].tokens[token].text.expose().to_owned();
                let at = self.chance.index(text.len());
                let letter = if text.as_bytes()[at] == b'A' { 'B' } else { 'A' };
                let forged = format!("{}{letter}{}", &text[..at], &text[at + 1..]);
                self.moves.say(format!("a forged token {token} of {user}"));
                let caller = Caller::token(forged, Subject::FromToken).client("app");
                let done = self.run(user, Challenge::default(), caller);
                // The last letter may hold bits that say nothing.
                assert!(done.result.is_err() || at + 1 == text.len(), "a forged token is honoured");
            }
            (4, Some(token)) if self.users[user].tokens[token].is_mfa() => {
                self.moves.say(format!("an mfa_token {token} of {user} removes"));
                let (caller, _) = self.present::<mfacore::commands::RemoveAuthenticator>(user, token);
                let ids: Vec<String> = self.users[user].active().flat_map(|(_, e)| &e.ids).cloned().collect();
                let authenticator_id = self.chance.pick(&ids).unwrap_or_default();
                let command = mfacore::commands::RemoveAuthenticator { authenticator_id };
                let done = self.run(user, command, caller);
                assert!(done.result.is_err() && !done.trace.landed, "a password alone removes");
            }
            _ => {
                let rubbish = format!("device {now}");
                let known = &self.users[user];
                let bare = !known.established || known.unsure;
                self.moves.say(format!("a made-up device token for {user}"));
                let caller = self.host(user).mfa_audience(Scopes::READ);
                let done = self.run(user, Require { device_token: Some(rubbish.into()) }, caller);
                let lowered = matches!(done.result, Ok(mfacore::commands::RequireReply::NotRequired(_)));
                assert!(!lowered || bare, "a made-up device token is honoured");
            }
        }
        self.settle(user);
    }
}
