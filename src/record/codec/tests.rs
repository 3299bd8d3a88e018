use proptest::prelude::*;

use super::*;
use crate::crypto::device_key::PublicKey;
use crate::crypto::secret::{Secret, SecretString};
use crate::crypto::stream::Stream;
use crate::destination::{Channel, EmailAddress, PhoneNumber};
use crate::limits::{
    BROWSERS_MAX, CHALLENGES_MAX, EMAILS_KNOWN_MAX, EXCEPTED_MAX, LOST_ANSWERS_MAX, OTP_ACTIVE_MAX,
    PENDING_MAX, SEED_BYTES_MAX, SPENT_MAX,
};
use crate::otp::{Algorithm, Digits, Period, Seed};
use crate::record::authenticator::Suffix;
use crate::record::budget::Budget;
use crate::record::challenge::{Awaited, Challenge, NumberMac};
use crate::record::enrollment::{Device, Enrollment, Factor, Moving, Otp, Phone, PhoneChannels, Push};
use crate::record::imported_hash::HashTemplate;
use crate::record::known_email::KnownEmail;
use crate::record::push_pause::PushPause;
use crate::record::recovery::{HashedForm, RecoverySet, TypedRecoveryCode};
use crate::record::{Excepted, KeptAnswer, Life, Pending, Replaced, TokenMark};
use crate::token::{Method, Proof};

const ALGORITHMS: [Algorithm; 3] = [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512];
const FORMS: [HashedForm; 3] = [HashedForm::AsTyped, HashedForm::Upper, HashedForm::Lower];
const HASH: &str = "$pbkdf2-sha256$i=1000$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

const CHANNELS: [PhoneChannels; 3] = [PhoneChannels::Sms, PhoneChannels::Voice, PhoneChannels::Both];

fn address(number: usize) -> EmailAddress {
    EmailAddress::parse(&format!("ann{number}@acme.example")).unwrap()
}

/// The first key of RFC 8032 section 7.1.
fn device() -> Device {
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".to_owned();
    let key = PublicKey { kty: "OKP".to_owned(), crv: "Ed25519".to_owned(), x, y: None };
    Device { key: (&key).try_into().unwrap(), name: "phone".to_owned(), address: "push:1".to_owned() }
}

fn suffix(number: usize) -> Suffix {
    format!("{number:016}").into_bytes().try_into().unwrap()
}

/// Draws the parts of an arbitrary record.
struct Draw(Stream);

