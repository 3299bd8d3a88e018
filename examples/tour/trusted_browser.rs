//! A browser that the user trusts skips the second factor, of a login and of nothing else.

use crate::authenticator_app::{BOTH, ENROLL, OTP, otp};
use crate::expect::Expect;
use crate::stage::{Result, Stage, text};

pub(crate) fn trust(stage: &mut Stage) -> Result<()> {
    stage.title("A trusted browser");
    stage.enter("joe");
    let token = stage.require(stage.host().trust_browser(), ENROLL)?;
    let caller = stage.bearer(&token);
    let associated = stage.call("He adds an app", "associate", OTP, caller, Expect::done("{}"))?;
    let body = otp(&stage.code(&text(&associated, "/secret")?)?);
    let about = "He is in, and his browser gets a device token, as he asked";
    let granted = stage.call(about, "verify_otp", &body, stage.bearer(&token), Expect::granted("{}"))?;
    let body = format!(r#"{{"device_token":"{}"}}"#, text(&granted, "/device_token")?);
    stage.pass_s(86_400);
    let about = "The next day the password is enough, in this browser";
    stage.call(about, "require", &body, stage.host(), Expect::done("{}"))?;
    stage.require(stage.host(), BOTH)?;
    let about = "To change his password he passes a factor in this one, too";
    let step_up = stage.host().step_up("Change the password");
    stage.call(about, "require", &body, step_up, Expect::required(BOTH))?;
    let about = "It is changed: the host ends all tokens, and all trust";
    stage.call(about, "revoke_tokens", "{}", stage.host(), Expect::done("{}"))?;
    let about = "The browser is one like any other";
    stage.call(about, "require", &body, stage.host(), Expect::required(BOTH))?;
    Ok(())
}
