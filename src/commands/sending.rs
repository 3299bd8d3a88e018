//! What every challenge that goes out has in common: its slot, its budgets, its code and its delivery.

use super::dispatch::too_many;
use crate::caller::Purpose;
use crate::context::{Bearer, Context};
use crate::crypto::secret::SecretString;
use crate::delivery::{Content, Delivery, NumberEntry, Occasion, PushMessage};
use crate::denial::DenialCode;
use crate::destination::Channel;
use crate::error::Error;
use crate::event::EventKind;
use crate::limiter::{Limit, LimiterCharge, Use};
use crate::policy::PushConfirmation;
use crate::record::authenticator::{Authenticator, Suffix};
use crate::record::budget::{Bucket, Budget};
use crate::record::challenge::{Awaited, Challenge, NumberMac};
use crate::record::enrollment::{Device, Enrollment, Factor};
use crate::record::life_cycle::{ChallengeEvent, ChallengeStage};
use crate::record::push_pause::PushPause;
use crate::record::{Id, Record};
use crate::reply::Refusal;
use crate::token::{Grant, MfaGrant, PushGrant};

/// Numbers that a device offers, where the user chooses one.
const CHOICES: usize = 3;

/// A push on its way.
pub(super) struct SentPush {
    pub(super) oob_code: SecretString,
    /// What the login page shows, where the device asks for it.
    pub(super) number: Option<String>,
}

/// Sends a code to one of an enrollment's authenticators, and returns the `oob_code` that it is answered with.
pub(super) fn send_code(
    record: &mut Record,
    context: &mut Context<'_>,
    bearer: Bearer<'_>,
    enrollment: &Enrollment,
    authenticator: Authenticator,
    used_for: Use,
) -> Result<SecretString, Refusal> {
    let channel = authenticator.kind.channel().ok_or(Error::Misuse("nothing is sent to it"))?;
    let (chain, id) = (bearer.token.chain, context.stream.bytes::<16>()?);
    take_slot(record, context, &chain, ChallengeEvent::SendCode)?;
    charge_user(record, context, channel)?;
    let destination = charge_everybody(context, enrollment, used_for)?;
    let (awaited, code) = Awaited::code(&record.mac_key, &id, channel, &mut context.stream)?;
    put(record, context, id, chain, enrollment.suffix, awaited);
    let occasion = match (used_for, &bearer.token.grant) {
        (Use::Enroll, _) => Occasion::Enroll,
        (Use::LogIn, Grant::Mfa(MfaGrant { purpose: Purpose::StepUp, .. })) => Occasion::StepUp,
        (Use::LogIn, _) => Occasion::LogIn,
    };
    deliver(context, authenticator, channel, destination, occasion, Content::Code(code));
    Ok(context.mint_out_of_band(record, id, chain, Grant::Oob)?)
}

