//! Adding, removing and moving authenticators.

use mfacore::commands::{
    Command, PhoneReplaced, RecoveryCodes, RegenerateRecoveryCodes, RemoveAuthenticator, RenameAuthenticator,
    ReplacePhone,
};
use mfacore::{DenialCode, EventKind, FactorKind, Scopes};

use super::call::Done;
use super::enroll::{ids_of, texts};
use super::model::{DAY_MS, Enrollment, Fate, Means, Shown, Stage};
use super::sim::{Clocks, Sim};
use super::spend::Refused;

impl Sim {
    fn some_id(&mut self, user: usize) -> Option<String> {
        let known = &self.users[user];
        let active: Vec<String> = known.enrolled().flat_map(|(_, e)| &e.ids).cloned().collect();
        let all: Vec<String> = known.enrollments.iter().flat_map(|e| &e.ids).cloned().collect();
        let other = self.chance.index(self.users.len());
        let others: Vec<String> = self.users[other].active().flat_map(|(_, e)| &e.ids).cloned().collect();
        let id = match self.chance.below(20) {
            0..15 => self.chance.pick(&active),
            15..18 => self.chance.pick(&all),
            18 => self.chance.pick(&others),
            _ => Some("rubbish".to_owned()),
        };
        id.map(|id| if self.chance.one_in(5) { id.replace('|', "%7C") } else { id })
    }

    /// Removes an authenticator, with a token or on the host's word.
    pub fn remove(&mut self, user: usize) {
        let Some(id) = self.some_id(user) else { return self.associate(user) };
        let by_host = self.chance.one_in(12);
        let token = if by_host {
            None
        } else {
            self.some_token(user, |token| token.scopes().is_some_and(|s| s.contains(Scopes::REMOVE)))
        };
        let (caller, fate) = self.bearer_or_host::<RemoveAuthenticator>(user, token, Scopes::REMOVE);
        let raw = id.replace("%7C", "|");
        let at = self.users[user].find(&raw);
        self.moves.say(format!("remove {user} token {token:?} {fate:?} {id} {at:?}"));
        let done = self.run(user, RemoveAuthenticator { authenticator_id: id }, caller);
        match &done.result {
            Ok(_) => {
                assert!(fate != Fate::Dead, "removed without authority");
                let at = at.expect("removed what is not there");
                let enrollment = &self.users[user].enrollments[at];
                assert!(!enrollment.implicit, "removed a verified address");
                // A token lives as long as the record's time says, which may be ahead of ours by a day.
                let slack_ms = if self.clocks == Clocks::Steady { 0 } else { DAY_MS };
                let is_over =
                    enrollment.stage == Stage::Pending && enrollment.expires_ms + slack_ms <= self.now_ms;
                assert!(!is_over || !enrollment.sure, "removed what had lapsed");
                if let Some(token) = token {
                    assert!(!self.users[user].tokens[token].is_weak(self.now_ms), "a weak proof removes");
                }
                self.removed(user, at, token);
                self.look(user);
            }
            Err(_) => self.check_denied(
                user,
                token,
                fate,
                &done,
                at.is_some_and(|at| {
                    let e = &self.users[user].enrollments[at];
                    e.stage == Stage::Active && e.sure && !e.implicit
                }),
            ),
        }
        self.settle(user);
    }

    /// A token with the scopes, or the host's word: the caller, and how sure it is that it is honoured.
    fn bearer_or_host<C: Command>(
        &mut self,
        user: usize,
        token: Option<usize>,
        scopes: Scopes,
    ) -> (mfacore::Caller, Fate) {
        let Some(token) = token else { return (self.host(user), Fate::Live) };
        let (caller, bad) = self.present::<C>(user, token);
        let has = self.users[user].tokens[token].scopes().is_some_and(|own| own.contains(scopes));
        let fate = if bad || !has { Fate::Dead } else { self.fate(user, token) };
        (caller, fate)
    }