impl Draw {
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        self.0.bytes().unwrap()
    }

    /// Of all sizes, the smallest and the largest often.
    fn number(&mut self) -> u64 {
        match self.below(8) {
            0 => 0,
            1 => u64::MAX,
            _ => u64::from_be_bytes(self.bytes()) >> self.below(64),
        }
    }

    fn below(&mut self, end: usize) -> usize {
        usize::from_le_bytes(self.bytes()) % end
    }

    fn maybe<T>(&mut self, draw: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(2) == 0).then(|| draw(self))
    }

    fn list<T>(&mut self, max: usize, mut draw: impl FnMut(&mut Self, usize) -> T) -> Vec<T> {
        (0..self.below(max + 1)).map(|index| draw(self, index)).collect()
    }

    fn enrollment(&mut self, index: usize) -> Enrollment {
        let mut seed = vec![u8::try_from(index).unwrap(); 16];
        seed.extend(self.list(SEED_BYTES_MAX - 16, |draw, _| draw.bytes::<1>()[0]));
        let period = 15 + u32::try_from(self.below(106)).unwrap();
        let moving = match self.below(2) {
            0 => Moving::Time { period: Period::new(period).unwrap(), last_step: self.maybe(Self::number) },
            _ => Moving::Counter { next: self.number() },
        };
        let algorithm = ALGORITHMS[self.below(3)];
        let digits = Digits::new(6 + u8::try_from(self.below(3)).unwrap()).unwrap();
        let otp = Otp { seed: Seed::new(seed).unwrap(), algorithm, digits, moving };
        Enrollment {
            suffix: suffix(index),
            created_ms: self.number(),
            last_used_ms: self.maybe(Self::number),
            weak_until_ms: self.maybe(Self::number),
            nickname: self.maybe(|draw| "é".repeat(1 + draw.below(64))),
            failures: u32::from_be_bytes(self.bytes()),
            factor: match self.below(4) {
                0 => Factor::Phone(Phone {
                    number: PhoneNumber::parse(&format!("+49301234{index:03}")).unwrap(),
                    channels: CHANNELS[self.below(3)],
                }),
                1 => Factor::Email(address(index)),
                2 if index == 0 => Factor::Push(Push {
                    otp_suffix: suffix(50 + index),
                    otp,
                    ticket: self.maybe(|draw| draw.bytes::<16>().into()),
                    device: Some(device()),
                }),
                _ => Factor::Otp(otp),
            },
        }
    }

    fn otp_enrollment(&mut self, index: usize) -> Enrollment {
        loop {
            let drawn = self.enrollment(index);
            if matches!(drawn.factor, Factor::Otp(_)) {
                return drawn;
            }
        }
    }

    fn challenge(&mut self, of: Suffix) -> Challenge {
        Challenge {
            id: self.bytes(),
            chain: self.bytes(),
            suffix: of,
            expires_ms: self.number(),
            awaited: match self.below(4) {
                0 => Awaited::Code {
                    mac: self.bytes(),
                    channel: [Channel::Sms, Channel::Email][self.below(2)],
                },
                1 => Awaited::Push(
                    self.maybe(|draw| NumberMac::new(&Secret::new([3; 32]), &draw.bytes(), "07")),
                ),
                2 => Awaited::PollAfterApproval,
                _ => Awaited::Nothing,
            },
            sent_ms: self.number(),
            life_ms: self.number(),
        }
    }

    fn recovery(&mut self) -> RecoverySet {
        let mut set = RecoverySet::new(suffix(99), self.number());
        set.last_used_ms = self.maybe(Self::number);
        for code in 0..self.below(16) {
            let code = TypedRecoveryCode::parse(&format!("CODE{code}")).unwrap();
            set.add_known(&Secret::new([3; 32]), &code, u16::from_be_bytes(self.bytes()));
        }
        if self.below(2) == 0 {
            let hashes = self.list(16, |draw, _| draw.bytes::<32>().to_vec());
            let (form, bits) = (FORMS[self.below(3)], u16::from_be_bytes(self.bytes()));
            set.add_hashes(HashTemplate::split(HASH).unwrap().0, hashes, form, bits);
        }
        set
    }

    fn marks(&mut self, max: usize) -> Vec<TokenMark> {
        self.list(max, |draw, _| TokenMark { id: draw.bytes(), expires_ms: draw.number() })
    }

    fn record(&mut self) -> Record {
        let mut record = Record::new(&mut self.0).unwrap();
        (record.sequence, record.epoch) = (self.number(), self.number());
        let ring = (0..record.sequence.min(16)).map(|_| Version(self.bytes()));
        record.ring = OperationRing::from_entries(ring.collect());
        record.seen_ms = self.number() % crate::limits::NOW_MS_MAX;
        record.failures = u32::from_be_bytes(self.bytes());
        for bucket in record.buckets.all_mut() {
            bucket.charge(Budget::new(10, 1_000), u32::from_be_bytes(self.bytes()), self.number());
        }
        record.life = match self.below(8) {
            0 => Life::Open,
            1 => Life::Erased { until_ms: self.number() },
            _ => Life::Established { since_ms: self.number() },
        };
        record.spent = self.marks(SPENT_MAX);
        record.excepted = self.list(EXCEPTED_MAX, |draw, _| Excepted {
            id: draw.bytes(),
            expires_ms: draw.number(),
            suffix: draw.bytes(),
        });
        if let Life::Erased { .. } = record.life {
            return record;
        }
        let is_established = record.is_established();
        if is_established {
            record.enrollments = self.list(OTP_ACTIVE_MAX, Self::enrollment);
            record.recovery = self.maybe(Self::recovery);
        }
        record.pending = self.list(PENDING_MAX, |draw, index| Pending {
            enrollment: draw.enrollment(10 + index),
            chain: draw.bytes(),
            expires_ms: draw.number(),
            recovery: draw.maybe(Self::recovery).filter(|_| !is_established),
            replaces: draw.maybe(|_| Replaced(suffix(3))),
        });
        record.emails = self.list(EMAILS_KNOWN_MAX, |draw, index| {
            let enrollment =
                Enrollment::new(suffix(30 + index), draw.number(), Factor::Email(address(index)));
            KnownEmail { enrollment, active_from_ms: draw.maybe(Self::number) }
        });
        let first = record.all_enrollments().next().map(|enrollment| enrollment.suffix);
        if let Some(of) = first {
            record.challenges = self.list(CHALLENGES_MAX, |draw, _| draw.challenge(of));
        }
        if let Some(of) = record.enrollments.first().map(|enrollment| enrollment.suffix) {
            for _ in 0..self.below(BROWSERS_MAX + 1) {
                let proofs = vec![Proof { suffix: of, method: Method::Otp }];
                let token = SecretString::from(self.number().to_string());
                record.trust_browser(&token, proofs, self.number());
            }
        }
        record.push_pause = self.maybe(|draw| PushPause::after(None, draw.number()));
        record.answers = self.list(LOST_ANSWERS_MAX, |draw, _| KeptAnswer {
            tag: draw.bytes(),
            expires_ms: draw.number(),
            sealed: draw.list(300, |draw, _| draw.bytes::<1>()[0]),
            suffix: suffix(1),
        });
        record
    }
}

