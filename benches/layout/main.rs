//! Layouts of a record's plaintext, on types that mirror `src/record`: CBOR maps and CBOR arrays with field
//! numbers, arrays with the budgets packed into one byte string, and a fixed head for what a verification
//! touches before arrays for the rest; the operation ring is packed in each of them:
//! `cargo bench -p mfacore-benches --bench layout`.
//!
//! Encoding includes the pass that finds the length, since a plaintext that grows leaves copies that nobody
//! wipes.

mod fixed_head;

use std::hint::black_box;

use mfacore_benches::{Comparison, Effort, Measured};
use minicbor::{CborLen, Decode, Decoder, Encode, Encoder};

const NOW_MS: u64 = 1_767_225_600_000;
const RING: usize = 16;
/// What is owed and its stamp, of five budgets, two of them never drawn on.
const BUCKETS: [u64; 10] = [720_000, NOW_MS, 720_000, NOW_MS, 720_000, NOW_MS, 0, 0, 0, 0];

/// A list of ids as one byte string.
#[derive(Clone, Debug, PartialEq)]
struct Ring(Vec<[u8; 16]>);

impl<C> Encode<C> for Ring {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(self.0.as_flattened())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Ring {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Ok(Self(d.bytes()?.as_chunks().0.to_vec()))
    }
}

impl<C> CborLen<C> for Ring {
    fn cbor_len(&self, context: &mut C) -> usize {
        let bytes = self.0.len() * 16;
        bytes.cbor_len(context) + bytes
    }
}

/// Ten numbers as one byte string.
#[derive(Clone, Debug, PartialEq)]
struct PackedBuckets([u64; 10]);

impl PackedBuckets {
    const BYTES: usize = 80;
}

impl From<[u64; 10]> for PackedBuckets {
    fn from(numbers: [u64; 10]) -> Self {
        Self(numbers)
    }
}

impl<C> Encode<C> for PackedBuckets {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(self.0.map(u64::to_be_bytes).as_flattened())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for PackedBuckets {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let chunks: &[[u8; 8]] = d.bytes()?.as_chunks().0;
        let chunks = chunks.try_into().map_err(minicbor::decode::Error::custom)?;
        Ok(Self(<[[u8; 8]; 10]>::map(chunks, u64::from_be_bytes)))
    }
}

impl<C> CborLen<C> for PackedBuckets {
    fn cbor_len(&self, context: &mut C) -> usize {
        Self::BYTES.cbor_len(context) + Self::BYTES
    }
}

