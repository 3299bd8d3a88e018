//! The keys of a deployment in one file: made at the first start, readable by its owner alone.

use std::fs::{File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use base64ct::{Base64, Encoding};
use mfacore::{KeyRing, SecretString};
use rsa::pkcs8::{EncodePrivateKey, LineEnding};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::StartError;
use crate::secrets::random;

const RSA_BITS: usize = 2048;

/// The file. Keys are 32 bytes in base64.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// The root key that seals; a new one goes in front of `retired` under an id of its own.
    active: RootKey,
    /// Root keys that records may still be sealed under.
    #[serde(default)]
    retired: Vec<RootKey>,
    /// Names the budgets across users. It never changes.
    naming_key: SecretString,
    /// Authenticates refresh tokens.
    refresh_key: SecretString,
    /// The RSA key that signs id tokens and access tokens, in PKCS #8 PEM.
    pub signing_key: SecretString,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RootKey {
    id: u32,
    key: SecretString,
}

impl Keys {
    /// The keys in `path`.
    ///
    /// # Errors
    /// [`StartError`]: there is no such file, others may read it, or it is not one of ours.
    pub fn load(path: &Path) -> Result<Self, StartError> {
        let metadata = path.metadata().map_err(|error| StartError::File { path: path.to_owned(), error })?;
        if metadata.mode() & 0o077 != 0 {
            return Err(StartError::content(path, "others may read the keys: chmod 600 it"));
        }
        Self::read(path)
    }

    /// The keys in `path`; made first where there is no such file.
    ///
    /// # Errors
    /// [`StartError`]: others may read the file, or it is not one of ours.
    pub fn load_or_make(path: &Path) -> Result<Self, StartError> {
        if !path.exists() {
            let keys = Self::make().map_err(|reason| StartError::content(path, reason))?;
            // Another process may be quicker: what lies there counts.
            keys.write(path).map_err(|error| StartError::File { path: path.to_owned(), error })?;
        }
        Self::load(path)
    }

    fn read(path: &Path) -> Result<Self, StartError> {
        let text = std::fs::read(path).map_err(|error| StartError::File { path: path.to_owned(), error })?;
        let text = Zeroizing::new(text);
        serde_json::from_slice(&text).map_err(|error| {
            // serde's own text quotes what it found, which may be a key.
            let (line, column) = (error.line(), error.column());
            StartError::content(path, format!("it is no file of keys: line {line}, column {column}"))
        })
    }

    fn make() -> Result<Self, String> {
        let key = rsa::PrivateKey::new(&mut rsa::rand_core::UnwrapErr(getrandom::SysRng), RSA_BITS)
            .map_err(|error| format!("no RSA key could be made: {error}"))?;
        let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|error| error.to_string())?;
        Ok(Self {
            active: RootKey { id: 1, key: new_key()? },
            retired: Vec::new(),
            naming_key: new_key()?,
            refresh_key: new_key()?,
            signing_key: pem.as_str().into(),
        })
    }

    /// Writes the whole file or nothing, and never over one that is there.
    fn write(&self, path: &Path) -> std::io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        let mut file = builder.permissions(Permissions::from_mode(0o600)).tempfile_in(folder)?;
        file.write_all(SecretString::json(self)?.expose().as_bytes())?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(path) {
            Ok(_) => File::open(folder)?.sync_all(),
            Err(failed) if failed.error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(failed) => Err(failed.error),
        }
    }

    /// The engine's key ring.
    ///
    /// # Errors
    /// What is wrong with the keys.
    pub fn ring(&self) -> Result<KeyRing, String> {
        let text = |error: mfacore::ConfigError| error.to_string();
        let mut ring = KeyRing::new(self.active.id, *decode(&self.active.key)?).map_err(text)?;
        for retired in &self.retired {
            ring = ring.with_retired(retired.id, *decode(&retired.key)?).map_err(text)?;
        }
        ring.with_naming_key(*decode(&self.naming_key)?).map_err(text)
    }

    /// What authenticates refresh tokens.
    ///
    /// # Errors
    /// It is not 32 bytes in base64.
    pub fn refresh_key(&self) -> Result<Zeroizing<[u8; 32]>, String> {
        decode(&self.refresh_key)
    }
}

/// A new key: 32 bytes from the system's generator, in base64.
///
/// # Errors
/// The generator failed.
pub fn new_key() -> Result<SecretString, String> {
    Ok(Base64::encode_string(&random::<32>()?[..]).into())
}

fn decode(text: &SecretString) -> Result<Zeroizing<[u8; 32]>, String> {
    let mut bytes = Zeroizing::new([0; 32]);
    match Base64::decode(text.expose(), &mut bytes[..]) {
        Ok(decoded) if decoded.len() == 32 => Ok(bytes),
        _ => Err("a key is not 32 bytes in base64".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_readable_by_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let made = Keys::load_or_make(&path).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(Keys::load_or_make(&path).unwrap().signing_key, made.signing_key);
        assert!(made.ring().is_ok());

        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let refused = Keys::load_or_make(&path).err().unwrap().to_string();
        assert!(refused.contains("chmod 600"), "{refused}");
    }
}
