//! Password hashes of imported recovery codes: PHC strings of Argon2, scrypt and PBKDF2 within the caps of
//! `limits.rs`.

use minicbor::{CborLen, Decode, Decoder, Encode};
use phc::{Output, PasswordHash};

use crate::limits::{IMPORT_HASH_CHARS_MAX, IMPORT_HASH_ITERATIONS_MAX, IMPORT_HASH_MEMORY_KIB_MAX};

/// Algorithm, parameters and salt of a PHC string, without the hash: what several codes must share. Behind the
/// length of the hash and a colon; checked again when it is decoded, since a login computes what it says.
#[derive(Clone, PartialEq, Eq, Encode, CborLen)]
#[cbor(transparent)]
pub(crate) struct HashTemplate(#[n(0)] String);

impl<'b, C> Decode<'b, C> for HashTemplate {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let position = d.position();
        let text = d.str()?;
        match parts(text) {
            Some(_) if text.len() <= IMPORT_HASH_CHARS_MAX => Ok(Self(text.to_owned())),
            _ => Err(minicbor::decode::Error::custom(ImportedHashError::Parameters).at(position)),
        }
    }
}

/// What a template says: how to compute a hash, with what salt, and how long it is.
fn parts(template: &str) -> Option<(Kdf, PasswordHash, usize)> {
    let (length, text) = template.split_once(':')?;
    let length =
        length.parse().ok().filter(|length| (Output::MIN_LENGTH..=Output::MAX_LENGTH).contains(length))?;
    let parsed =
        PasswordHash::new(text).ok().filter(|parsed| parsed.salt.is_some() && parsed.hash.is_none())?;
    Some((Kdf::of(&parsed, length).ok()?, parsed, length))
}

/// Why a hash cannot be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ImportedHashError {
    /// Not a PHC string with salt and hash.
    #[error("recovery_code_hashes holds a text that is no PHC string with salt and hash")]
    Malformed,
    /// An algorithm that this build cannot compute.
    #[error("recovery_code_hashes may be argon2id, argon2i, argon2d, scrypt, pbkdf2-sha256 or pbkdf2-sha512")]
    Algorithm,
    /// Parameters that are invalid, or so large that a login would cost too much.
    #[error(
        "recovery_code_hashes has parameters that are invalid or above the caps for memory and iterations"
    )]
    Parameters,
}

impl HashTemplate {
    /// Splits a PHC string into what all codes must share and the hash of this one.
    ///
    /// # Errors
    /// [`ImportedHashError`] for what could not be verified later.
    pub(crate) fn split(text: &str) -> Result<(Self, Vec<u8>), ImportedHashError> {
        if text.len() > IMPORT_HASH_CHARS_MAX {
            return Err(ImportedHashError::Malformed);
        }
        let mut parsed = PasswordHash::new(text).map_err(|_| ImportedHashError::Malformed)?;
        let hash = parsed.hash.take().ok_or(ImportedHashError::Malformed)?;
        parsed.salt.as_ref().ok_or(ImportedHashError::Malformed)?;
        Kdf::of(&parsed, hash.as_ref().len())?;
        // The length of the output is a parameter as well: it stands behind the template.
        Ok((Self(format!("{}:{parsed}", hash.as_ref().len())), hash.as_ref().to_vec()))
    }

    /// The slow hash of a typed code; `None` only for a template that [`HashTemplate::split`] did not make.
    pub(crate) fn hash(&self, typed: &[u8]) -> Option<Vec<u8>> {
        let (kdf, parsed, length) = parts(&self.0)?;
        let salt = parsed.salt.as_ref()?;
        let mut out = vec![0; length];
        kdf.derive(typed, salt.as_ref(), &mut out)?;
        Some(out)
    }
}

enum Kdf {
    Argon2(argon2::Argon2<'static>),
    Scrypt(scrypt::Params),
    Pbkdf2Sha256(u32),
    Pbkdf2Sha512(u32),
}

impl Kdf {
    fn of(parsed: &PasswordHash, length: usize) -> Result<Self, ImportedHashError> {
        let number = |name: &str| parsed.params.get_decimal(name);
        let required = |name: &str| number(name).ok_or(ImportedHashError::Parameters);
        match parsed.algorithm.as_str() {
            name @ ("argon2id" | "argon2i" | "argon2d") => {
                let algorithm =
                    name.parse::<argon2::Algorithm>().map_err(|_| ImportedHashError::Algorithm)?;
                let version = argon2::Version::try_from(parsed.version.unwrap_or(0x13))
                    .map_err(|_| ImportedHashError::Parameters)?;
                let (memory, passes, lanes) = (required("m")?, required("t")?, required("p")?);
                let work = u64::from(memory).saturating_mul(passes.into());
                if memory > IMPORT_HASH_MEMORY_KIB_MAX
                    || work > u64::from(IMPORT_HASH_MEMORY_KIB_MAX).saturating_mul(4)
                {
                    return Err(ImportedHashError::Parameters);
                }
                let params = argon2::Params::new(memory, passes, lanes, Some(length));
                let params = params.map_err(|_| ImportedHashError::Parameters)?;
                Ok(Kdf::Argon2(argon2::Argon2::new(algorithm, version, params)))
            }
            "scrypt" => {
                let (log_n, r, p) = (required("ln")?, required("r")?, required("p")?);
                let log_n = u8::try_from(log_n).map_err(|_| ImportedHashError::Parameters)?;
                let blocks = 1_u64.checked_shl(log_n.into()).ok_or(ImportedHashError::Parameters)?;
                let kib = blocks
                    .saturating_mul(r.into())
                    .saturating_mul(p.into())
                    .checked_div(8)
                    .unwrap_or(u64::MAX);
                if log_n > 40 || kib > u64::from(IMPORT_HASH_MEMORY_KIB_MAX) {
                    return Err(ImportedHashError::Parameters);
                }
                Ok(Kdf::Scrypt(scrypt::Params::new(log_n, r, p).map_err(|_| ImportedHashError::Parameters)?))
            }
            name @ ("pbkdf2-sha256" | "pbkdf2-sha512") => {
                let rounds = required("i")?;
                if rounds == 0 || rounds > IMPORT_HASH_ITERATIONS_MAX {
                    return Err(ImportedHashError::Parameters);
                }
                Ok(if name == "pbkdf2-sha256" {
                    Kdf::Pbkdf2Sha256(rounds)
                } else {
                    Kdf::Pbkdf2Sha512(rounds)
                })
            }
            _ => Err(ImportedHashError::Algorithm),
        }
    }

