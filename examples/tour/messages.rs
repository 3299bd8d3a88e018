//! Codes that are sent: to a telephone, to an e-mail address, and no further than budgets reach.

use mfacore::{Channel, Scopes};

use crate::authenticator_app::{ENROLL, OTP, otp};
use crate::expect::Expect;
use crate::stage::{Result, Stage, text};

const PHONE: &str = r#"{"mfa_requirements": {"challenge": [{"type": "phone"}, {"type": "recovery-code"}]}}"#;
const APP_OR_EMAIL: &str = r#"{"mfa_requirements": {
    "challenge": [{"type": "otp"}, {"type": "email"}, {"type": "recovery-code"}]
}}"#;
const ANY: &str = r#"{"challenge_type":"oob"}"#;
const WRONG: &str = r#"{"error": "invalid_grant", "error_description": "Invalid binding_code."}"#;

/// One telephone, two authenticators.
pub(crate) fn sms_and_voice(stage: &mut Stage) -> Result<()> {
    stage.title("A telephone: text messages, and calls");
    stage.enter("ben");
    enroll_sms(stage, "+4930123459167")?;
    let access = stage.host().mfa_audience(Scopes::ALL);
    let token = stage.require(access, PHONE)?;
    let twins = r#"[{"oob_channel": "sms", "name": "XXXXXXXXXX9167"}, {"oob_channel": "voice"}, {}]"#;
    let about = "His number is two authenticators";
    let listed = stage.call(about, "list_authenticators", "{}", stage.bearer(&token), Expect::done(twins))?;
    let voice = format!(r#"{{"authenticator_id":"{}"}}"#, text(&listed, "/1/id")?);
    let wanted = r#"{"challenge_type": "oob", "binding_method": "prompt", "oob_channel": "sms"}"#;
    let about = "A code is on its way as a text message";
    let expected = Expect::done(wanted).sends(Channel::Sms);
    let challenged = stage.call(about, "challenge", ANY, stage.bearer(&token), expected)?;
    let body = oob(&text(&challenged, "/oob_code")?, &stage.code_sent()?);
    let wanted = r#"{"oob_channel": "voice"}"#;
    let about = "It does not arrive: he lets himself be called";
    let expected = Expect::done(wanted).sends(Channel::Voice);
    let challenged = stage.call(about, "challenge", &voice, stage.bearer(&token), expected)?;
    let (oob_code, code) = (text(&challenged, "/oob_code")?, stage.code_sent()?);
    let dead = r#"{"error": "expired_token", "error_description": "oob_code is expired"}"#;
    let about = "The message arrives after all: its code is replaced";
    stage.call(about, "verify_oob", &body, stage.bearer(&token), Expect::denied(403, dead))?;
    let about = "A guess is wrong";
    let body = oob(&oob_code, &format!("{:06}", (code.parse::<u32>()? + 1) % 1_000_000));
    stage.call(about, "verify_oob", &body, stage.bearer(&token), Expect::denied(403, WRONG))?;
    let about = "The code of the call logs him in";
    let body = oob(&oob_code, &code);
    let granted = stage.call(about, "verify_oob", &body, stage.bearer(&token), Expect::granted("{}"))?;
    let access = text(&granted, "/access_token")?;
    let about = "He removes the calls, and with them the text messages";
    stage.call(about, "remove_authenticator", &voice, stage.bearer(&access), Expect::removed())?;
    stage.require(stage.host(), ENROLL)?;
    Ok(())
}

/// An address that the host verified: passed first, and no factor of its own.
pub(crate) fn email(stage: &mut Stage) -> Result<()> {
    const ADDRESS: &str = "eva@acme.example";
    stage.title("An e-mail address that the host verified");
    stage.enter("eva");
    let wanted = r#"{"mfa_requirements": {"challenge": [{"type": "email"}]}}"#;
    let token = stage.require(stage.host().verified_emails([ADDRESS]), wanted)?;
    let wanted = r#"{"error": "access_denied"}"#;
    let about = "Who has only her password enrolls nothing";
    stage.call(about, "associate", OTP, stage.bearer(&token), Expect::denied(403, wanted))?;
    let body = email_code(stage, &token)?;
    let about = "She reads her mail: now she may enroll a factor";
    let required = stage.call(about, "verify_oob", &body, stage.bearer(&token), Expect::required(ENROLL))?;
    let token = text(&required, "/mfa_token")?;
    let caller = stage.bearer(&token);
    let associated = stage.call("She adds an app", "associate", OTP, caller, Expect::done("{}"))?;
    let body = otp(&stage.code(&text(&associated, "/secret")?)?);
    let about = "Its first code logs her in";
    stage.call(about, "verify_otp", &body, stage.bearer(&token), Expect::granted("{}"))?;

    let host = stage.host().verified_emails([ADDRESS, "thief@mail.example"]);
    let token = stage.require(host.mfa_audience(Scopes::ALL), APP_OR_EMAIL)?;
    let wanted = r#"[{}, {"type": "email", "active": true}, {"type": "email", "active": false}, {}]"#;
    let about = "A second address has appeared: inactive, until it is confirmed by whoever passes a factor";
    stage.call(about, "list_authenticators", "{}", stage.bearer(&token), Expect::done(wanted))?;
    let body = email_code(stage, &token)?;
    let wanted = r#"{"scope": "enroll read:authenticators"}"#;
    let about = "Her own logs her in, and allows no removal: mail is read by others, too";
    stage.call(about, "verify_oob", &body, stage.bearer(&token), Expect::granted(wanted))?;
    Ok(())
}

/// A thief who has a password makes the host send messages, until the number's budget is spent.
pub(crate) fn limiter(stage: &mut Stage) -> Result<()> {
    stage.title("A budget of messages runs dry");
    stage.enter("uma");
    enroll_sms(stage, "+4930123450002")?;
    stage.enter("tom");
    enroll_sms(stage, "+4930123450001")?;
    let token = stage.require(stage.host(), PHONE)?;
    for attempt in 1..=3 {
        let about = format!("A thief who has the password asks for a code, {attempt}");
        sms_code(stage, &about, &token)?;
    }
    let spent = r#"{"error": "too_many_attempts", "retry_after": 1800}"#;
    let about = "The number gets no more";
    stage.call(about, "challenge", ANY, stage.bearer(&token), Expect::denied(429, spent))?;
    stage.enter("uma");
    let other = stage.require(stage.host(), PHONE)?;
    let body = sms_code(stage, "Another user's login is not touched by it", &other)?;
    stage.call("She is in", "verify_oob", &body, stage.bearer(&other), Expect::granted("{}"))?;
    stage.enter("tom");
    stage.pass_s(1_800);
    let token = stage.require(stage.host(), PHONE)?;
    let body = sms_code(stage, "Half an hour later one message is back", &token)?;
    stage.call("He is in", "verify_oob", &body, stage.bearer(&token), Expect::granted("{}"))?;
    Ok(())
}

fn enroll_sms(stage: &mut Stage, number: &str) -> Result<()> {
    let token = stage.require(stage.host(), ENROLL)?;
    let body =
        format!(r#"{{"authenticator_types":["oob"],"oob_channels":["sms"],"phone_number":"{number}"}}"#);
    let wanted = r#"{"authenticator_type": "oob", "binding_method": "prompt", "oob_channel": "sms"}"#;
    let expected = Expect::done(wanted).sends(Channel::Sms);
    let caller = stage.bearer(&token).locale("en");
    let associated =
        stage.call("A number is added, and gets a code", "associate", &body, caller, expected)?;
    let body = oob(&text(&associated, "/oob_code")?, &stage.code_sent()?);
    let about = "The code confirms the number and logs the user in";
    stage.call(about, "verify_oob", &body, stage.bearer(&token), Expect::granted("{}"))?;
    Ok(())
}

/// Challenges the telephone; what answers it.
fn sms_code(stage: &mut Stage, about: &str, token: &str) -> Result<String> {
    let expected = Expect::done(r#"{"oob_channel": "sms"}"#).sends(Channel::Sms);
    let challenged = stage.call(about, "challenge", ANY, stage.bearer(token), expected)?;
    Ok(oob(&text(&challenged, "/oob_code")?, &stage.code_sent()?))
}

/// Challenges the address; what answers it.
fn email_code(stage: &mut Stage, token: &str) -> Result<String> {
    let expected = Expect::done(r#"{"oob_channel": "email"}"#).sends(Channel::Email);
    let about = "A code is on its way to her";
    let challenged = stage.call(about, "challenge", ANY, stage.bearer(token), expected)?;
    Ok(oob(&text(&challenged, "/oob_code")?, &stage.code_sent()?))
}

fn oob(oob_code: &str, binding_code: &str) -> String {
    format!(r#"{{"oob_code":"{oob_code}","binding_code":"{binding_code}"}}"#)
}
