//! The beginning of a login: what is required, and what is challenged.

use mfacore::commands::{Require, RequireReply};
use mfacore::policy::Enforcement;
use mfacore::{AccessGrant, Caller, DenialCode, Expectation, FactorKind, Requirements, Scopes, SecretString};

use super::call::Done;
use super::model::{DAY_MS, Fate, Grant, MfaFacts, Proof, Stage, Token};
use super::sim::{Next, Sim};

impl Sim {
    /// A token that the engine handed out.
    pub fn mint(&mut self, user: usize, mut token: Token) -> usize {
        let known = &mut self.users[user];
        if known.unsure {
            // A write that is on its way may end the epoch that it is of.
            token.fate.doubt();
        }
        let (chain, expires_ms) = (token.chain, token.expires_ms);
        for pending in known.enrollments.iter_mut().filter(|e| e.stage == Stage::Pending && e.chain == chain)
        {
            pending.expires_ms = pending.expires_ms.max(expires_ms);
        }
        if known.tokens.len() > 80 {
            // Tokens are named by their place, so that old ones stay where they are and are only forgotten here,
            // between two moves.
            let old = known.tokens.iter().position(|old| old.fate == Fate::Dead).unwrap_or_default();
            known.tokens[old] = token;
            return old;
        }
        known.tokens.push(token);
        known.tokens.len() - 1
    }

    /// A token of this user: mostly one that is alive, and one of the kind that is `wanted`.
    pub fn some_token(&mut self, user: usize, wanted: impl Fn(&Token) -> bool) -> Option<usize> {
        let any = self.chance.percent(4);
        let dead = self.chance.percent(8);
        let now_ms = self.now_ms;
        let known = &self.users[user];
        let is_fitting = |at: &usize| {
            let is_alive = known.token_fate(*at, now_ms) != Fate::Dead;
            any || (wanted(&known.tokens[*at]) && is_alive != dead)
        };
        let fitting: Vec<usize> = (0..known.tokens.len()).filter(is_fitting).collect();
        // The last ones are what a client works with.
        let recent = fitting.len().saturating_sub(3);
        if self.chance.percent(70) {
            self.chance.pick(&fitting[recent..])
        } else {
            self.chance.pick(&fitting)
        }
    }

    /// How sure it is that an enrollment can be challenged.
    pub fn usable(&self, user: usize, at: usize) -> Fate {
        let (known, policy) = (&self.users[user], self.policy(user));
        let enrollment = &known.enrollments[at];
        if enrollment.stage == Stage::Gone || !policy.allows(enrollment.kind) {
            return Fate::Dead;
        }
        let mut fate = match (enrollment.stage, enrollment.sure && !known.unsure) {
            (Stage::Active, true) => Fate::Live,
            (_, false) => Fate::Perhaps,
            (_, true) => return Fate::Dead,
        };
        if let Some(after) = policy.disable_after {
            match enrollment.failures {
                (least, _) if least >= after => return Fate::Dead,
                (_, most) if most >= after => fate = Fate::Perhaps,
                _ => {}
            }
        }
        if enrollment.vague {
            return fate.min(Fate::Perhaps);
        }
        if enrollment.implicit { fate.min(self.stands(user, enrollment)) } else { fate }
    }

    /// The kinds that the user can certainly and perhaps pass, but for what the chain has passed.
    fn kinds(&self, user: usize, proofs: &[Proof]) -> (Vec<FactorKind>, Vec<FactorKind>) {
        let known = &self.users[user];
        let (mut certain, mut perhaps) = (Vec::new(), Vec::new());
        for at in 0..known.enrollments.len() {
            let kind = known.enrollments[at].kind;
            let mut kinds = vec![kind];
            if kind == FactorKind::PushNotification {
                kinds.push(FactorKind::Otp);
            }
            match self.usable(user, at) {
                _ if proofs.contains(&Proof::Enrollment(at)) => {}
                Fate::Dead => {}
                Fate::Perhaps => perhaps.extend(kinds),
                Fate::Live => certain.extend(kinds),
            }
        }
        let recovered = proofs.iter().any(|proof| matches!(proof, Proof::Recovery(_)));
        if self.allows(user, FactorKind::RecoveryCode) && !recovered {
            let fate = known.recovery.codes.iter().map(|(_, fate)| *fate).max().unwrap_or(Fate::Dead);
            match fate {
                Fate::Live if !known.unsure => certain.push(FactorKind::RecoveryCode),
                Fate::Dead if !known.recovery.others => {}
                _ => perhaps.push(FactorKind::RecoveryCode),
            }
        }
        perhaps.extend(&certain);
        (certain, perhaps)
    }