fn draw(number: u64) -> Draw {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    Draw(Stream::new(&seed, b"record", None, &[0; 32]))
}

/// One of everything, and every list short.
fn full() -> Record {
    let mut draw = draw(0);
    let mut record = Record::new(&mut draw.0).unwrap();
    record.life = Life::Established { since_ms: 5 };
    let mut one = draw.otp_enrollment(0);
    one.nickname = Some("phone".to_owned());
    let mut two = draw.otp_enrollment(1);
    for (enrollment, moving) in [
        (&mut one, Moving::Time { period: Period::default(), last_step: Some(9) }),
        (&mut two, Moving::Counter { next: 9 }),
    ] {
        enrollment.otp_mut().unwrap().moving = moving;
    }
    record.enrollments = vec![one, two];
    let (enrollment, chain) = (draw.otp_enrollment(2), [4; 16]);
    record.pending = vec![Pending { enrollment, chain, expires_ms: 5, recovery: None, replaces: None }];
    let mut codes = RecoverySet::new(suffix(99), 5);
    let (template, hash) = HashTemplate::split(HASH).unwrap();
    codes.add_hashes(template, vec![hash], HashedForm::Lower, 40);
    record.recovery = Some(codes);
    record.spent = vec![TokenMark { id: [5; 16], expires_ms: 5 }];
    record.excepted = vec![Excepted { id: [6; 16], expires_ms: 5, suffix: suffix(7) }];
    record.answers = vec![KeptAnswer { tag: [7; 32], expires_ms: 5, sealed: vec![8; 9], suffix: suffix(1) }];
    record
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn any_record_round_trips(number: u64) {
        let record = draw(number).record();
        let bytes = encode(&record).unwrap();
        prop_assert_eq!(bytes.len(), minicbor::len(&record));
        prop_assert!(decode(&bytes).unwrap() == record);
    }
}