/// The stored types, each encoded as `$form`, with the budgets' levels in a `$buckets`.
macro_rules! stored_types {
    ($module:ident, $form:ident, $buckets:ident) => {
        #[allow(dead_code, reason = "a layout has its buckets in one form or the other")]
        mod $module {
            use super::*;

            #[derive(Clone, Debug, PartialEq, Encode, Decode, CborLen)]
            #[cbor($form)]
            pub struct Record {
                #[n(0)]
                pub sequence: u64,
                #[n(1)]
                pub ring: Ring,
                #[n(2)]
                pub reader_min: u8,
                #[cbor(n(3), with = "minicbor::bytes")]
                pub incarnation: [u8; 16],
                #[n(4)]
                pub epoch: u64,
                #[cbor(n(5), with = "minicbor::bytes")]
                pub mac_key: [u8; 32],
                #[n(6)]
                pub life: Life,
                #[n(7)]
                pub seen_ms: u64,
                #[n(8)]
                pub buckets: $buckets,
                #[n(9)]
                pub failures: u32,
                #[n(10)]
                pub enrollments: Vec<Enrollment>,
                #[n(11)]
                pub pending: Vec<Pending>,
                #[n(12)]
                pub recovery: Option<RecoverySet>,
                #[n(13)]
                pub spent: Vec<TokenMark>,
            }

            #[derive(Clone, Debug, PartialEq, Encode, Decode, CborLen)]
            pub enum Life {
                #[n(0)]
                Open,
                #[n(1)]
                #[cbor($form)]
                Established {
                    #[n(0)]
                    since_ms: u64,
                },
            }

            #[derive(Clone, Debug, PartialEq, Encode, Decode, CborLen)]
            #[cbor($form)]
            pub struct Bucket {
                #[n(0)]
                pub owed_ms: u64,
                #[n(1)]
                pub stamp_ms: u64,
            }

            #[derive(Clone, Debug, PartialEq, Encode, Decode, CborLen)]
            #[cbor($form)]
            pub struct Buckets {
                #[n(0)]
                pub codes: Bucket,
                #[n(1)]
                pub codes_slow: Bucket,
                #[n(2)]
                pub recovery: Bucket,
                #[n(3)]
                pub reserved: Bucket,
                #[n(4)]
                pub reserved_slow: Bucket,
            }

            impl From<[u64; 10]> for Buckets {
                fn from([a, b, c, d, e, f, g, h, i, j]: [u64; 10]) -> Self {
                    let bucket = |owed_ms, stamp_ms| Bucket { owed_ms, stamp_ms };
                    Self {
                        codes: bucket(a, b),
                        codes_slow: bucket(c, d),
                        recovery: bucket(e, f),
                        reserved: bucket(g, h),
                        reserved_slow: bucket(i, j),
                    }
                }
            }

            #[derive(Clone, Debug, PartialEq, Encode, Decode, CborLen)]
            #[cbor($form)]
            pub struct Enrollment {
                #[cbor(n(0), with = "minicbor::bytes")]
                pub suffix: [u8; 16],
                #[n(1)]
                pub created_ms: u64,
                #[n(2)]
                pub last_used_ms: Option<u64>,
                #[n(3)]
                pub weak_until_ms: Option<u64>,
                #[n(4)]
                pub nickname: Option<String>,
                #[n(5)]
                pub failures: u32,
                #[n(6)]
                pub factor: Factor,
            }

            #[derive(Clone, Debug, PartialEq, Encode, Decode, CborLen)]
            pub enum Factor {
                #[n(0)]
                Otp(#[n(0)] Otp),
            }

            #[derive(Clone, Debug, PartialEq, Encode, Decode, CborLen)]
            #[cbor($form)]
            pub struct Otp {
                #[cbor(n(0), with = "minicbor::bytes")]
                pub seed: Vec<u8>,
                #[n(1)]
                pub algorithm: u8,
                #[n(2)]
                pub digits: u8,
                #[n(3)]
                pub moving: Moving,
            }

            #[derive(Clone, Debug, PartialEq, Encode, Decode, CborLen)]
            pub enum Moving {
                #[n(0)]
                #[cbor($form)]
                Time {
                    #[n(0)]
                    period: u32,
                    #[n(1)]
                    last_step: Option<u64>,
                },
            }

            #[derive(Clone, Debug, PartialEq, Encode, Decode, CborLen)]
            #[cbor($form)]
            pub struct Pending {
                #[n(0)]
                pub enrollment: Enrollment,
                #[cbor(n(1), with = "minicbor::bytes")]
                pub chain: [u8; 16],
                #[n(2)]
                pub expires_ms: u64,
                #[n(3)]
                pub recovery: Option<RecoverySet>,
            }

            #[derive(Clone, Debug, PartialEq, Encode, Decode, CborLen)]
            #[cbor($form)]
            pub struct RecoverySet {
                #[cbor(n(0), with = "minicbor::bytes")]
                pub suffix: [u8; 16],
                #[n(1)]
                pub created_ms: u64,
                #[n(2)]
                pub last_used_ms: Option<u64>,
                #[n(3)]
                pub codes: Vec<Code>,
            }

            #[derive(Clone, Debug, PartialEq, Encode, Decode, CborLen)]
            #[cbor($form)]
            pub struct Code {
                #[cbor(n(0), with = "minicbor::bytes")]
                pub mac: [u8; 32],
                #[n(1)]
                pub bits: u16,
            }

            #[derive(Clone, Debug, PartialEq, Encode, Decode, CborLen)]
            #[cbor($form)]
            pub struct TokenMark {
                #[cbor(n(0), with = "minicbor::bytes")]
                pub id: [u8; 16],
                #[n(1)]
                pub expires_ms: u64,
            }

            /// Little: one authenticator. Full: what the caps allow.
            pub fn record(is_full: bool) -> Record {
                let count = |full: u8| if is_full { 0..full } else { 0..0 };
                let set = || RecoverySet {
                    suffix: *b"abcdefgh01234567",
                    created_ms: NOW_MS,
                    last_used_ms: None,
                    codes: (0..32).map(|number| Code { mac: [number; 32], bits: 121 }).collect(),
                };
                let pending = |number| Pending {
                    enrollment: enrollment(number),
                    chain: [number; 16],
                    expires_ms: NOW_MS,
                    recovery: Some(set()),
                };
                Record {
                    sequence: 1_000,
                    ring: Ring((0..RING as u8).map(|number| [number; 16]).collect()),
                    reader_min: 0,
                    incarnation: [7; 16],
                    epoch: 3,
                    mac_key: [9; 32],
                    life: Life::Established { since_ms: NOW_MS },
                    seen_ms: NOW_MS,
                    buckets: $buckets::from(BUCKETS),
                    failures: 2,
                    enrollments: (0..if is_full { 5 } else { 1 }).map(enrollment).collect(),
                    pending: count(3).map(pending).collect(),
                    recovery: is_full.then(set),
                    spent: count(64)
                        .map(|number| TokenMark { id: [number; 16], expires_ms: NOW_MS })
                        .collect(),
                }
            }

            fn enrollment(number: u8) -> Enrollment {
                let moving = Moving::Time { period: 30, last_step: Some(NOW_MS / 30_000) };
                Enrollment {
                    suffix: [b'A' + number; 16],
                    created_ms: NOW_MS,
                    last_used_ms: Some(NOW_MS),
                    weak_until_ms: None,
                    nickname: None,
                    failures: 0,
                    factor: Factor::Otp(Otp { seed: vec![number; 20], algorithm: 0, digits: 6, moving }),
                }
            }
        }
    };
}

stored_types!(maps, map, Buckets);
stored_types!(arrays, array, Buckets);
stored_types!(packed, array, PackedBuckets);

fn encode<T: Encode<()> + CborLen<()>>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(minicbor::len(value));
    minicbor::encode(value, &mut bytes).expect("memory");
    bytes
}

