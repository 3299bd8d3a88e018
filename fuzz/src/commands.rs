//! Sequences of calls by two users, against what their devices and mailboxes know: without a right code that
//! was not used, nobody is let in. The thorough model is the engine's own, in `tests/`; this one is small.

use arbitrary::{Result, Unstructured};
use mfacore::commands::{Associate, PushDecision};
use mfacore::otp::{Seed, Totp};
use mfacore::store::Version;
use mfacore::{Caller, NumberEntry, Outcome, PushMessage, Scopes};
use mfacore_conformance::device::{KeyKind, PushDevice, ScannedTicket};
use serde_json::{Value, json};

use super::world::{ADDRESS, Answer, NUMBER, OTHER_NUMBER, STEP_MS, World, associate, bearer, secret, totp};

const USERS: [&str; 2] = ["ann", "bob"];
const MOVES_MAX: usize = 40;
const MFA_TOKEN_MS: u64 = 600_000;
const OOB_CODE_MS: u64 = 300_000;

/// Bytes from which moves are drawn.
pub fn run(data: &[u8]) {
    let mut moves = Unstructured::new(data);
    let chained = moves.arbitrary::<u8>().is_ok_and(|byte| byte % 4 == 3);
    let mut model = Model { world: World::chained(if chained { 2 } else { 1 }), ..Model::default() };
    for _ in 0..MOVES_MAX {
        if moves.is_empty() || model.step(&mut moves).is_err() {
            return;
        }
    }
}

struct Token {
    text: String,
    user: usize,
    chain: usize,
    born_ms: u64,
    is_dead: bool,
}

struct App {
    user: usize,
    seed: Seed,
    /// Steps whose code was accepted.
    used: Vec<u64>,
}

struct Sent {
    user: usize,
    chain: usize,
    oob_code: String,
    code: Option<String>,
    push: Option<PushMessage>,
    number: Option<String>,
    ticket: Option<String>,
    at_ms: u64,
    is_approved: bool,
    is_dead: bool,
}

struct Recovery {
    user: usize,
    code: String,
    is_dead: bool,
}

#[derive(Default)]
struct Model {
    world: World,
    tokens: Vec<Token>,
    apps: Vec<App>,
    sent: Vec<Sent>,
    recovery: Vec<Recovery>,
    browsers: Vec<(usize, String)>,
    /// Users with the number of a device that brought its key.
    devices: Vec<(usize, u8)>,
    chains: usize,
    established: [bool; 2],
    /// The version that [`Model::established`] is of.
    checked: [Option<Version>; 2],
    /// One-time passwords that were typed before.
    typed: Vec<String>,
}

impl Model {
    fn step(&mut self, moves: &mut Unstructured<'_>) -> Result<()> {
        let user = usize::from(moves.arbitrary::<u8>()? % 3 == 2);
        let may_lower = match moves.int_in_range(0..=18u8)? {
            0 | 1 => self.require(user, moves)?,
            2 | 3 => self.associate(moves)?,
            4 | 5 => self.challenge(moves)?,
            6..=8 => self.verify_otp(moves)?,
            9 | 10 => self.verify_oob(moves)?,
            11 => self.recover(moves)?,
            12 => self.device(moves)?,
            13 => self.pass(moves)?,
            14 | 15 => self.manage(user, moves)?,
            16 => self.import(user, moves)?,
            17 => self.remove(moves)?,
            _ => self.replace_phone(moves)?,
        };
        for (user, name) in USERS.into_iter().enumerate() {
            let version = self.world.stored(name).map(|stored| stored.version);
            if std::mem::replace(&mut self.checked[user], version) == version {
                continue;
            }
            let is_established = self.world.is_established(name);
            assert!(is_established || !self.established[user] || may_lower, "established never lowers");
            self.established[user] = is_established;
        }
        Ok(())
    }

