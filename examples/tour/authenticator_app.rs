//! An authenticator app: enrolled, passed, joined by a second one, recovered, locked out, removed.

use mfacore::Scopes;
use mfacore::otp::qr;

use crate::expect::Expect;
use crate::stage::{Result, Stage, text};

pub(crate) const BOTH: &str =
    r#"{"mfa_requirements": {"challenge": [{"type": "otp"}, {"type": "recovery-code"}]}}"#;
const INVALID: &str = r#"{"error": "invalid_grant", "error_description": "Invalid otp_code."}"#;
/// What a user without a factor is asked for.
pub(crate) const ENROLL: &str = r#"{
    "error": "mfa_required",
    "mfa_requirements": {"enroll": [{"type": "otp"}, {"type": "phone"}, {"type": "push-notification"}]}
}"#;
pub(crate) const OTP: &str = r#"{"authenticator_types":["otp"]}"#;

/// First factor passed, nothing enrolled yet: enroll and confirm. Gives the app's secret and the recovery
/// code.
pub(crate) fn enroll(stage: &mut Stage) -> Result<(String, String)> {
    stage.title("Enrolling");
    let token = stage.require(stage.host(), ENROLL)?;
    let label = stage.bearer(&token).account_label("ann@example.com");
    let wanted = r#"{"authenticator_type": "otp"}"#;
    let associated = stage.call("She adds an app", "associate", OTP, label, Expect::done(wanted))?;
    let uri = text(&associated, "/barcode_uri")?;
    anstream::println!("{}", qr::terminal(&uri)?.expose());
    let (secret, recovery_code) = (text(&associated, "/secret")?, text(&associated, "/recovery_codes/0")?);
    let body = otp(&stage.code(&secret)?);
    stage.call(
        "Her first code confirms it and logs her in",
        "verify_otp",
        &body,
        stage.bearer(&token),
        Expect::granted("{}"),
    )?;
    Ok((secret, recovery_code))
}

/// A login, and the same code again.
pub(crate) fn log_in(stage: &mut Stage, phone: &str) -> Result<()> {
    stage.title("Logging in");
    stage.pass_s(30);
    let token = stage.require(stage.host(), BOTH)?;
    let wanted = r#"{"challenge_type": "otp"}"#;
    stage.call(
        "The app is challenged",
        "challenge",
        r#"{"challenge_type":"otp"}"#,
        stage.bearer(&token),
        Expect::done(wanted),
    )?;
    let body = otp(&stage.code(phone)?);
    stage.call("The code is right", "verify_otp", &body, stage.bearer(&token), Expect::granted("{}"))?;
    let token = stage.require(stage.host(), BOTH)?;
    stage.call(
        "The same code is refused",
        "verify_otp",
        &body,
        stage.bearer(&token),
        Expect::denied(403, INVALID),
    )?;
    Ok(())
}

