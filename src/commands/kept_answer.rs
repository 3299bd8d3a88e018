//! Answers that are lost on the way: for two minutes the identical call gets its show-once secrets again.
//!
//! What is kept is sealed under a key that the token's text and the request give, so that the record alone
//! shows nothing.

use hkdf::Hkdf;
use sha2::Sha256;

use crate::context::Context;
use crate::crypto::frame;
use crate::crypto::keys::{KeyRing, Purpose};
use crate::crypto::mac;
use crate::crypto::secret::SecretString;
use crate::error::Error;
use crate::limits::LOST_ANSWERS_MAX;
use crate::record::authenticator::Suffix;
use crate::record::{KeptAnswer, Record};

/// Keeps `secrets` for the caller's identical call. The host, who has no token, simply calls again.
pub(super) fn keep(
    record: &mut Record,
    context: &mut Context<'_>,
    suffix: Suffix,
    secrets: &SecretString,
    life_ms: u64,
) -> Result<(), Error> {
    let Some((tag, key)) = identify(record, context) else { return Ok(()) };
    let nonce = context.stream.bytes()?;
    let sealed = key?.seal(Purpose::Record, 0, nonce, &[b"kept answer"], secrets.expose().as_bytes())?;
    record.answers.retain(|answer| answer.tag != tag);
    if record.answers.len() >= LOST_ANSWERS_MAX {
        record.answers.remove(0);
    }
    let expires_ms = record.expiry_now_ms(context.now_ms).saturating_add(life_ms);
    record.answers.push(KeptAnswer { tag, expires_ms, sealed, suffix });
    Ok(())
}

/// The secrets that the identical call was answered with.
pub(super) fn find(record: &Record, context: &Context<'_>) -> Option<SecretString> {
    if record.answers.is_empty() {
        return None;
    }
    let (tag, key) = identify(record, context)?;
    let now_ms = record.expiry_now_ms(context.now_ms);
    let answer =
        record.answers.iter().find(|answer| mac::equal(&answer.tag, &tag) && answer.expires_ms > now_ms)?;
    let opened = key.ok()?.open(Purpose::Record, 0, &[b"kept answer"], &answer.sealed).ok()?;
    Some(std::str::from_utf8(&opened.plaintext).ok()?.into())
}

/// What names the identical call in the record, and the key that only its caller has.
fn identify(record: &Record, context: &Context<'_>) -> Option<([u8; 32], Result<KeyRing, Error>)> {
    let bearer = context.bearer?;
    let client = context.caller.client.as_deref().unwrap_or_default();
    let request = frame(&[context.request.name.as_bytes(), &context.request.body, client.as_bytes()]);
    let tag = mac::mac(&record.mac_key, "kept answer", &[&bearer.token.id, &request]);
    let mut root = [0; 32];
    let expanded = Hkdf::<Sha256>::new(Some(b"mfacore/kept answer/0"), bearer.text.expose().as_bytes())
        .expand(&request, &mut root)
        .map_err(|_| Error::Cap("request"));
    Some((tag, expanded.and_then(|()| KeyRing::new(0, root).map_err(|_| Error::Cap("request")))))
}
