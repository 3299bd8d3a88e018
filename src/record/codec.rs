//! The plaintext of a record: CBOR (RFC 8949) with explicit field numbers, as arrays, the ring and the
//! buckets packed.
//!
//! `benches/layout` chose it: arrays are smaller and faster than maps, and once ring and buckets are packed a fixed head
//! for what a verification touches gains nothing that would be worth a second format.
//!
//! Rules for whoever changes a stored type: a field number is never given to something else; a new field is
//! optional or a list; an enum is never inside an `Option`, however deep, but through [`known_variant`],
//! since an unknown variant there would decode to "none"; a change that an older build must not overlook
//! raises [`FORMAT`] and [`Record::reader_min`].

use minicbor::decode::Error as DecodeError;
use minicbor::{CborLen, Decode, Decoder, Encode, Encoder};

use super::budget::{Bucket, Buckets};
use super::{OperationRing, Record};
use crate::crypto::secret::SecretBytes;
use crate::error::Error;
use crate::store::Version;

/// The newest format that this build reads. 0 until the first release.
pub(crate) const FORMAT: u8 = 0;

/// Encodes a record whose invariants hold.
pub(crate) fn encode(record: &Record) -> Result<SecretBytes, Error> {
    record.check_invariants().map_err(|_| Error::Corrupt)?;
    let mut plaintext = Vec::with_capacity(minicbor::len(record));
    minicbor::encode(record, &mut plaintext).map_err(|_| Error::Corrupt)?;
    Ok(SecretBytes::new(plaintext))
}

/// Decodes a record, all of the bytes, and checks its invariants.
pub(crate) fn decode(plaintext: &[u8]) -> Result<Record, Error> {
    let record: Record = decode_all(plaintext)?;
    record.check_invariants().map_err(|_| Error::Corrupt)?;
    Ok(record)
}

/// Decodes all of the bytes of what names its oldest reader in its third field.
pub(crate) fn decode_all<'b, T: Decode<'b, ()>>(plaintext: &'b [u8]) -> Result<T, Error> {
    // First of all, since what only a newer build knows would else look like damage.
    match reader_min(plaintext) {
        Ok(needed) if needed > FORMAT => return Err(Error::NewerFormat(needed)),
        Ok(_) => {}
        Err(_) => return Err(Error::Corrupt),
    }
    let mut decoder = Decoder::new(plaintext);
    let decoded = decoder.decode().map_err(|_| Error::Corrupt)?;
    if decoder.position() != plaintext.len() {
        return Err(Error::Corrupt);
    }
    Ok(decoded)
}

/// [`Record::reader_min`], the third field.
fn reader_min(plaintext: &[u8]) -> Result<u8, DecodeError> {
    let mut decoder = Decoder::new(plaintext);
    decoder.array()?;
    decoder.skip()?;
    decoder.skip()?;
    decoder.u8()
}

/// Decodes an enum that stands inside an `Option`, where `minicbor` takes an unknown variant for "none".
pub(super) fn known_variant<'b, C, T: Decode<'b, C>>(
    d: &mut Decoder<'b>,
    ctx: &mut C,
) -> Result<T, DecodeError> {
    let position = d.position();
    T::decode(d, ctx).map_err(|error| {
        if error.is_unknown_variant() { DecodeError::message("unknown variant").at(position) } else { error }
    })
}

/// The buckets are one byte string, 16 bytes a bucket: all of them are rewritten by every wrong code.
impl<C> Encode<C> for Buckets {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        let mut buckets = *self;
        let packed = buckets.all_mut().map(|bucket| bucket.to_bytes());
        e.bytes(packed.as_flattened().as_flattened())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Buckets {
    /// A bucket that an older build did not know of is full.
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let mut buckets = Self::default();
        let (numbers, cut) = d.bytes()?.as_chunks::<8>();
        let (stored, odd) = numbers.as_chunks::<2>();
        let known = buckets.all_mut();
        if !cut.is_empty() || !odd.is_empty() || stored.len() > known.len() {
            return Err(DecodeError::message("not the buckets of this format"));
        }
        known.into_iter().zip(stored).for_each(|(bucket, stored)| *bucket = Bucket::from_bytes(*stored));
        Ok(buckets)
    }
}

impl<C> CborLen<C> for Buckets {
    fn cbor_len(&self, ctx: &mut C) -> usize {
        let bytes = size_of::<Self>();
        bytes.cbor_len(ctx).saturating_add(bytes)
    }
}

/// One bucket alone is stored as it is among [`Buckets`].
impl<C> Encode<C> for Bucket {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(self.to_bytes().as_flattened())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Bucket {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        match d.bytes()?.as_chunks::<8>() {
            ([owed, stamp], []) => Ok(Self::from_bytes([*owed, *stamp])),
            _ => Err(DecodeError::message("not a bucket of this format")),
        }
    }
}

impl<C> CborLen<C> for Bucket {
    fn cbor_len(&self, ctx: &mut C) -> usize {
        let bytes = size_of::<Self>();
        bytes.cbor_len(ctx).saturating_add(bytes)
    }
}

/// The ring is one byte string, 16 bytes an id: it is most of a small record and is rewritten at every login.
impl<C> Encode<C> for OperationRing {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        let mut packed = Vec::with_capacity(self.entries().len().saturating_mul(size_of::<Version>()));
        self.entries().iter().for_each(|id| packed.extend_from_slice(&id.0));
        e.bytes(&packed)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for OperationRing {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let (ids, rest) = d.bytes()?.as_chunks::<16>();
        if !rest.is_empty() {
            return Err(DecodeError::message("an operation id is cut"));
        }
        Ok(Self::from_entries(ids.iter().map(|id| Version(*id)).collect()))
    }
}

impl<C> CborLen<C> for OperationRing {
    fn cbor_len(&self, ctx: &mut C) -> usize {
        let bytes = self.entries().len().saturating_mul(size_of::<Version>());
        bytes.cbor_len(ctx).saturating_add(bytes)
    }
}

#[cfg(test)]
mod tests;
