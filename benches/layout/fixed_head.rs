//! What a verification touches, at fixed places; the rest as arrays.

use minicbor::{CborLen, Decode, Encode};

use crate::arrays::{Buckets, Enrollment, Factor, Life, Moving, Pending, Record, RecoverySet, TokenMark};
use crate::{RING, Ring};

const NONE: u64 = u64::MAX;
/// Sequence, epoch, highest time, failures, buckets, and how many ids the ring has.
const SCALARS: usize = 8 + 8 + 8 + 4 + 80 + 1;
const HEAD: usize = SCALARS + RING * 16 + STEPS * 8;
const STEPS: usize = 5;

#[derive(Encode, CborLen)]
struct RestRef<'a> {
    #[n(0)]
    reader_min: u8,
    #[cbor(n(1), with = "minicbor::bytes")]
    incarnation: &'a [u8],
    #[cbor(n(2), with = "minicbor::bytes")]
    mac_key: &'a [u8],
    #[n(3)]
    life: &'a Life,
    #[n(4)]
    enrollments: &'a [Enrollment],
    #[n(5)]
    pending: &'a [Pending],
    #[n(6)]
    recovery: &'a Option<RecoverySet>,
    #[n(7)]
    spent: &'a [TokenMark],
}

#[derive(Decode)]
struct Rest {
    #[n(0)]
    reader_min: u8,
    #[cbor(n(1), with = "minicbor::bytes")]
    incarnation: [u8; 16],
    #[cbor(n(2), with = "minicbor::bytes")]
    mac_key: [u8; 32],
    #[n(3)]
    life: Life,
    #[n(4)]
    enrollments: Vec<Enrollment>,
    #[n(5)]
    pending: Vec<Pending>,
    #[n(6)]
    recovery: Option<RecoverySet>,
    #[n(7)]
    spent: Vec<TokenMark>,
}

pub fn encode(record: &Record) -> Vec<u8> {
    let rest = RestRef {
        reader_min: record.reader_min,
        incarnation: &record.incarnation,
        mac_key: &record.mac_key,
        life: &record.life,
        enrollments: &record.enrollments,
        pending: &record.pending,
        recovery: &record.recovery,
        spent: &record.spent,
    };
    let mut bytes = Vec::with_capacity(HEAD + minicbor::len(&rest));
    for number in [record.sequence, record.epoch, record.seen_ms] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes.extend_from_slice(&record.failures.to_be_bytes());
    bytes.extend_from_slice(numbers(&record.buckets).map(u64::to_be_bytes).as_flattened());
    bytes.push(record.ring.0.len() as u8);
    bytes.extend_from_slice(record.ring.0.as_flattened());
    bytes.resize(SCALARS + RING * 16, 0);
    let steps = record.enrollments.iter().map(|enrollment| step(enrollment).unwrap_or(NONE));
    steps.for_each(|step| bytes.extend_from_slice(&step.to_be_bytes()));
    bytes.resize(HEAD, 0);
    minicbor::encode(&rest, &mut bytes).expect("memory");
    bytes
}

pub fn decode(bytes: &[u8]) -> Option<Record> {
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    let (scalars, head) = head.split_at_checked(SCALARS)?;
    let (ids, steps) = head.split_at_checked(RING * 16)?;
    let (three, scalars) = scalars.split_at_checked(24)?;
    let (failures, scalars) = scalars.split_first_chunk::<4>()?;
    let (buckets, ring) = scalars.split_at_checked(80)?;
    let [sequence, epoch, seen_ms] = as_numbers(three)?;
    let steps: [u64; STEPS] = as_numbers(steps)?;
    let mut rest: Rest = minicbor::decode(rest).ok()?;
    for (enrollment, last) in rest.enrollments.iter_mut().zip(steps) {
        let Factor::Otp(otp) = &mut enrollment.factor;
        let Moving::Time { last_step, .. } = &mut otp.moving;
        *last_step = Some(last).filter(|last| *last != NONE);
    }
    Some(Record {
        sequence,
        ring: Ring(ids.as_chunks().0.get(..usize::from(*ring.first()?))?.to_vec()),
        reader_min: rest.reader_min,
        incarnation: rest.incarnation,
        epoch,
        mac_key: rest.mac_key,
        life: rest.life,
        seen_ms,
        buckets: as_numbers(buckets)?.into(),
        failures: u32::from_be_bytes(*failures),
        enrollments: rest.enrollments,
        pending: rest.pending,
        recovery: rest.recovery,
        spent: rest.spent,
    })
}

fn step(enrollment: &Enrollment) -> Option<u64> {
    let Factor::Otp(otp) = &enrollment.factor;
    let Moving::Time { last_step, .. } = otp.moving;
    last_step
}

fn as_numbers<const N: usize>(bytes: &[u8]) -> Option<[u64; N]> {
    let chunks: &[[u8; 8]; N] = bytes.as_chunks().0.try_into().ok()?;
    Some(chunks.map(u64::from_be_bytes))
}

fn numbers(buckets: &Buckets) -> [u64; 10] {
    let Buckets { codes, codes_slow, recovery, reserved, reserved_slow } = buckets;
    let all = [codes, codes_slow, recovery, reserved, reserved_slow];
    let mut numbers = [0; 10];
    for (place, bucket) in numbers.chunks_mut(2).zip(all) {
        place.copy_from_slice(&[bucket.owed_ms, bucket.stamp_ms]);
    }
    numbers
}