    fn name(&self, user: usize) -> &'static str {
        USERS[user]
    }

    /// A token to call with: mostly a recent one.
    fn token(&self, moves: &mut Unstructured<'_>) -> Result<Option<usize>> {
        let back = usize::from(moves.arbitrary::<u8>()? % 8);
        Ok(self.tokens.len().checked_sub(1 + back).or(self.tokens.len().checked_sub(1)))
    }

    fn learn_token(&mut self, text: String, user: usize, chain: usize) {
        if text.is_empty() {
            return;
        }
        let born_ms = self.world.now_ms;
        self.tokens.retain(|token| token.text != text);
        self.tokens.push(Token { text, user, chain, born_ms, is_dead: false });
    }

    fn kill(&mut self, user: usize) {
        self.tokens.iter_mut().filter(|token| token.user == user).for_each(|token| token.is_dead = true);
        self.browsers.retain(|(owner, _)| *owner != user);
    }

    fn require(&mut self, user: usize, moves: &mut Unstructured<'_>) -> Result<bool> {
        let facts = moves.arbitrary::<u8>()?;
        let mut caller = Caller::host(USERS[user]);
        if facts & 1 != 0 {
            caller = caller.mfa_audience(Scopes::ALL);
        }
        if facts & 2 != 0 {
            caller = caller.trust_browser();
        }
        if facts & 12 == 12 {
            caller = caller.verified_emails([format!("{}@acme.example", USERS[user])]);
        }
        if facts & 48 == 48 {
            caller = caller.step_up("pay 10");
        }
        let mut body = json!({});
        if facts & 192 != 0 && !self.browsers.is_empty() {
            let (_, token) = &self.browsers[usize::from(facts) % self.browsers.len()];
            body["device_token"] = token.as_str().into();
        }
        let answer = self.world.call("require", &body.to_string(), caller);
        self.chains += 1;
        if answer.outcome == Outcome::Done {
            let device_token = body["device_token"].as_str().unwrap_or_default();
            let is_trusted = self.browsers.iter().any(|(owner, text)| *owner == user && text == device_token);
            assert!(is_trusted && self.established[user] && facts & 48 != 48, "let in without a factor");
            assert!(answer.json["access_token"].is_null(), "an access token without a factor");
        }
        assert!(!self.established[user] || answer.json["access_token"].is_null());
        self.learn_token(answer.text("mfa_token"), user, self.chains);
        self.learn_token(answer.text("access_token"), user, self.chains);
        Ok(false)
    }

    fn associate(&mut self, moves: &mut Unstructured<'_>) -> Result<bool> {
        let Some(at) = self.token(moves)? else { return Ok(false) };
        let command = match moves.int_in_range(0..=5u8)? {
            0 | 1 => Associate::otp(),
            2 => Associate::sms(NUMBER),
            3 => Associate::voice(OTHER_NUMBER),
            4 => Associate::email(ADDRESS),
            _ => Associate::push(),
        };
        let Token { text, user, chain, .. } = &self.tokens[at];
        let (text, user, chain) = (text.clone(), *user, *chain);
        let answer = self.world.bearer("associate", &associate(command), &text);
        for code in answer.json["recovery_codes"].as_array().into_iter().flatten() {
            let code = code.as_str().unwrap_or_default().to_owned();
            if self.recovery.iter().all(|known| known.code != code) {
                self.recovery.push(Recovery { user, code, is_dead: false });
            }
        }
        if let Ok(seed) = Seed::from_base32(&answer.text("secret"))
            && self.apps.iter().all(|app| app.seed != seed)
        {
            self.apps.push(App { user, seed, used: Vec::new() });
        }
        self.learn_sent(&answer, user, chain);
        Ok(false)
    }

    fn replace_phone(&mut self, moves: &mut Unstructured<'_>) -> Result<bool> {
        let Some(at) = self.token(moves)? else { return Ok(false) };
        let Token { text, user, chain, .. } = &self.tokens[at];
        let (text, user, chain) = (text.clone(), *user, *chain);
        let listed = self.world.host("describe", &json!({}), USERS[user]).json;
        let listed = listed["authenticators"].as_array().into_iter().flatten();
        let Some(id) = listed.filter(|one| one["type"] == "phone").map(|one| one["id"].clone()).next() else {
            return Ok(false);
        };
        let number = if moves.arbitrary::<bool>()? { NUMBER } else { OTHER_NUMBER };
        let body = json!({"authenticator_id": id, "phone_number": number});
        let answer = self.world.bearer("replace_phone", &body, &text);
        self.learn_sent(&answer, user, chain);
        Ok(false)
    }

    fn learn_sent(&mut self, answer: &Answer, user: usize, chain: usize) {
        let oob_code = answer.text("oob_code");
        if oob_code.is_empty() || self.sent.iter().any(|sent| sent.oob_code == oob_code) {
            return;
        }
        let ticket = ScannedTicket::parse(&answer.text("barcode_uri"));
        self.sent.push(Sent {
            user,
            chain,
            oob_code,
            code: answer.code(),
            push: answer.push(),
            number: answer.json["number"].as_str().map(str::to_owned),
            ticket: ticket.map(|scanned| scanned.ticket.expose().to_owned()),
            at_ms: self.world.now_ms,
            is_approved: false,
            is_dead: false,
        });
    }

    fn challenge(&mut self, moves: &mut Unstructured<'_>) -> Result<bool> {
        let Some(at) = self.token(moves)? else { return Ok(false) };
        let Token { text, user, chain, .. } = &self.tokens[at];
        let (text, user, chain) = (text.clone(), *user, *chain);
        let mut body = json!({});
        let choice = usize::from(moves.arbitrary::<u8>()?);
        let ids = self.world.host("describe", &json!({}), USERS[user]).json;
        let ids = ids["authenticators"].as_array().cloned().unwrap_or_default();
        if !ids.is_empty() && choice % 4 != 0 {
            body["authenticator_id"] = ids[choice / 4 % ids.len()]["id"].clone();
        }
        let answer = self.world.bearer("challenge", &body, &text);
        if answer.outcome == Outcome::Done && !answer.text("oob_code").is_empty() {
            self.sent.iter_mut().filter(|sent| sent.chain == chain).for_each(|sent| sent.is_dead = true);
        }
        self.learn_sent(&answer, user, chain);
        Ok(false)
    }

    /// What holds of every accepted code, and what it leaves.
    fn accepted(&mut self, at: usize, answer: &Answer) {
        let Token { text, user, chain, born_ms, is_dead } = &self.tokens[at];
        let (text, user, chain) = (text.clone(), *user, *chain);
        assert!(!is_dead, "a dead token");
        assert!(self.world.now_ms < born_ms + MFA_TOKEN_MS, "an expired token");
        assert!(answer.granted.as_deref().is_none_or(|name| name == self.name(user)));
        if answer.outcome != Outcome::Confirmed {
            self.tokens[at].is_dead = true;
        }
        if !self.established[user] && self.world.is_established(USERS[user]) {
            self.kill(user);
        }
        self.tokens.iter_mut().filter(|token| token.text == text).for_each(|token| {
            token.is_dead = token.is_dead || answer.outcome != Outcome::Confirmed;
        });
        self.learn_token(answer.text("mfa_token"), user, chain);
        let access = answer.text("access_token");
        if self.tokens.iter().all(|token| token.text != access || token.is_dead) {
            self.learn_token(access, user, chain);
        }
        let browser = answer.text("device_token");
        if !browser.is_empty() {
            self.browsers.push((user, browser));
        }
        let recovery = answer.text("recovery_code");
        if !recovery.is_empty() {
            self.recovery.push(Recovery { user, code: recovery, is_dead: false });
        }
    }

    fn verify_otp(&mut self, moves: &mut Unstructured<'_>) -> Result<bool> {
        let Some(at) = self.token(moves)? else { return Ok(false) };
        let user = self.tokens[at].user;
        let choice = moves.arbitrary::<u8>()?;
        let app = self.apps.len().checked_sub(1 + usize::from(choice / 8 % 4));
        let steps = [0, 0, 0, 1, 2, 1000, -1, -2][usize::from(choice % 8)];
        let code = match app.map(|app| &self.apps[app]) {
            Some(_) if choice >= 240 && !self.typed.is_empty() => {
                self.typed[usize::from(choice) % self.typed.len()].clone()
            }
            Some(app) => {
                let at_ms = self.world.now_ms.saturating_add_signed(-steps * STEP_MS as i64);
                totp(&app.seed, at_ms)
            }
            None => "000000".to_owned(),
        };
        self.typed.push(code.clone());
        let text = self.tokens[at].text.clone();
        let answer = self.world.bearer("verify_otp", &json!({"otp": code}), &text);
        if answer.is_accepted() {
            let now = Totp::default().step(self.world.now_ms);
            let mut right = Vec::new();
            for (index, app) in self.apps.iter().enumerate().filter(|(_, app)| app.user == user) {
                let steps = [now, now - 1].into_iter();
                let step = steps.filter(|step| !app.used.iter().any(|used| used >= step));
                right.extend(
                    step.filter(|step| totp(&app.seed, step * STEP_MS) == code).map(|step| (index, step)),
                );
            }
            assert!(!right.is_empty(), "a wrong or used code");
            if let [(index, step)] = *right {
                self.apps[index].used.push(step);
            }
            self.accepted(at, &answer);
        }
        Ok(false)
    }

    fn verify_oob(&mut self, moves: &mut Unstructured<'_>) -> Result<bool> {
        let choice = usize::from(moves.arbitrary::<u8>()?);
        let Some(last) = self.sent.len().checked_sub(1) else { return Ok(false) };
        let index = last - choice % 4 % self.sent.len();
        let sent = &self.sent[index];
        let mut body = json!({"oob_code": sent.oob_code});
        let typed = match (choice / 4 % 8, &sent.code) {
            (0, _) => None,
            (1, _) => Some("123456".to_owned()),
            (2, _) => self.sent.iter().rev().find_map(|other| other.code.clone()),
            (_, code) => code.clone(),
        };
        if let Some(typed) = &typed {
            body["binding_code"] = typed.as_str().into();
        }
        let own = self.tokens.iter().rposition(|token| token.chain == sent.chain);
        let at = if choice >= 224 { self.token(moves)? } else { own };
        let Some(at) = at else { return Ok(false) };
        let text = self.tokens[at].text.clone();
        let answer = self.world.bearer("verify_oob", &body, &text);
        if answer.is_accepted() {
            let sent = &mut self.sent[index];
            assert!(!sent.is_dead, "used, or replaced");
            assert_eq!((sent.user, sent.chain), (self.tokens[at].user, self.tokens[at].chain));
            assert!(self.world.now_ms < sent.at_ms + OOB_CODE_MS, "expired");
            assert!(sent.is_approved || (sent.code.is_some() && sent.code == typed), "a wrong code");
            sent.is_dead = true;
            self.accepted(at, &answer);
        }
        Ok(false)
    }

    fn recover(&mut self, moves: &mut Unstructured<'_>) -> Result<bool> {
        let Some(at) = self.token(moves)? else { return Ok(false) };
        let choice = usize::from(moves.arbitrary::<u8>()?);
        let known =
            self.recovery.len().checked_sub(1 + choice % 4).map(|index| self.recovery[index].code.clone());
        let typed = known.unwrap_or_else(|| "A".repeat(24));
        let Token { text, user, .. } = &self.tokens[at];
        let (text, user) = (text.clone(), *user);
        let body = json!({"recovery_code": typed.to_lowercase()});
        let answer = self.world.bearer("verify_recovery_code", &body, &text);
        if answer.is_accepted() {
            let right = |known: &&mut Recovery| known.user == user && known.code == typed && !known.is_dead;
            let found = self.recovery.iter_mut().find(right).expect("a wrong or used recovery code");
            found.is_dead = true;
            self.accepted(at, &answer);
        }
        Ok(false)
    }

    /// A device scans a ticket, or answers a push.
    fn device(&mut self, moves: &mut Unstructured<'_>) -> Result<bool> {
        let choice = usize::from(moves.arbitrary::<u8>()?);
        let Some(last) = self.sent.len().checked_sub(1) else { return Ok(false) };
        let sent = &mut self.sent[last - choice % 4 % (last + 1)];
        let seed = 1 + u8::from(choice % 16 >= 12);
        let kind = if sent.user == 0 { KeyKind::Ed25519 } else { KeyKind::Es256 };
        let device = PushDevice::new(kind, seed + 10 * u8::try_from(sent.user).unwrap_or_default());
        if let Some(ticket) = &sent.ticket {
            let (command, caller) = device.enroll(&secret(ticket));
            let body = serde_json::to_string(&command).unwrap();
            let answer = self.world.call("enroll_push_device", &body, caller);
            if answer.outcome == Outcome::Done {
                sent.is_approved = true;
                self.devices.push((sent.user, seed));
            }
            if let Ok(uri) = mfacore::otp::OtpauthUri::parse(&answer.text("barcode_uri"))
                && self.apps.iter().all(|app| app.seed != *uri.seed())
            {
                self.apps.push(App { user: sent.user, seed: uri.seed().clone(), used: Vec::new() });
            }
        } else if let Some(push) = &sent.push {
            let decision = if choice >= 192 { PushDecision::Deny } else { PushDecision::Approve };
            let offered = match &push.number {
                NumberEntry::Choose(offered) => offered.get(choice % 3).cloned(),
                _ => None,
            };
            let number = if choice & 64 != 0 { offered } else { sent.number.clone() };
            let (command, caller) = device.answer(push, decision, number.as_deref());
            let body = serde_json::to_string(&command).unwrap();
            let answer = self.world.call("answer_push", &body, caller);
            if answer.outcome == Outcome::Done && decision == PushDecision::Approve {
                assert_eq!(number, sent.number, "a wrong number approves nothing");
                assert!(self.devices.contains(&(sent.user, seed)), "a device that brought no key");
                assert!(self.world.now_ms < sent.at_ms + OOB_CODE_MS, "expired");
                sent.is_approved = true;
            }
        }
        Ok(false)
    }

    fn pass(&mut self, moves: &mut Unstructured<'_>) -> Result<bool> {
        // A token lives for twenty.
        let steps = [1, 1, 1, 2, 5, 11, 21, 130, 3000, 19];
        let choice = moves.arbitrary::<u8>()?;
        if choice >= 250 {
            self.world.now_ms -= STEP_MS;
        } else {
            self.world.now_ms += steps[usize::from(choice) % steps.len()] * STEP_MS;
        }
        Ok(false)
    }

    fn manage(&mut self, user: usize, moves: &mut Unstructured<'_>) -> Result<bool> {
        let choice = moves.int_in_range(0..=9u8)?;
        let name = match choice {
            0..=2 => "unlock",
            3 | 4 => "regenerate_recovery_codes",
            5 => "revoke_tokens",
            6 => "reset_mfa",
            7 => "erase",
            _ => "reseal",
        };
        let answer = self.world.host(name, &json!({}), USERS[user]);
        if answer.outcome != Outcome::Done {
            return Ok(false);
        }
        let ends = matches!(name, "reset_mfa" | "erase");
        if ends || name == "regenerate_recovery_codes" {
            self.recovery.iter_mut().filter(|code| code.user == user).for_each(|code| code.is_dead = true);
            let code = answer.text("recovery_code");
            if !code.is_empty() {
                self.recovery.push(Recovery { user, code, is_dead: false });
            }
        }
        if ends || name == "revoke_tokens" {
            self.kill(user);
            self.sent.iter_mut().filter(|sent| sent.user == user).for_each(|sent| sent.is_dead = true);
        }
        if ends {
            self.apps.retain(|app| app.user != user);
        }
        Ok(ends)
    }

    fn import(&mut self, user: usize, moves: &mut Unstructured<'_>) -> Result<bool> {
        let bytes: Vec<u8> = [moves.arbitrary::<u8>()?; 20].to_vec();
        let seed = Seed::new(bytes).unwrap();
        if self.apps.iter().any(|app| app.seed == seed) {
            return Ok(false);
        }
        let body = json!({"mfa_factors": [{"totp": {"secret": seed.to_base32().expose()}}]});
        if self.world.host("import", &body, USERS[user]).outcome == Outcome::Done {
            if !self.established[user] {
                self.kill(user);
            }
            self.apps.push(App { user, seed, used: Vec::new() });
        }
        Ok(false)
    }

    fn remove(&mut self, moves: &mut Unstructured<'_>) -> Result<bool> {
        let Some(at) = self.token(moves)? else { return Ok(false) };
        let Token { text, user, .. } = &self.tokens[at];
        let (text, user) = (text.clone(), *user);
        let listed = self.world.host("describe", &json!({}), USERS[user]).json;
        let listed = listed["authenticators"].as_array().cloned().unwrap_or_default();
        let choice = usize::from(moves.arbitrary::<u8>()?);
        let Some(id) = listed.get(choice % listed.len().max(1)).map(|one| one["id"].clone()) else {
            return Ok(false);
        };
        let body: Value = json!({"authenticator_id": id});
        let by_host = choice >= 192;
        let caller = if by_host { Caller::host(USERS[user]) } else { bearer(&text) };
        let answer = self.world.call("remove_authenticator", &body.to_string(), caller);
        if answer.outcome != Outcome::Done {
            return Ok(false);
        }
        // An address that the host verified keeps nobody established; one that was enrolled looks the same here.
        let rest = self.world.host("describe", &json!({}), USERS[user]).json;
        let keeps = |one: &Value| {
            one["confirmed"] == true && one["type"] != "email" && one["type"] != "recovery-code"
        };
        let may_lower =
            !by_host && !rest["authenticators"].as_array().is_some_and(|rest| rest.iter().any(keeps));
        if may_lower && self.established[user] && rest["established_at"].is_null() {
            self.kill(user);
            self.recovery.iter_mut().filter(|code| code.user == user).for_each(|code| code.is_dead = true);
        }
        Ok(may_lower)
    }
}
