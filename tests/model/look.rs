//! A clean look at a user: what the engine describes is what the model knows, and pairs are whole.

use std::collections::BTreeMap;

use mfacore::commands::{AuthenticatorDetail, Describe, Described, ListAuthenticators, Lock};
use mfacore::{Budget, Caller, FactorKind, Scopes};

use super::budgets::Bounds;
use super::model::{Enrollment, Fate, Means, Proof, Stage};
use super::sim::{Clocks, Sim};

fn kind_of(id: &str) -> Option<FactorKind> {
    match id.split('|').next().unwrap_or_default() {
        "totp" => Some(FactorKind::Otp),
        "sms" | "voice" => Some(FactorKind::Phone),
        "push" => Some(FactorKind::PushNotification),
        "email" => Some(FactorKind::Email),
        _ => None,
    }
}

impl Sim {
    /// Ends a move: what is unknown is looked at as soon as no write is on its way.
    pub fn settle(&mut self, user: usize) {
        let is_late = self.store.has_late(&self.users[user].key);
        if (self.users[user].unsure && !is_late) || self.chance.one_in(6) {
            self.look(user);
        }
    }

    /// Describes the user, with a store that does what it says.
    pub fn look(&mut self, user: usize) {
        let was_far_ahead = self.far_ahead(user);
        self.store.begin(&self.users[user].key.clone(), 0, false);
        self.clock.store(self.now_ms, std::sync::atomic::Ordering::Relaxed);
        let caller = Caller::host(self.users[user].name);
        let finished = self.mfas[self.users[user].tenant].run(Describe {}, caller);
        let trace = self.store.end();
        let described = match finished.result {
            Ok(described) => described,
            Err(refusal) => panic!("{user} cannot be described: {refusal}"),
        };
        assert!(trace.written.is_empty() || self.clocks == Clocks::Wild, "a look wrote");
        if trace.landed {
            // The clock had been far ahead.
            self.saw(user, was_far_ahead);
        }
        self.check_enrollments(user, &described);
        self.check_recovery(user, &described);
        self.check_locks(user, &described);
        let known = &mut self.users[user];
        let alive = known.browsers.iter().filter(|browser| browser.fate != Fate::Dead).count();
        let unknown = if known.unsure || self.per_mille > 0 { 10 } else { 0 };
        assert!(
            described.trusted_browsers.len() <= alive + unknown,
            "a browser is trusted that should be dead"
        );
        assert!(described.sequence >= known.sequence, "the sequence fell");
        if known.sequence > 0 {
            known.sequence = described.sequence;
        }
        let is_late = self.store.has_late(&known.key);
        known.may_lapse = is_late;
        known.unsure = is_late;
        if is_late {
            known.enrollments.iter_mut().for_each(|e| e.sure = false);
        }
    }

    fn check_enrollments(&mut self, user: usize, described: &Described) {
        let now_ms = self.now_ms;
        let established = described.established_at.is_some();
        let known = &mut self.users[user];
        assert!(known.unsure || known.established == established, "established is {established}");
        if known.unsure && known.established != established {
            known.established = established;
        }
        let mut groups: BTreeMap<&str, Vec<&AuthenticatorDetail>> = BTreeMap::new();
        for detail in described.authenticators.iter().filter(|detail| detail.kind != "recovery-code") {
            groups.entry(&detail.link_id).or_default().push(detail);
        }
        let mut there = Vec::new();
        for halves in groups.values() {
            there.push(self.check_group(user, halves));
        }
        let known = &mut self.users[user];
        let pending = described.authenticators.iter().filter(|d| !d.confirmed && d.kind != "email");
        let links: std::collections::BTreeSet<&str> = pending.map(|detail| detail.link_id.as_str()).collect();
        assert!(links.len() <= 3, "four pending enrollments");
        let has_same = |e: &Enrollment| {
            e.implicit && known.enrolled().any(|(_, other)| other.destination() == e.destination())
        };
        let hidden: Vec<usize> =
            (0..known.enrollments.len()).filter(|at| has_same(&known.enrollments[*at])).collect();
        for at in (0..known.enrollments.len()).filter(|at| !there.contains(at) && !hidden.contains(at)) {
            let enrollment = &known.enrollments[at];
            // A clock that was ahead ends what is pending early.
            let is_over = enrollment.expires_ms <= now_ms.max(known.seen_ms.1);
            match enrollment.stage {
                Stage::Gone => continue,
                Stage::Pending => {
                    assert!(is_over || known.may_lapse || !enrollment.sure, "a pending enrollment is gone")
                }
                Stage::Active => {
                    assert!(!enrollment.sure || known.unsure, "an enrollment is gone: {:?}", enrollment.ids)
                }
            }
            if enrollment.stage == Stage::Pending && self.clocks != Clocks::Steady {
                // It is hidden while the clock is ahead, and gone with the next write.
                known.enrollments[at].sure = false;
                continue;
            }
            if enrollment.sure && !known.unsure || enrollment.stage == Stage::Pending {
                known.enrollment_is_gone(at, None);
            } else {
                // Who removed it, and what died with it, is unknown.
                known.enrollments[at].stage = Stage::Gone;
                known.doubt_proof(Proof::Enrollment(at));
                known.challenges.iter_mut().filter(|c| c.enrollment == at).for_each(|c| c.fate = Fate::Dead);
            }
        }
    }