/// A second factor is refused to a password alone, and added with an access token.
pub(crate) fn add_a_second_factor(stage: &mut Stage, phone: &str) -> Result<String> {
    stage.title("Adding a second factor");
    let token = stage.require(stage.host(), BOTH)?;
    let wanted = r#"{"error": "access_denied", "error_description": "User is already enrolled."}"#;
    stage.call(
        "A password does not add a factor",
        "associate",
        OTP,
        stage.bearer(&token),
        Expect::denied(403, wanted),
    )?;
    stage.pass_s(30);
    let access = access_token(stage, phone)?;
    let associated =
        stage.call("A passed factor does", "associate", OTP, stage.bearer(&access), Expect::done("{}"))?;
    let secret = text(&associated, "/secret")?;
    let body = otp(&stage.code(&secret)?);
    let about = "It is confirmed; nobody is logged in by it";
    stage.call(
        about,
        "verify_otp",
        &body,
        stage.bearer(&access),
        Expect::confirmed(r#"{"token_type": "Bearer"}"#),
    )?;
    Ok(secret)
}

/// A recovery code is used, replaced, and dead.
pub(crate) fn recover(stage: &mut Stage, recovery_code: &str) -> Result<()> {
    stage.title("Recovering");
    let token = stage.require(stage.host(), BOTH)?;
    let body = recovery(recovery_code);
    let about = "Both devices are at home: the recovery code logs her in, and is replaced";
    let granted =
        stage.call(about, "verify_recovery_code", &body, stage.bearer(&token), Expect::granted("{}"))?;
    let next = text(&granted, "/recovery_code")?;
    let again = format!(r#"{{"error": "expired_token", "recovery_code": "{next}"}}"#);
    let about = "Had that answer been lost, the new code would not be; the login is not repeated";
    stage.call(about, "verify_recovery_code", &body, stage.bearer(&token), Expect::denied(403, &again))?;
    let token = stage.require(stage.host(), BOTH)?;
    let wanted = r#"{"error": "invalid_grant", "error_description": "MFA Authorization rejected."}"#;
    stage.call(
        "The old one is dead",
        "verify_recovery_code",
        &body,
        stage.bearer(&token),
        Expect::denied(403, wanted),
    )?;
    let about = "The new one is alive";
    stage.call(
        about,
        "verify_recovery_code",
        &recovery(&next),
        stage.bearer(&token),
        Expect::granted("{}"),
    )?;
    Ok(())
}

/// Wrong codes, a lock-out that does not tell right from wrong, and its end.
pub(crate) fn lock_out(stage: &mut Stage, tablet: &str) -> Result<()> {
    stage.title("Locking out");
    stage.pass_s(30);
    let token = stage.require(stage.host(), BOTH)?;
    let right = stage.code(tablet)?;
    let wrong = format!("{:06}", (right.parse::<u32>()? + 500_000) % 1_000_000);
    for attempt in 1..=4 {
        let about =
            format!("A thief who has the password guesses, {attempt}: two authenticators, two attempts");
        stage.call(&about, "verify_otp", &otp(&wrong), stage.bearer(&token), Expect::denied(403, INVALID))?;
    }
    let locked = r#"{"error": "too_many_attempts", "retry_after": 300}"#;
    // Nine attempts are gone: eight now, and the replayed code of before.
    stage.call(
        "Wrong is not looked at",
        "verify_otp",
        &otp(&wrong),
        stage.bearer(&token),
        Expect::denied(429, locked),
    )?;
    stage.call(
        "Nor is right",
        "verify_otp",
        &otp(&right),
        stage.bearer(&token),
        Expect::denied(429, locked),
    )?;
    stage.pass_s(300);
    let token = stage.require(stage.host(), BOTH)?;
    let body = otp(&stage.code(tablet)?);
    stage.call(
        "Five minutes later two attempts are back, and she logs in",
        "verify_otp",
        &body,
        stage.bearer(&token),
        Expect::granted("{}"),
    )?;
    stage.call("Support fills her budget", "unlock", "{}", stage.host(), Expect::done("{}"))?;
    Ok(())
}

/// Both authenticators go, and with the last one everything.
pub(crate) fn remove(stage: &mut Stage, tablet: &str) -> Result<()> {
    stage.title("Removing");
    stage.pass_s(30);
    let access = access_token(stage, tablet)?;
    let listed = stage.call(
        "She looks",
        "list_authenticators",
        "{}",
        stage.bearer(&access),
        Expect::done("[{}, {}, {}]"),
    )?;
    for (pointer, about) in
        [("/0/id", "The lost telephone goes"), ("/1/id", "So does the tablet, and with it the rest")]
    {
        let body = format!(r#"{{"authenticator_id":"{}"}}"#, text(&listed, pointer)?);
        stage.call(about, "remove_authenticator", &body, stage.bearer(&access), Expect::removed())?;
    }
    let wanted = r#"{"error": "expired_token"}"#;
    let about = "Tokens of before are dead";
    stage.call(about, "list_authenticators", "{}", stage.bearer(&access), Expect::denied(401, wanted))?;
    stage.call("The next login starts anew", "require", "{}", stage.host(), Expect::required(ENROLL))?;
    Ok(())
}

fn access_token(stage: &mut Stage, secret: &str) -> Result<String> {
    let token = stage.require(stage.host().mfa_audience(Scopes::ALL), BOTH)?;
    let body = otp(&stage.code(secret)?);
    let wanted = r#"{"scope": "enroll read:authenticators remove:authenticators", "expires_in": 600}"#;
    let about = "She passes a factor and asks for the MFA audience";
    let granted = stage.call(about, "verify_otp", &body, stage.bearer(&token), Expect::granted(wanted))?;
    text(&granted, "/access_token")
}

pub(crate) fn otp(code: &str) -> String {
    format!(r#"{{"otp":"{code}"}}"#)
}

fn recovery(code: &str) -> String {
    format!(r#"{{"recovery_code":"{code}"}}"#)
}