    /// What is asked for is what the user has.
    pub fn check_requirements(
        &mut self,
        user: usize,
        proofs: &[Proof],
        asked: &Requirements,
        past: bool,
    ) -> bool {
        let (certain, perhaps) = self.kinds(user, proofs);
        match asked {
            Requirements::Challenge(kinds) => {
                let kinds: Vec<FactorKind> = kinds.iter().map(|kind| kind.factor).collect();
                let unsure = self.users[user].unsure || past;
                assert!(
                    unsure || kinds.iter().all(|kind| perhaps.contains(kind)),
                    "asks for what is not there: {kinds:?}"
                );
                assert!(
                    past || certain.iter().all(|kind| kinds.contains(kind)),
                    "asks not for {certain:?}: {kinds:?}"
                );
                false
            }
            Requirements::Enroll(_) => true,
        }
    }

    /// How sure it is that a device token skips the second factor.
    fn browser_fate(&self, user: usize, at: usize) -> Fate {
        let Some(trust) = self.policy(user).trusted_browsers else { return Fate::Dead };
        let proofs = &self.users[user].browsers[at].proofs;
        if proofs.len() < self.policy(user).chained_factors.into() {
            return Fate::Dead;
        }
        // What earned it must be good for a login today.
        let still = proofs.iter().map(|proof| match proof {
            Proof::Enrollment(at) => self.usable(user, *at),
            Proof::Recovery(_) => Fate::Dead,
        });
        let still = still.min().unwrap_or(Fate::Dead);
        let (browser, now_ms) = (&self.users[user].browsers[at], self.now_ms);
        let is_old = now_ms.saturating_sub(browser.created_ms) >= trust.life_ms;
        let idle_ms = |used_ms: u64| now_ms.saturating_sub(used_ms);
        // The record goes by the latest time that it saw.
        let latest_now_ms = now_ms.max(self.users[user].seen_ms.1);
        let is_over_soon = latest_now_ms.saturating_sub(browser.created_ms) >= trust.life_ms
            || latest_now_ms.saturating_sub(browser.used_ms.0) >= trust.idle_ms;
        if is_old || idle_ms(browser.used_ms.1) >= trust.idle_ms {
            return Fate::Dead;
        }
        let latest_ms = browser.created_ms.max(browser.used_ms.1);
        let is_far = latest_ms > now_ms + DAY_MS / 2 || self.users[user].seen_ms.1 > now_ms + DAY_MS / 2;
        if is_far || is_over_soon {
            return browser.fate.min(still).min(Fate::Perhaps);
        }
        browser.fate.min(still)
    }

    /// After a first factor.
    pub fn require(&mut self, user: usize) {
        let client = self.chance.percent(80).then_some("app");
        let asked = match self.chance.below(20) {
            0..8 => None,
            8 => Some(Scopes::READ),
            9 => Some(Scopes::ENROLL),
            10 => Some(Scopes::REMOVE.with(Scopes::READ)),
            _ => Some(Scopes::ALL),
        };
        let (force, step_up) = (self.chance.one_in(12), self.chance.one_in(12));
        let trust = self.chance.percent(50);
        let expects = self.chance.one_in(40);
        let transaction = step_up.then(|| format!("pay {}", self.moves.step));
        let owner = if self.chance.one_in(8) { self.chance.index(self.users.len()) } else { user };
        let browser = match self.chance.below(10) {
            0..5 if !self.users[owner].browsers.is_empty() => {
                Some(self.chance.index(self.users[owner].browsers.len()))
            }
            _ => None,
        };
        let browser_token = browser.map(|at| self.users[owner].browsers[at].token.clone());
        let fate = browser.filter(|_| owner == user).map_or(Fate::Dead, |at| self.browser_fate(user, at));
        let mut caller = self.host(user);
        caller = client.into_iter().fold(caller, Caller::client);
        caller = asked.into_iter().fold(caller, Caller::mfa_audience);
        caller = transaction.iter().cloned().fold(caller, Caller::step_up);
        caller = if force { caller.force() } else { caller };
        caller = if trust { caller.trust_browser() } else { caller };
        caller = if expects { caller.expects(Expectation::Enrolled) } else { caller };
        let (caller, told) = self.tell_emails(user, caller);
        let name = self.users[user].name;
        self.moves.say(format!(
            "require {user} {name} asked {asked:?} force {force} step_up {step_up} browser {owner}/{browser:?} {fate:?} told {told:?}"
        ));
        let done = self.run(user, Require { device_token: browser_token }, caller);
        let is_demanded = force || step_up;
        let is_optional = self.policy(user).enforcement == Enforcement::WhenEnrolled && !is_demanded;
        let known = &self.users[user];
        // An older state knew nothing of what came since: nothing is learnt, and what it gave is perhaps dead.
        let past = done.is_of_the_past();
        let (sure, established) = (!known.unsure && !past, known.established);
        let is_let_in = is_optional && asked.is_none();
        if done.result.is_ok() && !past && !(sure && !established && is_let_in) {
            self.learn(user, told.clone(), &done.deliveries);
        }
        let facts = MfaFacts { asked, may_enroll: false, step_up, transaction, reserved: false, trust };
        match &done.result {
            Ok(RequireReply::NotRequired(reply)) => {
                let skips = fate != Fate::Dead && asked.is_none() && !is_demanded;
                if sure && established {
                    assert!(skips, "the requirement was lowered");
                }
                if skips && (established || !sure) {
                    self.tally.count("browser recognised");
                    let browser = &mut self.users[user].browsers[browser.unwrap()];
                    browser.used_ms.1 = browser.used_ms.1.max(self.now_ms);
                    if sure && established {
                        browser.used_ms.0 = browser.used_ms.0.max(self.now_ms);
                    }
                } else {
                    assert!(is_optional, "nothing was required where policy demands it");
                }
                if let Some(access) = &reply.access {
                    self.first_access(user, client, access, asked, past);
                }
            }
            Ok(RequireReply::Enroll(access)) => {
                assert!(!is_optional, "enrolling is asked for though it is optional");
                self.first_access(user, client, access, asked, past);
            }
            Ok(RequireReply::Required(required)) => {
                assert!(!(sure && !established && is_let_in), "a user who has nothing is asked for a factor");
                let is_skipped = fate == Fate::Live && asked.is_none() && !is_demanded;
                assert!(!(sure && established && is_skipped), "a trusted browser is asked");
                let enrolls = self.check_requirements(user, &[], &required.mfa_requirements, past);
                assert!(!(enrolls && sure && established), "an established user is asked to enroll");
                // A browser that is perhaps trusted draws on either budget.
                let facts = MfaFacts { reserved: fate == Fate::Live && established, ..facts };
                let perhaps = past || fate == Fate::Perhaps || (fate == Fate::Live && !sure);
                self.begin_chain(user, client, required.mfa_token.clone(), Grant::Mfa(facts), perhaps);
                let passes = [Next::Challenge, Next::Challenge, Next::VerifyOtp, Next::Guess];
                let passes = if enrolls { [Next::Associate; 4] } else { passes };
                self.then(user, &passes);
            }
            Err(_) => self.check_require_denied(user, &done, expects, told.is_some() || past),
        }
        if done.code() == Some(&DenialCode::NoUsableAuthenticator) && self.chance.one_in(3) {
            self.host_call(user, 6);
        }
        self.settle(user);
    }

