//! What is challenged, and what goes out.

use mfacore::commands::Challenge as Challenging;
use mfacore::{Content, Delivery, DenialCode, SecretString};

use super::call::Done;
use super::model::{Challenge, Enrollment, Fate, Stage, Token, Waits};
use super::sim::{Next, Sim};
use super::spend::Refused;

impl Sim {
    /// Takes an authenticator, and sends what it is challenged with.
    pub fn challenge(&mut self, user: usize) {
        let Some(token) = self.some_token(user, Token::is_mfa) else { return self.require(user) };
        let known = &self.users[user];
        let own: Vec<String> = known.enrollments.iter().flat_map(|e| &e.ids).cloned().collect();
        let recent: Vec<String> = known.active().flat_map(|(_, e)| &e.ids).cloned().collect();
        let other = self.chance.index(self.users.len());
        let others: Vec<String> = self.users[other].active().flat_map(|(_, e)| &e.ids).cloned().collect();
        let id = match self.chance.below(20) {
            0..12 => self.chance.pick(&recent),
            12 => self.chance.pick(&own),
            13 => self.chance.pick(&others),
            _ => None,
        };
        let types =
            [None, None, None, None, Some("oob"), Some("oob"), Some("otp"), Some("otp oob"), Some("fax")];
        let challenge_type = self.chance.pick(&types).flatten().map(str::to_owned);
        let (caller, bad) = self.present::<Challenging>(user, token);
        let (caller, told) = self.tell_emails(user, caller);
        let fate = if bad { Fate::Dead } else { self.fate(user, token) };
        self.moves
            .say(format!("challenge {user} token {token} {fate:?} {challenge_type:?} {id:?} told {told:?}"));
        let command = Challenging { challenge_type: challenge_type.clone(), authenticator_id: id.clone() };
        let done = self.run(user, command, caller);
        let is_mfa = self.users[user].tokens[token].is_mfa();
        match &done.result {
            Ok(challenged) => {
                let is_past = done.is_of_the_past();
                assert!((fate != Fate::Dead || is_past) && is_mfa, "a dead token challenges");
                if !done.is_of_the_past() {
                    self.learn(user, told, &done.deliveries);
                }
                let is_oob = challenged.oob.is_some();
                let wanted = if is_oob { "oob" } else { "otp" };
                assert!(challenge_type.as_ref().is_none_or(|types| types.contains(wanted)), "another type");
                assert!(id.as_ref().is_none_or(|id| *id == challenged.authenticator_id), "another one");
                let sent: Vec<&Delivery> =
                    done.deliveries.iter().filter(|d| d.content != Content::Notice).collect();
                assert_eq!(sent.len(), usize::from(is_oob), "what was said to be sent is not what was sent");
                let mut at = self.challenged(user, &challenged.authenticator_id, sent.first().copied());
                if at.is_none() && self.users[user].unsure && !done.is_of_the_past() {
                    // What a call added whose answer was lost: this is the first that is heard of it.
                    self.lost(user);
                    self.look(user);
                    at = self.challenged(user, &challenged.authenticator_id, sent.first().copied());
                }
                let Some(at) = at.filter(|_| !done.is_of_the_past()) else {
                    assert!(!is_oob && done.is_of_the_past(), "challenges what is not there");
                    return self.settle(user);
                };
                assert!(self.usable(user, at) != Fate::Dead, "challenges what is not usable");
                assert!(!self.users[user].tokens[token].has_passed(at), "challenges what was passed");
                if let (Some(oob), Some(delivery)) = (&challenged.oob, sent.first()) {
                    let (code, number) = (oob.oob_code.clone(), oob.number.clone());
                    assert_eq!(oob.oob_channel, delivery.channel, "another channel");
                    self.sent(user, token, at, delivery, code, number, "log in");
                }
            }
            Err(_) => {
                self.check_challenge_denied(user, token, &done, (fate, id, challenge_type), told.is_some())
            }
        }
        self.settle(user);
    }

    /// The enrollment behind the id that was challenged.
    fn challenged(&mut self, user: usize, id: &str, sent: Option<&Delivery>) -> Option<usize> {
        if let Some(at) = self.users[user].find(id) {
            return Some(at);
        }
        // An address whose id was not told yet.
        let to = sent?.destination.expose();
        let known = &mut self.users[user];
        let is_it = |e: &Enrollment| e.implicit && e.ids.is_empty() && e.destination() == Some(to);
        let at = known.enrollments.iter().position(|e| is_it(e) && e.stage == Stage::Active)?;
        known.enrollments[at].ids.push(id.to_owned());
        Some(at)
    }

    fn check_challenge_denied<R>(
        &mut self,
        user: usize,
        token: usize,
        done: &Done<R>,
        (fate, id, types): (Fate, Option<String>, Option<String>),
        told: bool,
    ) {
        let known = &self.users[user];
        let at = id.as_ref().and_then(|id| known.find(id));
        match done.code() {
            None => {}
            Some(DenialCode::TooManyAttempts) => {
                let to = at.and_then(|at| known.enrollments[at].destination()).map(str::to_owned);
                let past = done.is_of_the_past();
                let refused = Refused { used_for: "log in", to, cost: 0, token: Some(token), past };
                self.check_limit(user, &done.events, refused);
                self.perhaps_sent(user, "log in", done.trace.faults > 0);
            }
            Some(DenialCode::TokenExpired) => {
                assert!(fate != Fate::Live || done.is_of_the_past(), "a token that is alive was refused");
            }
            Some(_) if done.is_of_the_past() || told => {}
            Some(code) => {
                let can = |at: usize| {
                    let is_free = !known.tokens[token].has_passed(at);
                    is_free && types.is_none() && self.usable(user, at) == Fate::Live
                };
                let is_mfa = known.tokens[token].is_mfa();
                let is_right = fate == Fate::Live && is_mfa && at.is_some_and(can);
                assert!(!is_right, "an authenticator that is usable was refused: {code:?}");
            }
        }
        if done.is_error() {
            self.perhaps_sent(user, "log in", true);
        }
    }

