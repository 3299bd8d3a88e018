//! The random stream of one attempt: HKDF-SHA-256 (RFC 5869) over the operation's seed.

use hkdf::Hkdf;
use sha2::Sha256;

use super::frame;
use crate::error::Error;
use crate::store::Version;

/// Random bytes that depend on the seed, on what is asked and on what was loaded, and on nothing else: two
/// attempts from one loaded version are byte-identical.
pub(crate) struct Stream {
    seed: Hkdf<Sha256>,
    attempt: Vec<u8>,
    drawn: u32,
}

impl Stream {
    /// `request` is the digest of what is asked, by whom and when; `loaded` is the version that this attempt starts from.
    pub(crate) fn new(
        seed: &[u8; 32],
        storage_key: &[u8],
        loaded: Option<Version>,
        request: &[u8; 32],
    ) -> Self {
        let version = loaded.as_ref().map_or(&[][..], |version| &version.0);
        Self {
            seed: Hkdf::new(Some(b"mfacore/stream/0"), seed),
            attempt: frame(&[storage_key, version, request]),
            drawn: 0,
        }
    }

    /// The next `N` bytes.
    pub(crate) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        self.drawn = self.drawn.checked_add(1).ok_or(Error::Cap("random stream"))?;
        self.expand(b"draw", self.drawn)
    }

    /// The nonce of the record's seal, under a label of its own.
    pub(crate) fn seal_nonce(&self) -> Result<[u8; 12], Error> {
        self.expand(b"seal", 0)
    }

    /// `length` characters, each uniform over `alphabet` (ASCII, at most 255 letters).
    pub(crate) fn text(&mut self, alphabet: &[u8], length: usize) -> Result<String, Error> {
        let letters = u8::try_from(alphabet.len()).map_err(|_| Error::Cap("alphabet"))?;
        let fair = 256_u16.checked_rem(letters.into()).and_then(|rest| 256_u16.checked_sub(rest));
        let fair = fair.ok_or(Error::Cap("alphabet"))?;
        let mut text = String::with_capacity(length);
        while text.len() < length {
            for byte in self.bytes::<32>()? {
                let letter = byte.checked_rem(letters).and_then(|index| alphabet.get(usize::from(index)));
                if let Some(letter) = letter.filter(|_| u16::from(byte) < fair && text.len() < length) {
                    text.push(char::from(*letter));
                }
            }
        }
        Ok(text)
    }

    fn expand<const N: usize>(&self, label: &[u8], number: u32) -> Result<[u8; N], Error> {
        let mut out = [0; N];
        self.seed
            .expand_multi_info(&[label, &number.to_be_bytes(), &self.attempt], &mut out)
            .map_err(|_| Error::Cap("random stream"))?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(seed: u8, key: &[u8], loaded: Option<Version>, request: u8) -> [u8; 16] {
        Stream::new(&[seed; 32], key, loaded, &[request; 32]).bytes().unwrap()
    }

    #[test]
    fn every_input_changes_the_stream_and_nothing_else_does() {
        let first = stream(1, b"k", None, 1);
        assert_eq!(first, stream(1, b"k", None, 1));
        for other in [
            stream(2, b"k", None, 1),
            stream(1, b"l", None, 1),
            stream(1, b"k", Some(Version([0; 16])), 1),
            stream(1, b"k", None, 2),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn draws_differ_from_each_other_and_from_the_seal_nonce() {
        let mut stream = Stream::new(&[1; 32], b"k", None, &[0; 32]);
        let nonce = stream.seal_nonce().unwrap();
        let (first, second) = (stream.bytes::<12>().unwrap(), stream.bytes::<12>().unwrap());
        assert!(first != second && first != nonce && second != nonce);
        assert_eq!(nonce, stream.seal_nonce().unwrap());
    }

    #[test]
    fn text_is_uniform_over_its_alphabet() {
        let mut stream = Stream::new(&[1; 32], b"k", None, &[0; 32]);
        let text = stream.text(b"123456789ABCDEFGHJKLMNPQRSTUVWXYZ", 33_000).unwrap();
        let mut counts = std::collections::BTreeMap::new();
        text.chars().for_each(|letter| *counts.entry(letter).or_insert(0_u32) += 1);
        assert_eq!(counts.len(), 33);
        assert!(counts.values().all(|count| (800..1200).contains(count)), "{counts:?}");
    }
}