/// Sends a push to a device.
pub(super) fn send_push(
    record: &mut Record,
    context: &mut Context<'_>,
    (bearer, grant): (Bearer<'_>, &MfaGrant),
    (authenticator, device): (Authenticator, &Device),
    suffix: Suffix,
) -> Result<SentPush, Refusal> {
    let chain = bearer.token.chain;
    if let Some(wait_ms) = push_wait_ms(record, context, &chain) {
        return Err(too_many(context, Limit::Pushes, wait_ms).into());
    }
    let id = context.stream.bytes::<16>()?;
    take_slot(record, context, &chain, ChallengeEvent::SendPush)?;
    charge_user(record, context, Channel::Push)?;
    let (number, entry) = draw_number(context)?;
    let mac = number.as_ref().map(|number| NumberMac::new(&record.mac_key, &id, number));
    put(record, context, id, chain, suffix, Awaited::Push(mac));
    let push = PushGrant { transaction: grant.transaction.clone(), reserved: grant.reserved };
    let transaction_token = context.mint_out_of_band(record, id, chain, Grant::Push(push))?;
    let message = PushMessage {
        transaction_token,
        client: context.caller.client.clone(),
        context: grant.transaction.clone(),
        number: entry,
    };
    let occasion = if grant.purpose == Purpose::StepUp { Occasion::StepUp } else { Occasion::LogIn };
    let address = device.address.as_str().into();
    deliver(context, authenticator, Channel::Push, address, occasion, Content::Push(message));
    let oob_code = context.mint_out_of_band(record, id, chain, Grant::Oob)?;
    Ok(SentPush { oob_code, number })
}

/// Shows a ticket: nothing is sent, and the enrollment's challenge waits for a device to scan it.
pub(super) fn show_ticket(
    record: &mut Record,
    context: &mut Context<'_>,
    bearer: Bearer<'_>,
    suffix: Suffix,
) -> Result<SecretString, Refusal> {
    let (chain, id) = (bearer.token.chain, context.stream.bytes::<16>()?);
    take_slot(record, context, &chain, ChallengeEvent::ShowTicket)?;
    put(record, context, id, chain, suffix, Awaited::Scan);
    Ok(context.mint_out_of_band(record, id, chain, Grant::Oob)?)
}

/// Tells an older authenticator what happened to the account, and returns whether it could: its user's budget
/// may be spent.
pub(super) fn send_notice(
    record: &mut Record,
    context: &mut Context<'_>,
    enrollment: &Enrollment,
    occasion: Occasion,
) -> bool {
    let Some((authenticator, channel, destination)) = address_of(enrollment) else { return false };
    let (bucket, budget, _) = user_budget(record, context, channel);
    if bucket.wait_ms(budget, 1, context.now_ms) != Some(0) {
        return false;
    }
    bucket.charge(budget, 1, context.now_ms);
    deliver(context, authenticator, channel, destination, occasion, Content::Notice);
    true
}

fn address_of(enrollment: &Enrollment) -> Option<(Authenticator, Channel, SecretString)> {
    let authenticator = enrollment.authenticators().next()?;
    // No notice goes to a telephone: whoever can change an address at will would pump text messages by it.
    let destination = match &enrollment.factor {
        Factor::Email(address) => address.expose(),
        Factor::Push(push) => push.device.as_ref()?.address.as_str(),
        Factor::Otp(_) | Factor::Phone(_) => return None,
    };
    Some((authenticator, authenticator.kind.channel()?, destination.into()))
}

/// How long until a push may be sent: after a denial, and while one of another login waits for its answer.
/// Nobody can put their own push in the place of the victim's.
fn push_wait_ms(record: &Record, context: &Context<'_>, chain: &Id) -> Option<u64> {
    let now_ms = context.now_ms;
    let pause_ms = record.push_pause.map_or(0, |pause: PushPause| pause.left_ms(now_ms));
    let waiting = record
        .live_challenges(now_ms)
        .filter(|other| other.stage() == ChallengeStage::PushSent && other.chain != *chain)
        .map(|other| other.left_ms(now_ms));
    waiting.chain([pause_ms]).max().filter(|wait_ms| *wait_ms > 0)
}

/// Checks that the chain may go on to `event`, and that there is a slot for what is sent.
fn take_slot(
    record: &Record,
    context: &mut Context<'_>,
    chain: &Id,
    event: ChallengeEvent,
) -> Result<(), Refusal> {
    let wait_ms = record.challenge_room_ms(chain, context.now_ms);
    if wait_ms > 0 {
        return Err(too_many(context, Limit::Challenges, wait_ms).into());
    }
    let own = record.live_challenges(context.now_ms).find(|challenge| challenge.chain == *chain);
    let stage = own.map_or(ChallengeStage::Absent, Challenge::stage);
    stage.on(event).map(|_| ()).ok_or_else(|| Error::Misuse("a challenge cannot be sent now").into())
}

fn put(record: &mut Record, context: &mut Context<'_>, id: Id, chain: Id, suffix: Suffix, awaited: Awaited) {
    let (sent_ms, life_ms) = (context.now_ms, context.policy.oob_code_ms);
    let expires_ms = record.expiry_now_ms(sent_ms).saturating_add(life_ms);
    record.put_challenge(Challenge { id, chain, suffix, expires_ms, awaited, sent_ms, life_ms }, sent_ms);
}

/// A user's budget for what goes out on a channel.
fn user_budget<'r>(
    record: &'r mut Record,
    context: &Context<'_>,
    channel: Channel,
) -> (&'r mut Bucket, Budget, Limit) {
    let (buckets, budgets) = (&mut record.buckets, &context.policy.messages);
    match channel {
        Channel::Sms | Channel::Voice => (&mut buckets.phone_messages, budgets.phone, Limit::PhoneMessages),
        Channel::Email => (&mut buckets.emails, budgets.email, Limit::Emails),
        Channel::Push => (&mut buckets.pushes, budgets.push, Limit::Pushes),
    }
}

