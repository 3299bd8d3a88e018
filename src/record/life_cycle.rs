//! The life of an enrollment and of a challenge: every step that there is, as data.
//!
//! Commands ask the tables before they scan, confirm, activate, disable, send or answer; what begins and what takes
//! away needs no leave. The tests hold the whole of both against `testdata/life_cycle`, every stage with every event.

/// Where an enrollment is in its life. None of it is stored: it follows from where the enrollment stands in
/// the record, and from policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EnrollmentStage {
    /// Not there, or not there any more.
    Absent,
    /// Waits for its first code.
    Pending,
    /// Waits for a device to scan its ticket.
    ToBeScanned,
    /// A device scanned the ticket; waits for the poll.
    Scanned,
    /// A verified address that appeared on an established user.
    Inactive,
    /// Can be challenged.
    Active,
    /// Consecutive failures disabled it.
    Disabled,
}

/// What can happen to an enrollment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EnrollmentEvent {
    /// A code or a secret was handed out for it.
    Associated,
    /// A ticket was handed out for it.
    TicketShown,
    /// The host brought it, or knew the address before the user was established.
    Known,
    /// The host verified an address of an established user.
    Appeared,
    /// A device scanned the ticket; once more, with the same key.
    Scanned,
    /// Another device scanned the ticket: somebody photographed it.
    ScannedByOther,
    /// Its first code, or the poll after the scan.
    Confirmed,
    /// Policy's delay after [`EnrollmentEvent::Appeared`] is over.
    DelayOver,
    /// One failure too many.
    FailedTooOften,
    /// Its last token expired, a fourth one replaced it, or another one was the first to be confirmed.
    Lapsed,
    /// The user or the host removed it; the host's list of addresses has it no more.
    Removed,
}

/// Where a challenge is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChallengeStage {
    /// Not there, or not there any more.
    Absent,
    /// A code is on its way.
    CodeSent,
    /// A push is on its way.
    PushSent,
    /// A ticket is shown.
    ToBeScanned,
    /// The device approved, or enrolled; the next poll ends it.
    Approved,
    /// The device denied, or a wrong number was entered. Final.
    Denied,
}

/// What can happen to a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChallengeEvent {
    /// A code is sent, first or again.
    SendCode,
    /// A push is sent, first or again.
    SendPush,
    /// A ticket is shown.
    ShowTicket,
    /// The code was right.
    RightCode,
    /// The code was wrong.
    WrongCode,
    /// The device approved, with the right number where one is wanted.
    Approve,
    /// The device denied, or the number was wrong.
    Deny,
    /// A device scanned the ticket.
    Scan,
    /// The client asks whether it was answered.
    Poll,
    /// Its time is over, or what it challenges, or its chain, is gone.
    End,
}

use ChallengeEvent as On;
use ChallengeStage as Challenge;
use EnrollmentEvent as Event;
use EnrollmentStage as Stage;

/// The life of an enrollment.
const ENROLLMENT: &[(Stage, Event, Stage)] = &[
    (Stage::Absent, Event::Associated, Stage::Pending),
    (Stage::Absent, Event::TicketShown, Stage::ToBeScanned),
    (Stage::Absent, Event::Known, Stage::Active),
    (Stage::Absent, Event::Appeared, Stage::Inactive),
    (Stage::Pending, Event::Confirmed, Stage::Active),
    (Stage::Pending, Event::Lapsed, Stage::Absent),
    (Stage::Pending, Event::Removed, Stage::Absent),
    (Stage::ToBeScanned, Event::Scanned, Stage::Scanned),
    (Stage::ToBeScanned, Event::Lapsed, Stage::Absent),
    (Stage::ToBeScanned, Event::Removed, Stage::Absent),
    (Stage::Scanned, Event::Scanned, Stage::Scanned),
    (Stage::Scanned, Event::ScannedByOther, Stage::Absent),
    (Stage::Scanned, Event::Confirmed, Stage::Active),
    (Stage::Scanned, Event::Lapsed, Stage::Absent),
    (Stage::Scanned, Event::Removed, Stage::Absent),
    (Stage::Inactive, Event::DelayOver, Stage::Active),
    (Stage::Inactive, Event::Removed, Stage::Absent),
    (Stage::Active, Event::Scanned, Stage::Active),
    (Stage::Active, Event::ScannedByOther, Stage::Absent),
    (Stage::Active, Event::FailedTooOften, Stage::Disabled),
    (Stage::Active, Event::Removed, Stage::Absent),
    (Stage::Disabled, Event::Scanned, Stage::Disabled),
    (Stage::Disabled, Event::ScannedByOther, Stage::Absent),
    (Stage::Disabled, Event::Removed, Stage::Absent),
];

