//! What calls spend of budgets, and whether a refusal for a spent budget is just.

use mfacore::{Budget, Channel, Content, Delivery, EventKind, Limit};

use super::budgets::Bounds;
use super::model::Fate;
use super::sim::{Clocks, Sim};

/// The share of one of the 16 records that a budget of a tenant or of a prefix is spread over.
fn share(total: Budget) -> Budget {
    Budget::new((total.burst / 16).max(1), total.refill_ms * 16)
}

fn prefix(to: &str) -> Option<&'static str> {
    ["+49", "+1"].into_iter().find(|prefix| to.starts_with(prefix))
}

/// A call that a spent budget refused.
#[derive(Default)]
pub struct Refused<'a> {
    /// What a message is for.
    pub used_for: &'a str,
    /// Where it would have gone, where that is known.
    pub to: Option<String>,
    /// Attempts that the call needs.
    pub cost: u64,
    pub token: Option<usize>,
    /// Whether an older state is what refused it.
    pub past: bool,
}

impl Sim {
    /// The budgets across users that a message draws on: those whose every charge is known, and those that
    /// others draw on as well.
    fn limiters(&self, user: usize, to: &str, used_for: &str) -> [(String, Budget, Option<String>); 3] {
        let (tenant, messages) = (self.users[user].tenant, self.policy(user).messages);
        let log_in = used_for == "log in";
        let budget = if log_in { messages.destination_log_in } else { messages.destination_enroll };
        let name = |what: &str| format!("{tenant} {used_for} {what}");
        let prefix = prefix(to).unwrap_or("none");
        [
            (name(to), budget, None),
            (name(&format!("{prefix} {user}")), share(messages.prefix), Some(name(prefix))),
            (name(&format!("tenant {user}")), share(messages.tenant), Some(name("tenant"))),
        ]
    }

    /// A message was sent: it is charged to every budget, and none is overdrawn.
    pub fn charge_sent(&mut self, user: usize, channel: Channel, to: &str, used_for: &str) {
        let (now_ms, messages) = (self.now_ms, self.policy(user).messages);
        let budgets = &mut self.users[user].budgets;
        let (bounds, budget) = match channel {
            Channel::Push => (&mut budgets.push, messages.push),
            Channel::Email => (&mut budgets.email, messages.email),
            Channel::Sms | Channel::Voice => (&mut budgets.phone, messages.phone),
        };
        assert!(bounds.charge(budget, 1, now_ms), "more messages than the user's budget holds");
        if channel == Channel::Push {
            return;
        }
        for (name, budget, shared) in self.limiters(user, to, used_for) {
            if name.contains("none") {
                continue;
            }
            let own = self.limiters.entry(name.clone()).or_default();
            assert!(own.charge(budget, 1, now_ms), "more messages than the budget of {name} holds");
            if let Some(shared) = shared {
                self.limiters.entry(shared).or_default().perhaps(budget, 1, now_ms);
            }
        }
    }

    /// A message to any of the user's destinations was perhaps charged.
    pub fn perhaps_sent(&mut self, user: usize, used_for: &str, perhaps: bool) {
        if !perhaps {
            return;
        }
        let known = &self.users[user];
        let to: Vec<String> =
            known.enrollments.iter().filter_map(|e| e.destination()).map(str::to_owned).collect();
        to.iter().for_each(|to| self.perhaps_sent_to(user, to, used_for));
    }

    pub fn perhaps_sent_to(&mut self, user: usize, to: &str, used_for: &str) {
        let now_ms = self.now_ms;
        for (name, budget, shared) in self.limiters(user, to, used_for) {
            self.limiters.entry(name).or_default().perhaps(budget, 1, now_ms);
            if let Some(shared) = shared {
                self.limiters.entry(shared).or_default().perhaps(budget, 1, now_ms);
            }
        }
    }

    /// A limiter whose stamp lies ahead is believed no more once any server's clock says so.
    pub fn follow_clock(&mut self) {
        if self.clocks == Clocks::Wild {
            self.limiters.values_mut().for_each(|bounds| bounds.restamp(self.now_ms));
        }
    }

    /// Notices to older authenticators draw on the user's budgets alone.
    pub fn count_notices(&mut self, user: usize, deliveries: &[Delivery]) {
        let (now_ms, messages) = (self.now_ms, self.policy(user).messages);
        let budgets = &mut self.users[user].budgets;
        for notice in deliveries.iter().filter(|delivery| delivery.content == Content::Notice) {
            let (bounds, budget) = match notice.channel {
                Channel::Push => (&mut budgets.push, messages.push),
                Channel::Email => (&mut budgets.email, messages.email),
                Channel::Sms | Channel::Voice => panic!("a notice goes to a telephone"),
            };
            assert!(bounds.charge(budget, 1, now_ms), "more notices than the user's budget holds");
            self.tally.count("notices");
        }
    }