fn charge_user(record: &mut Record, context: &mut Context<'_>, channel: Channel) -> Result<(), Refusal> {
    let (bucket, budget, limit) = user_budget(record, context, channel);
    let wait_ms = bucket.wait_ms(budget, 1, context.now_ms).unwrap_or(u64::MAX);
    if wait_ms > 0 {
        return Err(too_many(context, limit, wait_ms).into());
    }
    bucket.charge(budget, 1, context.now_ms);
    Ok(())
}

/// Names the budgets across users that pay for a message, and where it goes. The operation charges them before
/// the record is written.
fn charge_everybody(
    context: &mut Context<'_>,
    enrollment: &Enrollment,
    used_for: Use,
) -> Result<SecretString, Refusal> {
    let budgets = &context.policy.messages;
    let budget = match used_for {
        Use::LogIn => budgets.destination_log_in,
        Use::Enroll => budgets.destination_enroll,
    };
    let destination = match &enrollment.factor {
        Factor::Phone(phone) => {
            let number = &phone.number;
            if !context.policy.phone.allows(number) {
                return Err(context.deny(DenialCode::PhoneNotAllowed).into());
            }
            let prefix = number.country_prefix();
            let limiters = &mut context.told.limiters;
            limiters.push(LimiterCharge::destination(used_for, number.expose(), budget));
            limiters.push(LimiterCharge::prefix(used_for, prefix, budgets.prefix));
            number.expose()
        }
        Factor::Email(address) => {
            let limiters = &mut context.told.limiters;
            limiters.push(LimiterCharge::destination(used_for, address.normal().expose(), budget));
            address.expose()
        }
        Factor::Otp(_) | Factor::Push(_) => return Err(Error::Misuse("no code is sent to an app").into()),
    };
    context.told.limiters.push(LimiterCharge::tenant(used_for, budgets.tenant));
    Ok(destination.into())
}

fn deliver(
    context: &mut Context<'_>,
    authenticator: Authenticator,
    channel: Channel,
    destination: SecretString,
    occasion: Occasion,
    content: Content,
) {
    if content != Content::Notice {
        context.event(EventKind::ChallengeSent { authenticator: authenticator.id(), channel });
    }
    context.told.deliveries.push(Delivery {
        channel,
        destination,
        occasion,
        content,
        authenticator_id: authenticator.id(),
        locale: context.caller.facts.locale.clone(),
        expires_ms: context.now_ms.saturating_add(context.policy.oob_code_ms),
    });
}

/// The number that the login page shows, and how the device asks for it.
fn draw_number(context: &mut Context<'_>) -> Result<(Option<String>, NumberEntry), Error> {
    let stream = &mut context.stream;
    match context.policy.push.confirmation {
        PushConfirmation::Plain => Ok((None, NumberEntry::None)),
        PushConfirmation::NumberTyped => Ok((Some(stream.text(b"0123456789", 2)?), NumberEntry::Type)),
        PushConfirmation::NumberMatching => {
            let mut choices: Vec<String> = Vec::with_capacity(CHOICES);
            while choices.len() < CHOICES {
                let number = stream.text(b"0123456789", 2)?;
                if !choices.contains(&number) {
                    choices.push(number);
                }
            }
            let at = stream.text(b"012", 1)?.parse::<usize>().unwrap_or_default();
            let number = choices.get(at).cloned();
            Ok((number, NumberEntry::Choose(choices)))
        }
    }
}