    /// A denial of a call that is right where the caller is alive and `right` says so.
    fn check_denied<R>(&self, user: usize, token: Option<usize>, fate: Fate, done: &Done<R>, right: bool) {
        let is_sure = !self.users[user].unsure && !done.is_of_the_past();
        if let Some(code) = done.code() {
            assert!(!(fate == Fate::Live && right && is_sure), "{user}/{token:?} was refused: {code:?}");
        }
    }

    fn removed(&mut self, user: usize, at: usize, token: Option<usize>) {
        self.tally.count("removed");
        let known = &mut self.users[user];
        let was_active = known.enrollments[at].stage == Stage::Active;
        let sure = known.enrollments[at].sure && !known.unsure;
        known.enrollment_is_gone(at, token);
        let is_last = known.enrolled().count() == 0;
        // What is left is perhaps nothing that anybody enrolled.
        let is_vague = !is_last && known.enrolled().all(|(_, e)| e.vague || !e.sure);
        match (was_active, sure, token) {
            (_, false, _) => self.lost(user),
            (false, ..) => {}
            (true, _, None) => known.revoke(),
            (true, _, Some(_)) if is_last => known.disestablish(true),
            (true, _, Some(_)) if is_vague => self.lost(user),
            (true, ..) => {}
        }
    }

    pub fn rename(&mut self, user: usize) {
        let Some(id) = self.some_id(user) else { return self.associate(user) };
        let token = self.some_token(user, |token| token.scopes().is_some_and(|s| s.contains(Scopes::ENROLL)));
        let token = token.filter(|_| !self.chance.one_in(3));
        let (caller, fate) = self.bearer_or_host::<RenameAuthenticator>(user, token, Scopes::ENROLL);
        let name = self.chance.pick(&["my phone", "work", "", "a\u{7}b"]).unwrap().to_owned();
        self.moves.say(format!("rename {user} token {token:?} {fate:?} {id} {name:?}"));
        let done = self.run(user, RenameAuthenticator { authenticator_id: id, name }, caller);
        let weak = token.is_some_and(|token| self.users[user].tokens[token].is_weak(self.now_ms));
        assert!(done.result.is_err() || (fate != Fate::Dead && !weak), "renamed without authority");
        self.settle(user);
    }