    fn check_require_denied<R>(&mut self, user: usize, done: &Done<R>, expects: bool, told: bool) {
        let known = &self.users[user];
        match done.code() {
            None => {}
            Some(DenialCode::RecordMissing) => {
                assert!(expects && (!known.established || known.unsure), "an established user is missing");
            }
            Some(DenialCode::NoUsableAuthenticator) => {
                // A mailbox that wrong codes disabled is one that stands, and cannot be passed.
                let is_bare = !known.established && !known.unsure && !told;
                let has_mailbox = self.has_standing_email(user) != Fate::Dead;
                assert!(!is_bare || has_mailbox, "nothing is usable of a user who has nothing");
                let (mut certain, _) = self.kinds(user, &[]);
                // An address that the host does not list any more is worth nothing in this very call.
                certain.retain(|kind| !(told && *kind == FactorKind::Email));
                assert!(certain.is_empty(), "nothing is usable, and {certain:?} is");
            }
            Some(code) => panic!("require was denied: {code:?}"),
        }
    }

    /// The access token of a user who has nothing yet.
    fn first_access(
        &mut self,
        user: usize,
        client: Option<&'static str>,
        access: &AccessGrant,
        asked: Option<Scopes>,
        past: bool,
    ) {
        let (known, scope) = (&self.users[user], access.scope);
        assert!(
            !known.established || known.unsure || past,
            "an established user gets an access token for a password"
        );
        assert_eq!(Some(scope), asked, "the scopes that were asked for");
        assert!(self.email_first(user) != Fate::Live || past, "the address must be passed first");
        self.tally.count("first access tokens");
        self.then(user, &[Next::Associate]);
        self.begin_chain(user, client, access.access_token.clone(), Grant::Access(scope), past);
    }

    fn begin_chain(
        &mut self,
        user: usize,
        client: Option<&'static str>,
        text: SecretString,
        grant: Grant,
        perhaps: bool,
    ) {
        self.chains += 1;
        let policy = self.policy(user);
        let life_ms = if let Grant::Mfa(_) = grant { policy.mfa_token_ms } else { policy.access_token_ms };
        let token = Token {
            text,
            client,
            chain: self.chains,
            issued_ms: self.now_ms,
            expires_ms: self.now_ms + life_ms,
            proofs: Vec::new(),
            weak_until_ms: None,
            grant,
            // Which budget it draws on, or whether its epoch is over, is unknown: nothing is certain of it.
            fate: if perhaps { Fate::Perhaps } else { Fate::Live },
        };
        self.mint(user, token);
    }
}