    /// The authenticators of one enrollment: both halves, in one state. Returns which one it is.
    fn check_group(&mut self, user: usize, halves: &[&AuthenticatorDetail]) -> usize {
        let now_ms = self.now_ms;
        let (slack_ms, disable_after) = (86_400_000, self.policy(user).disable_after);
        let known = &mut self.users[user];
        let confirmed = halves[0].confirmed;
        assert!(halves.iter().all(|half| half.confirmed == confirmed), "half of a pair is confirmed");
        let ids: Vec<&String> = halves.iter().map(|half| &half.id).collect();
        let is_it = |e: &Enrollment| e.stage != Stage::Gone && ids.iter().any(|id| e.has_id(id));
        let address = halves[0].email.as_ref().map(|address| address.expose());
        let is_unnamed = |e: &Enrollment| {
            e.implicit && e.ids.is_empty() && e.stage == Stage::Active && e.destination() == address
        };
        let found = known.enrollments.iter().position(is_it);
        let at = found.or_else(|| known.enrollments.iter().position(is_unnamed));
        let at = at.unwrap_or_else(|| {
            assert!(known.unsure, "an authenticator that nobody added: {ids:?}");
            let kind = kind_of(ids[0]).unwrap();
            let implicit = super::emails::implicit(address.unwrap_or_default().to_owned());
            let is_email = kind == FactorKind::Email;
            let phone =
                halves[0].phone_number.as_ref().map(|number| Means::Phone(number.expose().to_owned()));
            let means = if is_email { implicit.means.clone() } else { phone.unwrap_or(Means::Unknown) };
            let expires_ms = now_ms + 3_600_000;
            let is_implicit =
                is_email && known.known.iter().any(|told| Some(told.address.as_str()) == address);
            // What nobody knows the chain or the secret of.
            let vague = is_email || !confirmed;
            let unknown = Enrollment {
                kind,
                vague,
                means,
                halves: halves.len(),
                implicit: is_implicit,
                expires_ms,
                ..implicit
            };
            known.enrollments.push(unknown);
            known.enrollments.len() - 1
        });
        let unsure = known.unsure;
        let enrollment = &mut known.enrollments[at];
        for id in ids {
            if !enrollment.has_id(id) {
                enrollment.ids.push(id.clone());
            }
        }
        assert_eq!(halves.len(), enrollment.halves, "half of a pair: {:?}", enrollment.ids);
        assert_eq!(
            enrollment.ids.len(),
            enrollment.halves,
            "more ids than authenticators: {:?}",
            enrollment.ids
        );
        let stage = if confirmed
            || enrollment.kind == FactorKind::Email && (enrollment.implicit || enrollment.vague)
        {
            Stage::Active
        } else {
            Stage::Pending
        };
        if enrollment.sure && !unsure {
            assert_eq!(stage, enrollment.stage, "{:?}", enrollment.ids);
            let is_over = stage == Stage::Pending && enrollment.expires_ms + slack_ms <= now_ms;
            assert!(!is_over, "a pending enrollment outlives its tokens");
        }
        enrollment.stage = stage;
        enrollment.sure = !enrollment.vague;
        if let Some(after) = disable_after {
            let (least, most) = enrollment.failures;
            assert!(!halves[0].disabled || most >= after, "disabled after {most} failures");
            assert!(halves[0].disabled || least < after || unsure, "not disabled after {least} failures");
            if halves[0].disabled {
                self.tally.count("disabled authenticators seen");
            }
        }
        at
    }