    /// A code or a push went out: it takes the place of what its chain sent before.
    #[allow(clippy::too_many_arguments, reason = "what was sent, by whom, for whom, and how it is answered")]
    pub fn sent(
        &mut self,
        user: usize,
        token: usize,
        at: usize,
        delivery: &Delivery,
        oob_code: SecretString,
        number: Option<SecretString>,
        used_for: &str,
    ) {
        self.tally.count(&format!("sent {:?}", delivery.channel));
        let (is_exact, now_ms) = (self.is_exact(), self.now_ms);
        let known = &self.users[user];
        let chain = known.tokens[token].chain;
        let (code, push) = match &delivery.content {
            Content::Code(code) => (Some(code.clone()), None),
            Content::Push(push) => (None, Some(push.clone())),
            Content::Notice => panic!("a notice is no challenge"),
        };
        assert!(known.enrollments[at].has_id(&delivery.authenticator_id), "sent to another authenticator");
        if let Some(to) = known.enrollments[at].destination() {
            assert_eq!(to, delivery.destination.expose(), "sent to another destination");
        }
        if push.is_some() && is_exact {
            let waits = known.challenges.iter().any(|other| {
                let is_live = other.fate == Fate::Live && other.sure && other.expires_ms > known.seen_ms.1;
                other.chain != chain && other.waits == Waits::Push && is_live && other.expires_ms > now_ms
            });
            assert!(!waits, "a second push beside one that waits");
            let is_paused = known.denied_push_ms.is_some_and(|from_ms| now_ms < from_ms + 60_000);
            assert!(!is_paused, "a push within a minute of a denied one");
        }
        let next = if push.is_some() { Next::AnswerPush } else { Next::VerifyOob };
        self.then(user, &[next]);
        let known = &self.users[user];
        let reserved = known.tokens[token].facts().is_some_and(|facts| facts.reserved);
        let sure_budget = known.tokens[token].fate == Fate::Live;
        let challenge = Challenge {
            chain,
            enrollment: at,
            channel: delivery.channel,
            oob_code,
            waits: if push.is_some() { Waits::Push } else { Waits::Code },
            code,
            push,
            number,
            reserved,
            sure_budget,
            issued_ms: now_ms,
            expires_ms: now_ms + self.policy(user).oob_code_ms,
            sure: true,
            fate: Fate::Live,
            succeeded: false,
        };
        self.put(user, challenge);
        self.charge_sent(user, delivery.channel, delivery.destination.expose(), used_for);
    }

    /// One live challenge a chain.
    pub fn put(&mut self, user: usize, challenge: Challenge) {
        let now_ms = self.now_ms;
        let known = &mut self.users[user];
        let chain = challenge.chain;
        // What a clock sent that is more than five minutes ahead of this one makes room.
        let ahead = known.challenges.iter_mut().filter(|other| other.issued_ms > now_ms + 300_000);
        ahead.for_each(|other| other.fate = Fate::Dead);
        known.challenges.iter_mut().filter(|other| other.chain == chain).for_each(|c| c.fate = Fate::Dead);
        // What is pending lives as long as the last token of its chain, and this is one.
        let pending = known.enrollments.iter_mut().filter(|e| e.stage == Stage::Pending && e.chain == chain);
        pending.for_each(|pending| pending.expires_ms = pending.expires_ms.max(challenge.expires_ms));
        if known.challenges.len() > 40 {
            known.challenges.remove(0);
        }
        known.challenges.push(challenge);
    }

    /// How sure it is that a challenge can be answered with this token.
    pub fn challenge_fate(&self, user: usize, token: usize, at: usize) -> Fate {
        let (known, now_ms) = (&self.users[user], self.now_ms);
        let (challenge, token) = (&known.challenges[at], &known.tokens[token]);
        let enrollment = &known.enrollments[challenge.enrollment];
        let is_early = challenge.issued_ms > now_ms + 300_000;
        if challenge.chain != token.chain || challenge.expires_ms <= now_ms || is_early {
            return Fate::Dead;
        }
        let near_end = known.seen_ms.1 >= challenge.expires_ms || known.seen_ms.1 > now_ms + 240_000;
        let time = if near_end { Fate::Perhaps } else { Fate::Live };
        let is_pending = match (enrollment.stage, enrollment.sure) {
            (Stage::Gone, _) => Fate::Dead,
            (_, false) => Fate::Perhaps,
            (Stage::Pending, true) if enrollment.expires_ms > known.seen_ms.1.max(now_ms) => Fate::Live,
            (Stage::Pending, true) => Fate::Perhaps,
            (Stage::Active, true) if token.is_mfa() && !token.has_passed(challenge.enrollment) => {
                self.usable(user, challenge.enrollment)
            }
            (Stage::Active, true) => Fate::Dead,
        };
        challenge.fate.min(time).min(is_pending)
    }
}