    fn derive(&self, typed: &[u8], salt: &[u8], out: &mut [u8]) -> Option<()> {
        match self {
            Kdf::Argon2(argon2) => argon2.hash_password_into(typed, salt, out).ok(),
            Kdf::Scrypt(params) => scrypt::scrypt(typed, salt, params, out).ok(),
            Kdf::Pbkdf2Sha256(rounds) => {
                pbkdf2::pbkdf2_hmac::<sha2::Sha256>(typed, salt, *rounds, out);
                Some(())
            }
            Kdf::Pbkdf2Sha512(rounds) => {
                pbkdf2::pbkdf2_hmac::<sha2::Sha512>(typed, salt, *rounds, out);
                Some(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Imported codes are hashed as the other system stored them; the salt here is base64 of `saltsaltsalt`.
    const SALT: &str = "c2FsdHNhbHRzYWx0";

    #[test]
    fn computes_what_it_took_apart() {
        for parameters in [
            format!("$argon2id$v=19$m=64,t=1,p=1${SALT}"),
            format!("$scrypt$ln=4,r=8,p=1${SALT}"),
            format!("$pbkdf2-sha256$i=1000${SALT}"),
            format!("$pbkdf2-sha512$i=1000${SALT}"),
        ] {
            let template = HashTemplate(format!("32:{parameters}"));
            let hash = template.hash(b"CODE1").unwrap();
            let text = format!("{parameters}${}", phc::Output::new(&hash).unwrap());
            let (again, split) = HashTemplate::split(&text).unwrap();
            assert!(again == template && split == hash, "{text}");
            assert_ne!(again.hash(b"CODE2").unwrap(), hash);
        }
    }

    /// A package of another host may hold any template, and a login would reserve what it asks for.
    #[test]
    fn a_template_is_checked_when_it_is_decoded() {
        let decode = |text: &str| minicbor::decode::<HashTemplate>(&minicbor::to_vec(text).unwrap());
        let good = format!("32:$pbkdf2-sha256$i=1000${SALT}");
        assert!(decode(&good).unwrap() == HashTemplate(good.clone()));
        for bad in [
            good.replace("32:", "99999999999999:"),
            good.replace("32:", "18446744073709551615:"),
            good.replace("32:", "65:"),
            good.replace("32:", "9:"),
            good.replace("32:", ""),
            good.replace("i=1000", "i=4000000000"),
            good.replace(SALT, ""),
            format!("{good}$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            format!("32:$argon2id$v=19$m=4000000,t=1,p=1${SALT}"),
            good.replace("i=", &format!("i={}", "0".repeat(IMPORT_HASH_CHARS_MAX))),
        ] {
            assert!(decode(&bad).is_err(), "{bad}");
            assert!(HashTemplate(bad.clone()).hash(b"CODE1").is_none() || bad.len() > IMPORT_HASH_CHARS_MAX);
        }
    }

    #[test]
    fn refuses_what_could_not_be_verified() {
        let hash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for (text, error) in [
            ("".to_owned(), ImportedHashError::Malformed),
            ("$2b$10$abcdefghijklmnopqrstuv".to_owned(), ImportedHashError::Malformed),
            (format!("$argon2id$v=19$m=64,t=1,p=1${SALT}"), ImportedHashError::Malformed),
            (format!("$unknown$i=1${SALT}${hash}"), ImportedHashError::Algorithm),
            (format!("$pbkdf2-sha256$i=4000000000${SALT}${hash}"), ImportedHashError::Parameters),
            (format!("$pbkdf2-sha256${SALT}${hash}"), ImportedHashError::Parameters),
            (format!("$argon2id$v=19$m=4000000,t=1,p=1${SALT}${hash}"), ImportedHashError::Parameters),
            (format!("$scrypt$ln=30,r=8,p=1${SALT}${hash}"), ImportedHashError::Parameters),
        ] {
            assert_eq!(HashTemplate::split(&text).err(), Some(error), "{text}");
        }
    }
}