    fn check_recovery(&mut self, user: usize, described: &Described) {
        let is_late = self.store.has_late(&self.users[user].key);
        let known = &mut self.users[user];
        let recovery = &mut known.recovery;
        let left = described.recovery_codes_left;
        let live = recovery.codes.iter().filter(|(_, fate)| *fate == Fate::Live).count();
        let most = recovery.codes.len();
        if recovery.others {
            if left == 0 && !is_late {
                recovery.codes.clear();
                recovery.others = false;
            }
            return;
        }
        assert!((live..=most).contains(&left), "{left} recovery codes, not {live} to {most}");
    }

    fn check_locks(&mut self, user: usize, described: &Described) {
        let (budgets, messages) = (self.policy(user).budgets, self.policy(user).messages);
        let (own, locks) = (&self.users[user].budgets, &described.locks);
        let pairs: [(&str, &Bounds, Budget, Lock); 6] = [
            ("codes", &own.codes, budgets.codes, locks.codes),
            ("reserved", &own.reserved, budgets.reserved, locks.reserved),
            ("recovery", &own.recovery, budgets.recovery, locks.recovery),
            ("phone", &own.phone, messages.phone, locks.phone_messages),
            ("e-mail", &own.email, messages.email, locks.emails),
            ("push", &own.push, messages.push, locks.pushes),
        ];
        let slow = budgets.codes_slow.zip(locks.codes_slow);
        let slow = slow.map(|(budget, lock)| ("slow", &own.codes_slow, budget, lock));
        for (name, bounds, budget, lock) in pairs.into_iter().chain(slow) {
            let left = u64::from(lock.left);
            let most = bounds.left_at_most(budget, self.now_ms);
            assert!(left <= most, "{left} {name} left, and at most {most} can be");
            let least = bounds.left_at_least(budget, self.now_ms);
            assert!(left >= least || !self.is_exact(), "{left} {name} left, and at least {least} must be");
        }
    }

    /// A user asks what there is.
    pub fn list(&mut self, user: usize) {
        let Some(token) =
            self.some_token(user, |token| token.scopes().is_none_or(|scopes| scopes.contains(Scopes::READ)))
        else {
            return self.require(user);
        };
        let (caller, bad) = self.present::<ListAuthenticators>(user, token);
        let reads = self.users[user].tokens[token].scopes().is_none_or(|s| s.contains(Scopes::READ));
        let fate = if bad || !reads { Fate::Dead } else { self.fate(user, token) };
        self.moves.say(format!("list {user} token {token} {fate:?}"));
        let done = self.run(user, ListAuthenticators {}, caller);
        let past = done.is_of_the_past();
        match &done.result {
            Ok(listed) => {
                assert!(fate != Fate::Dead || past, "a dead token lists");
                for view in listed.authenticators.iter().filter(|view| view.active && !past) {
                    let known = &self.users[user];
                    let Some(at) = known.find(&view.id) else { continue };
                    assert!(self.usable(user, at) != Fate::Dead, "{} is active", view.id);
                }
                for (_, e) in self.users[user].enrolled().filter(|(_, e)| e.sure && !past) {
                    let shown = listed.authenticators.iter().filter(|view| e.has_id(&view.id)).count();
                    assert!(
                        shown == e.halves || e.ids.len() < e.halves,
                        "half of a pair is listed: {:?}",
                        e.ids
                    );
                }
            }
            Err(_) => assert!(fate != Fate::Live || done.is_error() || past, "a live token does not list"),
        }
        self.settle(user);
    }
}