/// How much of a record is "none".
fn nones(record: &Record) -> usize {
    let all = record.enrollments.iter().chain(record.pending.iter().map(|pending| &pending.enrollment));
    let enrollments =
        all.flat_map(|e| [e.last_used_ms.is_none(), e.weak_until_ms.is_none(), e.nickname.is_none()]);
    let recovery = [record.recovery.is_none(), record.recovery.as_ref().is_none_or(|set| set.left() == 0)];
    enrollments.chain(recovery).filter(|none| *none).count()
}

#[test]
fn no_number_in_any_place_decodes_something_to_none() {
    let record = full();
    let bytes = encode(&record).unwrap();
    assert!(decode(&bytes).unwrap() == record);
    let mut refused = 0;
    for at in 0..bytes.len() {
        let mut edited = bytes.to_vec();
        for value in 0..24 {
            edited[at] = value;
            match decode(&edited) {
                Ok(other) => assert!(nones(&other) <= nones(&record), "byte {at} as {value}"),
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > 1_000, "{refused}");
}

/// The position of an enum's index: where two records that differ in the variant alone first differ.
fn refuses_unknown_variants(change: impl Fn(&mut Record, usize), variants: usize) {
    let encoded = |variant| {
        let mut record = full();
        change(&mut record, variant);
        encode(&record).unwrap()
    };
    let (mut first, second) = (encoded(0), encoded(1));
    let at = first.iter().zip(second.iter()).position(|(one, two)| one != two).unwrap();
    assert_eq!((first[at], second[at]), (0, 1));
    for unknown in u8::try_from(variants).unwrap()..24 {
        first[at] = unknown;
        assert!(matches!(decode(&first), Err(Error::Corrupt)), "variant {unknown} at {at}");
    }
}

#[test]
fn an_unknown_variant_is_refused_wherever_it_stands() {
    let lives = [Life::Open, Life::Established { since_ms: 5 }, Life::Erased { until_ms: 5 }];
    refuses_unknown_variants(
        |record, n| {
            (record.enrollments, record.pending) = (Vec::new(), Vec::new());
            (record.recovery, record.answers) = (None, Vec::new());
            record.life = lives[n];
        },
        3,
    );
    refuses_unknown_variants(
        |record, n| record.enrollments[0].otp_mut().unwrap().algorithm = ALGORITHMS[n],
        3,
    );
    refuses_unknown_variants(
        |record, n| record.pending[0].enrollment.otp_mut().unwrap().algorithm = ALGORITHMS[n],
        3,
    );
    let moving = [Moving::Time { period: Period::default(), last_step: None }, Moving::Counter { next: 30 }];
    refuses_unknown_variants(|record, n| record.enrollments[0].otp_mut().unwrap().moving = moving[n], 2);
    // Behind it stands as much as a decoder that skips too far could live on.
    refuses_unknown_variants(
        |record, n| {
            let (template, hash) = HashTemplate::split(HASH).unwrap();
            record.recovery.as_mut().unwrap().add_hashes(template, vec![hash], FORMS[n], 40);
            (record.spent, record.excepted) = (Vec::new(), Vec::new());
        },
        3,
    );
}

#[test]
fn trailing_bytes_and_cuts_are_refused() {
    let bytes = encode(&full()).unwrap();
    for length in 0..bytes.len() {
        assert!(matches!(decode(&bytes[..length]), Err(Error::Corrupt)), "cut at {length}");
    }
    let longer = [&*bytes, &[0]].concat();
    assert!(matches!(decode(&longer), Err(Error::Corrupt)));
}

#[test]
fn a_record_for_newer_readers_is_refused_as_such_whatever_it_holds() {
    let mut record = full();
    record.reader_min = FORMAT + 1;
    let bytes = encode(&record).unwrap();
    assert!(matches!(decode(&bytes), Err(Error::NewerFormat(format)) if format == FORMAT + 1));
    assert!(matches!(decode(&bytes[..bytes.len() - 1]), Err(Error::NewerFormat(_))));
}