fn main() {
    let effort = Effort::from_arguments();
    for is_full in [false, true] {
        let in_maps = maps::record(is_full);
        let in_arrays = arrays::record(is_full);
        let in_packed = packed::record(is_full);
        let layouts = ["maps", "arrays", "packed", "fixed head"];
        let encoded =
            [encode(&in_maps), encode(&in_arrays), encode(&in_packed), fixed_head::encode(&in_arrays)];
        let [map, array, pack, head] = &encoded;
        assert_eq!(minicbor::decode::<maps::Record>(map).expect("valid"), in_maps);
        assert_eq!(minicbor::decode::<arrays::Record>(array).expect("valid"), in_arrays);
        assert_eq!(minicbor::decode::<packed::Record>(pack).expect("valid"), in_packed);
        assert_eq!(fixed_head::decode(head).expect("valid"), in_arrays);
        let measured = Comparison::new()
            .add("decode maps", || minicbor::decode::<maps::Record>(black_box(map)))
            .add("decode arrays", || minicbor::decode::<arrays::Record>(black_box(array)))
            .add("decode packed", || minicbor::decode::<packed::Record>(black_box(pack)))
            .add("decode fixed head", || fixed_head::decode(black_box(head)))
            .add("encode maps", || encode(black_box(&in_maps)))
            .add("encode arrays", || encode(black_box(&in_arrays)))
            .add("encode packed", || encode(black_box(&in_packed)))
            .add("encode fixed head", || fixed_head::encode(black_box(&in_arrays)))
            .run(effort);
        println!("\n{} record", if is_full { "full" } else { "small" });
        for (layout, bytes) in layouts.iter().zip(&encoded) {
            row(&measured, layout, bytes.len());
        }
    }
}

fn row(measured: &Measured, layout: &str, bytes: usize) {
    print!("{layout:>12} {bytes:>6} bytes");
    for way in ["decode", "encode"] {
        let name = format!("{way} {layout}");
        let ratio = measured.ratio(&name, &format!("{way} arrays"));
        print!("  {way} {:>7.0} ns {ratio:>5.2} x arrays", measured.ns(&name));
    }
    println!();
}
