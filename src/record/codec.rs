//! The plaintext of a record: CBOR (RFC 8949) with explicit field numbers, as arrays.
//!
//! Rules for whoever changes a stored type: a field number is never given to something else; a new field is optional or
//! a list; an enum is never inside an `Option`, since an unknown variant there would decode to "none"; a change that
//! an older build must not overlook raises [`FORMAT`] and [`Record::reader_min`].

use minicbor::decode::Error as DecodeError;
use minicbor::{CborLen, Decode, Decoder, Encode, Encoder};

use super::{OperationRing, Record};
use crate::error::Error;
use crate::store::Version;

/// The newest format that this build reads. 0 until the first release.
pub(crate) const FORMAT: u8 = 0;

/// Encodes a record whose invariants hold.
pub(crate) fn encode(record: &Record) -> Result<Vec<u8>, Error> {
    record.check_invariants().map_err(|_| Error::Corrupt)?;
    let mut plaintext = Vec::with_capacity(minicbor::len(record));
    minicbor::encode(record, &mut plaintext).map_err(|_| Error::Corrupt)?;
    Ok(plaintext)
}

/// Decodes a record, all of the bytes, and checks its invariants.
pub(crate) fn decode(plaintext: &[u8]) -> Result<Record, Error> {
    let mut decoder = Decoder::new(plaintext);
    let record: Record = decoder.decode().map_err(|_| Error::Corrupt)?;
    if record.reader_min > FORMAT {
        return Err(Error::NewerFormat(record.reader_min));
    }
    if decoder.position() != plaintext.len() || record.check_invariants().is_err() {
        return Err(Error::Corrupt);
    }
    Ok(record)
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
