//! The addresses that the host verified: what it tells is learnt, and what they are worth (CONTRACT section
//! 4, rules 2 and 3).

use super::sending::send_notice;
use crate::context::Context;
use crate::delivery::Occasion;
use crate::destination::EmailAddress;
use crate::error::Error;
use crate::event::EventKind;
use crate::limits::AUTHENTICATORS_MAX;
use crate::policy::ImplicitEmail;
use crate::record::Record;
use crate::record::enrollment::{Enrollment, Factor};
use crate::record::known_email::KnownEmail;
use crate::reply::Refusal;
use crate::token::{Method, Token};

/// Brings the record up to what the host says. Saying nothing is not saying that there is none.
pub(super) fn learn(record: &mut Record, context: &mut Context<'_>) -> Result<(), Refusal> {
    let Some(listed) = context.caller.facts.verified_emails.as_ref().filter(|_| context.has_implicit_email())
    else {
        return Ok(());
    };
    let parsed = listed.iter().map(|address| EmailAddress::parse(address.expose()));
    // What mail cannot be sent to is no authenticator; where it would have to be passed first, it is in the way.
    let listed: Vec<EmailAddress> = match context.policy.implicit_email {
        ImplicitEmail::MustBePassed if !record.is_established() => parsed
            .collect::<Result<_, _>>()
            .map_err(|_| Error::Misuse("a verified e-mail address is not one that mail can be sent to"))?,
        _ => parsed.filter_map(Result::ok).collect(),
    };
    // Whoever is told of a new address is told though it takes their own one's place.
    let is_told_of =
        context.policy.email_delay_ms.is_some() && listed.iter().any(|new| !record.knows_email(new));
    let older = context.standing(record).filter(|older| is_told_of && context.is_usable(older));
    let older: Vec<Enrollment> = older.cloned().collect();
    let gone = record
        .emails
        .extract_if(.., |known| known.enrollment.email().is_none_or(|address| !listed.contains(address)));
    let gone: Vec<KnownEmail> = gone.collect();
    record
        .challenges
        .retain(|challenge| gone.iter().all(|known| known.enrollment.suffix != challenge.suffix));
    for address in listed {
        if !record.knows_email(&address) && record.authenticators() < AUTHENTICATORS_MAX {
            add(record, context, address, &older)?;
        }
    }
    Ok(())
}

/// An address that appears on an established user is inactive: whoever took over the mailbox, or the password,
/// must not have added a factor by it.
fn add(
    record: &mut Record,
    context: &mut Context<'_>,
    address: EmailAddress,
    older: &[Enrollment],
) -> Result<(), Refusal> {
    let suffix = record.fresh_suffix(&mut context.stream)?;
    let enrollment = Enrollment::new(suffix, context.now_ms, Factor::Email(address));
    if !record.is_established() {
        record.emails.push(KnownEmail { enrollment, active_from_ms: None });
        return Ok(());
    }
    context.event(EventKind::EmailAppeared { authenticator: enrollment.authenticator_id() });
    let mut active_from_ms = None;
    if let Some(delay_ms) = context.policy.email_delay_ms {
        let mut was_told = false;
        for older in older {
            was_told |= send_notice(record, context, older, Occasion::EmailAppeared);
        }
        // Where nobody could be told, nobody can object: it must be enrolled.
        active_from_ms = was_told.then(|| context.now_ms.saturating_add(delay_ms));
    }
    record.emails.push(KnownEmail { enrollment, active_from_ms });
    Ok(())
}

/// Whether a user who has nothing yet must pass a verified address before a factor can be enrolled: one that
/// wrong codes disabled is no way around it.
pub(super) fn must_be_passed(record: &Record, context: &Context<'_>) -> bool {
    !record.is_established()
        && context.policy.implicit_email == ImplicitEmail::MustBePassed
        && context.standing(record).next().is_some()
}

/// Whether the chain has passed an address.
pub(super) fn was_passed(token: &Token) -> bool {
    token.proofs.iter().any(|proof| proof.method == Method::Email)
}