    /// A refusal for a spent budget: it says so in an event, and the budget is perhaps spent.
    pub fn check_limit(&mut self, user: usize, events: &[EventKind], refused: Refused<'_>) {
        let Refused { used_for, to, cost, token, past } = refused;
        let met: Vec<Limit> = limits(events).collect();
        let [limit] = met[..] else { panic!("429 without its one event: {events:?}") };
        self.tally.count(&format!("limit {limit:?}"));
        // An older state knew nothing of what was given back since.
        if !self.is_exact() || past {
            return;
        }
        let (now_ms, policy) = (self.now_ms, self.policy(user));
        let (messages, budgets, known) = (policy.messages, policy.budgets, &self.users[user]);
        let token = token.map(|at| &known.tokens[at]);
        let is_short = |bounds: &Bounds, budget: Budget, cost| bounds.left_at_least(budget, now_ms) < cost;
        let own = &known.budgets;
        let slow = |bounds, slow: Option<Budget>| slow.is_some_and(|slow| is_short(bounds, slow, cost));
        // Notices of new addresses go out in the same call.
        let sends = if policy.email_delay_ms.is_some() { 6 } else { 1 };
        let is_spent = match limit {
            Limit::PhoneMessages => is_short(&own.phone, messages.phone, sends),
            Limit::Emails => is_short(&own.email, messages.email, sends),
            // A pause, or one that waits: either is just.
            Limit::Pushes => true,
            Limit::Challenges => {
                let chain = token.map(|token| token.chain);
                let others = known.challenges.iter().filter(|c| Some(c.chain) != chain);
                others.filter(|other| other.fate != Fate::Dead).count() >= 16
            }
            Limit::Tokens => known.spent_until_ms.iter().filter(|until| **until > now_ms).count() >= 64,
            Limit::RecoveryCodes => is_short(&own.recovery, budgets.recovery, 1),
            Limit::Codes => {
                is_short(&own.codes, budgets.codes, cost)
                    || slow(&own.codes_slow, budgets.codes_slow)
                    || is_short(&own.reserved, budgets.reserved, cost)
                    || slow(&own.reserved_slow, budgets.reserved_slow)
            }
            Limit::Destination | Limit::Prefix | Limit::Tenant => to.is_none_or(|to| {
                let short = |(name, budget, shared): (String, Budget, Option<String>)| {
                    let name = shared.unwrap_or(name);
                    self.limiters.get(&name).is_some_and(|bounds| is_short(bounds, budget, 1))
                };
                self.limiters(user, &to, used_for).into_iter().any(short)
            }),
            _ => true,
        };
        assert!(is_spent, "refused for {limit:?}, which is not spent");
    }

    /// A code was looked at and is wrong: `cost` is counted, once.
    pub fn charge_codes(&mut self, user: usize, reserved: bool, cost: u64) {
        let (now_ms, budgets) = (self.now_ms, self.policy(user).budgets);
        let own = &mut self.users[user].budgets;
        let (fast, slow) = if reserved {
            ((&mut own.reserved, budgets.reserved), (&mut own.reserved_slow, budgets.reserved_slow))
        } else {
            ((&mut own.codes, budgets.codes), (&mut own.codes_slow, budgets.codes_slow))
        };
        assert!(fast.0.charge(fast.1, cost, now_ms), "more wrong codes than the budget holds");
        if let Some(budget) = slow.1 {
            assert!(slow.0.charge(budget, cost, now_ms), "more wrong codes than the slow budget holds");
        }
    }

    /// A right code was charged, and got its charge back.
    pub fn give_back_codes(&mut self, user: usize, reserved: bool) {
        let (now_ms, own) = (self.now_ms, &mut self.users[user].budgets);
        let (fast, slow) = match reserved {
            true => (&mut own.reserved, &mut own.reserved_slow),
            false => (&mut own.codes, &mut own.codes_slow),
        };
        fast.give_back(now_ms);
        slow.give_back(now_ms);
    }

    /// The same, where it is unknown which budget pays.
    pub fn charge_codes_perhaps(&mut self, user: usize, cost: u64) {
        let (now_ms, budgets) = (self.now_ms, self.policy(user).budgets);
        let own = &mut self.users[user].budgets;
        own.codes.perhaps(budgets.codes, cost, now_ms);
        own.reserved.perhaps(budgets.reserved, cost, now_ms);
        if let Some((slow, reserved)) = budgets.codes_slow.zip(budgets.reserved_slow) {
            own.codes_slow.perhaps(slow, cost, now_ms);
            own.reserved_slow.perhaps(reserved, cost, now_ms);
        }
    }

    /// How sure it is that the budget of codes holds `cost` more.
    pub fn holds_codes(&self, user: usize, reserved: bool, cost: u64) -> Fate {
        let (now_ms, budgets, own) = (self.now_ms, self.policy(user).budgets, &self.users[user].budgets);
        let (fast, slow) = if reserved {
            ((own.reserved, budgets.reserved), (own.reserved_slow, budgets.reserved_slow))
        } else {
            ((own.codes, budgets.codes), (own.codes_slow, budgets.codes_slow))
        };
        let of = |(bounds, budget): (Bounds, Budget)| self.holds(&bounds, budget, cost, now_ms);
        of(fast).min(slow.1.map_or(Fate::Live, |budget| of((slow.0, budget))))
    }

    pub fn holds(&self, bounds: &Bounds, budget: Budget, cost: u64, now_ms: u64) -> Fate {
        match (bounds.left_at_most(budget, now_ms), bounds.left_at_least(budget, now_ms)) {
            (most, _) if most < cost => Fate::Dead,
            (_, least) if least < cost || !self.is_exact() => Fate::Perhaps,
            _ => Fate::Live,
        }
    }
}

/// The limits that a call met.
fn limits(events: &[EventKind]) -> impl Iterator<Item = mfacore::Limit> + '_ {
    events.iter().filter_map(|event| match event {
        EventKind::LimitReached { limit, .. } => Some(*limit),
        _ => None,
    })
}
