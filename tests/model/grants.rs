//! What passing grants: a login, the next link of a chain, a confirmation.

use mfacore::policy::{Enforcement, ImplicitEmail};
use mfacore::{Channel, Granted, Purpose, Scopes, VerifyReply};

use super::model::{Browser, Fate, Grant, MfaFacts, Proof, Stage, Token, WEAK_MS};
use super::sim::{Next, Sim};
use super::verify::{Method, Passed};

impl Sim {
    /// Something was passed: what it grants is what its chain and policy allow.
    pub fn passed(&mut self, user: usize, token: usize, passed: Passed, reply: VerifyReply) {
        let now_ms = self.now_ms;
        let known = &mut self.users[user];
        let before = known.tokens[token].clone();
        let mut enrollment_weak = None;
        if let Proof::Enrollment(at) = passed.proof {
            assert!(!before.has_passed(at), "one enrollment passed twice in a chain");
            if known.enrollments[at].stage == Stage::Pending {
                assert_eq!(known.enrollments[at].chain, before.chain, "confirmed by another chain");
                self.confirm(user, at, token);
            }
            let enrollment = &mut self.users[user].enrollments[at];
            enrollment.failures = (0, 0);
            enrollment_weak = enrollment.weak_until_ms;
        }
        let known = &mut self.users[user];
        known.budgets.all().into_iter().for_each(|bounds| bounds.restamp(now_ms));
        let is_weak = matches!(passed.method, Method::Recovery | Method::Out(Channel::Email));
        let weak = before.weak_until_ms.max(enrollment_weak).max(is_weak.then_some(now_ms + WEAK_MS));
        let weak = weak.filter(|until_ms| *until_ms > now_ms);
        let mut proofs = before.proofs.clone();
        proofs.push(passed.proof);
        let known = &mut self.users[user];
        if let VerifyReply::Confirmed(access) = reply {
            self.tally.count("confirmed");
            let token = &mut known.tokens[token];
            assert_eq!(token.scopes(), Some(access.scope), "a confirmation widens no scope");
            if token.text != access.access_token {
                token.proofs.push(passed.proof);
                token.text = access.access_token;
            }
            token.fate = Fate::Live;
            return;
        }
        let facts = before.facts().expect("only an mfa_token logs in").clone();
        known.tokens[token].fate = Fate::Dead;
        // What the chain had sent is of no use to it any more.
        let own = known.challenges.iter_mut().filter(|challenge| challenge.chain == before.chain);
        own.for_each(|challenge| challenge.fate = Fate::Dead);
        known.spent_until_ms.retain(|until_ms| *until_ms > now_ms);
        known.spent_until_ms.push(before.expires_ms.max(known.seen_ms.1) + 600_000);
        let before_fate = before.fate;
        let next = Token { proofs, weak_until_ms: weak, issued_ms: now_ms, fate: Fate::Live, ..before };
        match reply {
            VerifyReply::Granted(granted) => self.granted(user, next, facts, passed.method, granted),
            VerifyReply::Required(required) => {
                self.tally.count("further factor required");
                let enrolls = self.check_requirements(user, &next.proofs, &required.mfa_requirements, false);
                let expires_ms = now_ms + self.policy(user).mfa_token_ms;
                let grant = Grant::Mfa(MfaFacts { may_enroll: enrolls, ..facts });
                // Which budget the chain draws on is as unknown as before.
                let fate = before_fate;
                self.then(user, &[if enrolls { Next::Associate } else { Next::Challenge }]);
                self.mint(user, Token { text: required.mfa_token, expires_ms, grant, fate, ..next });
            }
            VerifyReply::Confirmed(_) => {}
        }
    }

    fn granted(&mut self, user: usize, next: Token, facts: MfaFacts, method: Method, mut granted: Granted) {
        self.tally.count(match method {
            Method::Otp => "granted otp",
            Method::Recovery => "granted recovery",
            Method::Out(Channel::Push) => "granted push",
            Method::Out(Channel::Email) => "granted email",
            Method::Out(_) => "granted phone",
        });
        self.tally.count("granted");
        let (now_ms, policy) = (self.now_ms, self.policy(user).clone());
        assert!(next.proofs.len() >= usize::from(policy.chained_factors), "fewer factors than policy wants");
        let known = &self.users[user];
        let is_bare = !known.established && !known.unsure;
        let must_enroll =
            policy.implicit_email == ImplicitEmail::MustBePassed && policy.enforcement == Enforcement::Always;
        assert!(!(is_bare && must_enroll), "an address alone logs nobody in");
        let (access, device) = (granted.access.take(), granted.device_token.take());
        let verified = granted.into_verified().expect("a grant holds its proof");
        assert_eq!(verified.user(), known.name, "proof of another user");
        assert_eq!(verified.transaction(), facts.transaction.as_deref(), "another transaction");
        assert_eq!(verified.purpose() == Purpose::StepUp, facts.step_up, "another purpose");
        assert!(self.verified.insert(*verified.challenge()), "one chain, two logins");
        let is_weak = next.weak_until_ms.is_some();
        assert_eq!(access.is_some(), facts.asked.is_some(), "an access token iff it was asked for");
        if let Some((access, asked)) = access.zip(facts.asked) {
            let wanted = if is_weak { asked.without(Scopes::REMOVE) } else { asked };
            assert_eq!(access.scope, wanted, "the scopes of a login");
            let expires_ms = now_ms + policy.access_token_ms;
            let grant = Grant::Access(access.scope);
            self.then(user, &[Next::Associate, Next::Associate, Next::Associate, Next::Manage]);
            self.mint(user, Token { text: access.access_token, expires_ms, grant, ..next.clone() });
        }
        let trusts = facts.trust && !facts.step_up && policy.trusted_browsers.is_some() && !is_weak;
        assert_eq!(device.is_some(), trusts, "a device token iff asked for and earned");
        if let Some(token) = device {
            self.tally.count("browsers trusted");
            let known = &mut self.users[user];
            if known.browsers.iter().filter(|browser| browser.fate != Fate::Dead).count() >= 10 {
                known.browsers.iter_mut().for_each(|browser| browser.fate.doubt());
            }
            known.browsers.retain(|browser| browser.fate != Fate::Dead || now_ms % 3 == 0);
            let used_ms = (now_ms, now_ms);
            let browser =
                Browser { token, proofs: next.proofs, created_ms: now_ms, used_ms, fate: Fate::Live };
            known.browsers.push(browser);
        }
    }

    /// A pending enrollment is active from now on.
    fn confirm(&mut self, user: usize, at: usize, token: usize) {
        self.tally.count("enrollments confirmed");
        let known = &mut self.users[user];
        known.enrollments[at].stage = Stage::Active;
        known.enrollments[at].sure = true;
        if let Some(old) =
            known.enrollments[at].replaces.filter(|old| known.enrollments[*old].stage != Stage::Gone)
        {
            known.enrollment_is_gone(old, Some(token));
        }
        if known.unsure {
            // It was perhaps the first.
            self.lost(user);
        } else if !known.established {
            let codes = known.enrollments[at].recovery.clone();
            known.establish(Some(codes));
        }
    }
}