/// The life of a challenge. A chain has one: what it sends next takes the slot of what it sent before.
const CHALLENGE: &[(Challenge, On, Challenge)] = &[
    (Challenge::Absent, On::SendCode, Challenge::CodeSent),
    (Challenge::Absent, On::SendPush, Challenge::PushSent),
    (Challenge::Absent, On::ShowTicket, Challenge::ToBeScanned),
    (Challenge::CodeSent, On::SendCode, Challenge::CodeSent),
    (Challenge::CodeSent, On::SendPush, Challenge::PushSent),
    (Challenge::CodeSent, On::ShowTicket, Challenge::ToBeScanned),
    (Challenge::CodeSent, On::RightCode, Challenge::Absent),
    (Challenge::CodeSent, On::WrongCode, Challenge::CodeSent),
    (Challenge::CodeSent, On::End, Challenge::Absent),
    (Challenge::PushSent, On::SendCode, Challenge::CodeSent),
    (Challenge::PushSent, On::SendPush, Challenge::PushSent),
    (Challenge::PushSent, On::ShowTicket, Challenge::ToBeScanned),
    (Challenge::PushSent, On::Approve, Challenge::Approved),
    (Challenge::PushSent, On::Deny, Challenge::Denied),
    (Challenge::PushSent, On::Poll, Challenge::PushSent),
    (Challenge::PushSent, On::End, Challenge::Absent),
    (Challenge::ToBeScanned, On::SendCode, Challenge::CodeSent),
    (Challenge::ToBeScanned, On::SendPush, Challenge::PushSent),
    (Challenge::ToBeScanned, On::ShowTicket, Challenge::ToBeScanned),
    (Challenge::ToBeScanned, On::Scan, Challenge::Approved),
    (Challenge::ToBeScanned, On::Poll, Challenge::ToBeScanned),
    (Challenge::ToBeScanned, On::End, Challenge::Absent),
    (Challenge::Approved, On::SendCode, Challenge::CodeSent),
    (Challenge::Approved, On::SendPush, Challenge::PushSent),
    (Challenge::Approved, On::ShowTicket, Challenge::ToBeScanned),
    (Challenge::Approved, On::Poll, Challenge::Absent),
    (Challenge::Approved, On::End, Challenge::Absent),
    (Challenge::Denied, On::SendCode, Challenge::CodeSent),
    (Challenge::Denied, On::SendPush, Challenge::PushSent),
    (Challenge::Denied, On::ShowTicket, Challenge::ToBeScanned),
    (Challenge::Denied, On::Poll, Challenge::Denied),
    (Challenge::Denied, On::End, Challenge::Absent),
];

impl EnrollmentStage {
    /// The stage after `event`; `None` where that cannot happen.
    pub(crate) fn on(self, event: EnrollmentEvent) -> Option<Self> {
        next(ENROLLMENT, self, event)
    }
}

impl ChallengeStage {
    /// The stage after `event`; `None` where that cannot happen.
    pub(crate) fn on(self, event: ChallengeEvent) -> Option<Self> {
        next(CHALLENGE, self, event)
    }
}

fn next<S: Copy + PartialEq, E: Copy + PartialEq>(table: &[(S, E, S)], stage: S, event: E) -> Option<S> {
    table.iter().find(|(from, on, _)| (*from, *on) == (stage, event)).map(|(_, _, to)| *to)
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    const ENROLLMENT_STAGES: [Stage; 7] = [
        Stage::Absent,
        Stage::Pending,
        Stage::ToBeScanned,
        Stage::Scanned,
        Stage::Inactive,
        Stage::Active,
        Stage::Disabled,
    ];
    const ENROLLMENT_EVENTS: [Event; 11] = [
        Event::Associated,
        Event::TicketShown,
        Event::Known,
        Event::Appeared,
        Event::Scanned,
        Event::ScannedByOther,
        Event::Confirmed,
        Event::DelayOver,
        Event::FailedTooOften,
        Event::Lapsed,
        Event::Removed,
    ];
    const CHALLENGE_STAGES: [Challenge; 6] = [
        Challenge::Absent,
        Challenge::CodeSent,
        Challenge::PushSent,
        Challenge::ToBeScanned,
        Challenge::Approved,
        Challenge::Denied,
    ];
    const CHALLENGE_EVENTS: [On; 10] = [
        On::SendCode,
        On::SendPush,
        On::ShowTicket,
        On::RightCode,
        On::WrongCode,
        On::Approve,
        On::Deny,
        On::Scan,
        On::Poll,
        On::End,
    ];

    /// Every stage with every event, a line each.
    fn drawn<S: Copy + PartialEq + Debug, E: Copy + PartialEq + Debug>(
        stages: &[S],
        events: &[E],
        on: impl Fn(S, E) -> Option<S>,
    ) -> String {
        let mut text = String::new();
        for stage in stages {
            for event in events {
                let to = on(*stage, *event).map_or("refused".to_owned(), |to| format!("{to:?}"));
                text += &format!("{stage:?} + {event:?} = {to}\n");
            }
        }
        text
    }

    #[test]
    fn the_life_of_an_enrollment_is_as_it_was_drawn() {
        let drawn = drawn(&ENROLLMENT_STAGES, &ENROLLMENT_EVENTS, Stage::on);
        assert_eq!(drawn, include_str!("../../testdata/life_cycle/enrollment.txt"));
    }

    #[test]
    fn the_life_of_a_challenge_is_as_it_was_drawn() {
        let drawn = drawn(&CHALLENGE_STAGES, &CHALLENGE_EVENTS, Challenge::on);
        assert_eq!(drawn, include_str!("../../testdata/life_cycle/challenge.txt"));
    }

    /// Two rows for one step would leave the second unread.
    #[test]
    fn no_step_stands_twice() {
        for (at, (stage, event, _)) in ENROLLMENT.iter().enumerate() {
            assert!(ENROLLMENT.iter().skip(at + 1).all(|(s, e, _)| (s, e) != (stage, event)));
        }
        for (at, (stage, event, _)) in CHALLENGE.iter().enumerate() {
            assert!(CHALLENGE.iter().skip(at + 1).all(|(s, e, _)| (s, e) != (stage, event)));
        }
    }
}