    /// Another number in the place of the old one.
    pub fn replace_phone(&mut self, user: usize) {
        let known = &self.users[user];
        let phones: Vec<usize> =
            known.enrolled().filter(|(_, e)| e.kind == FactorKind::Phone).map(|(at, _)| at).collect();
        let Some(old) = self.chance.pick(&phones) else { return self.associate(user) };
        let ids = self.users[user].enrollments[old].ids.clone();
        let Some(id) = self.chance.pick(&ids) else { return };
        let both = Scopes::ENROLL.with(Scopes::REMOVE);
        let by_host = self.chance.one_in(4);
        let token = self.some_token(user, |token| token.scopes().is_some_and(|own| own.contains(both)));
        let token = token.filter(|_| !by_host);
        let (caller, fate) = self.bearer_or_host::<ReplacePhone>(user, token, both);
        let number = self.some_number();
        self.moves.say(format!("replace_phone {user} token {token:?} {fate:?} {old} by {number}"));
        let command =
            ReplacePhone { authenticator_id: id, phone_number: number.as_str().into(), oob_channel: None };
        let body = serde_json::to_string(&command).unwrap();
        let text = token.map(|token| self.users[user].tokens[token].text.clone());
        let done = self.run(user, command, caller);
        match &done.result {
            Ok(PhoneReplaced::CodeSent(oob)) => {
                let now_ms = self.now_ms;
                let again = self.users[user].shown.iter().any(|shown| {
                    shown.until_ms > now_ms
                        && Some(&shown.token) == text.as_ref()
                        && shown.body == body
                        && shown.secret == oob.oob_code.expose()
                });
                if again {
                    assert!(done.deliveries.is_empty() && !done.trace.landed, "an answer given again acts");
                    return self.settle(user);
                }
                if done.is_of_the_past() {
                    return self.settle(user);
                }
                assert!(fate != Fate::Dead, "replaced without authority");
                let token = token.expect("the host's word replaces at once");
                let bearer = self.users[user].tokens[token].clone();
                let [delivery] = &done.deliveries[..] else { panic!("not one delivery") };
                let blank = self.blank(user, FactorKind::Phone, Means::Phone(number), &bearer);
                let started = done.events.iter().find_map(|event| match event {
                    EventKind::EnrollmentStarted { authenticator } => Some(authenticator.clone()),
                    _ => None,
                });
                let ids = ids_of(started.expect("an enrollment that begins says so"), blank.halves);
                let at = self.add_pending(user, Enrollment { ids, replaces: Some(old), ..blank });
                self.sent(user, token, at, delivery, oob.oob_code.clone(), None, "enroll");
                let secret = oob.oob_code.expose().to_owned();
                let until_ms = self.shown_until_ms(user, true);
                self.users[user].shown.push(Shown { token: bearer.text, body, secret, until_ms });
                self.look(user);
            }
            Ok(PhoneReplaced::Done { authenticator_id }) => {
                assert!(token.is_none(), "a token replaces without a code");
                let (now_ms, sure) = (self.now_ms, !self.users[user].unsure);
                let halves = self.policy(user).phone.channels.len();
                let known = &mut self.users[user];
                let enrollment = super::emails::implicit(String::new());
                let (kind, means) = (FactorKind::Phone, Means::Phone(number));
                let ids = ids_of(authenticator_id.clone(), halves);
                known.enrollments.push(Enrollment {
                    ids,
                    kind,
                    means,
                    halves,
                    implicit: false,
                    expires_ms: now_ms,
                    ..enrollment
                });
                known.enrollment_is_gone(old, None);
                known.revoke();
                if !sure {
                    self.lost(user);
                }
                self.look(user);
            }
            Err(_) => {
                if done.code() == Some(&DenialCode::TooManyAttempts) {
                    let (to, past) = (Some(number.clone()), done.is_of_the_past());
                    let refused = Refused { used_for: "enroll", to, cost: 0, token, past };
                    self.check_limit(user, &done.events, refused);
                }
                if done.is_error() || done.trace.faults > 0 {
                    self.perhaps_sent_to(user, &number, "enroll");
                }
            }
        }
        self.settle(user);
    }

    pub fn regenerate(&mut self, user: usize) {
        let token = self.some_token(user, |token| token.scopes().is_some_and(|s| s.contains(Scopes::ENROLL)));
        let token = token.filter(|_| self.chance.one_in(2));
        let (caller, fate) = self.bearer_or_host::<RegenerateRecoveryCodes>(user, token, Scopes::ENROLL);
        let weak = token.is_some_and(|token| self.users[user].tokens[token].is_weak(self.now_ms));
        let allowed = token.is_none() || (self.policy(user).recovery.user_may_regenerate && !weak);
        self.moves.say(format!("regenerate {user} token {token:?} {fate:?} weak {weak}"));
        let done = self.run(user, RegenerateRecoveryCodes {}, caller);
        if let Ok(reply) = &done.result {
            let codes = match reply {
                RecoveryCodes::One { recovery_code } => vec![recovery_code.expose().to_owned()],
                RecoveryCodes::Set { recovery_codes } => texts(Some(recovery_codes.clone())),
            };
            let known = &self.users[user];
            let live = |code: &String| known.recovery.codes.iter().any(|(live, _)| live == code);
            if token.is_some() && codes.iter().all(live) {
                self.tally.count("lost answers given again");
                assert!(!done.trace.landed, "an answer given again is written");
            } else if !done.is_of_the_past() {
                assert!(fate != Fate::Dead && allowed, "regenerated without authority");
                assert!(known.established || known.unsure, "codes of a user who has nothing");
                self.tally.count("regenerated");
                self.users[user].set_recovery(codes);
            }
        } else {
            let right =
                allowed && self.users[user].established && self.allows(user, FactorKind::RecoveryCode);
            self.check_denied(user, token, fate, &done, right);
        }
        self.settle(user);
    }
}
