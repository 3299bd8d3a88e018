//! Whose record it is: tenant and user, and the storage key that they encode to.

use std::fmt;

use crate::limits::{KEY_BYTES_MAX, TENANT_BYTES_MAX, USER_BYTES_MAX};

/// A tenant's user, and the key of the record: `u`, the tenant's length in bytes, `:`, tenant, user. No two
/// pairs share a key, and the key is text wherever tenant and user are.
#[derive(Clone, PartialEq, Eq)]
pub struct UserKey {
    key: String,
    tenant_at: usize,
    user_at: usize,
}

/// A tenant or user whose name is empty, too long, or holds a zero byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a user's id has 1 to 128 bytes, a tenant's name at most 48, and neither a zero byte")]
pub struct UserKeyError;

impl UserKey {
    /// The key of `user` of `tenant` (empty where there is only one).
    ///
    /// # Errors
    /// [`UserKeyError`] for an empty user, one that is too long, or a zero byte: a C string's final one, counted into
    /// the id, would name somebody else, who has no factor. Ids are compared byte by byte: `bob` is not `Bob`.
    pub fn new(tenant: &str, user: &str) -> Result<Self, UserKeyError> {
        if user.is_empty() || user.len() > USER_BYTES_MAX || tenant.len() > TENANT_BYTES_MAX {
            return Err(UserKeyError);
        }
        if tenant.contains('\0') || user.contains('\0') {
            return Err(UserKeyError);
        }
        let mut key = String::with_capacity(KEY_BYTES_MAX);
        key.push('u');
        key.push_str(&tenant.len().to_string());
        key.push(':');
        let tenant_at = key.len();
        key.push_str(tenant);
        let user_at = key.len();
        key.push_str(user);
        debug_assert!(key.len() <= KEY_BYTES_MAX, "the caps of tenant and user keep within it");
        Ok(Self { key, tenant_at, user_at })
    }

    /// The user behind a storage key that [`crate::store::Scan`] listed; `None` for a key of another kind.
    pub fn parse(key: &[u8]) -> Option<Self> {
        let (length, rest) = std::str::from_utf8(key).ok()?.strip_prefix('u')?.split_once(':')?;
        let (tenant, user) = rest.split_at_checked(length.parse().ok()?)?;
        Self::new(tenant, user).ok().filter(|parsed| parsed.storage_key() == key)
    }

    /// The key under which a store holds the record.
    pub fn storage_key(&self) -> &[u8] {
        self.key.as_bytes()
    }

    /// The tenant; empty where there is only one.
    pub fn tenant(&self) -> &str {
        self.key.get(self.tenant_at..self.user_at).unwrap_or_default()
    }

    /// The user's id, as the host names the user.
    pub fn user(&self) -> &str {
        self.key.get(self.user_at..).unwrap_or_default()
    }
}

impl fmt::Debug for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_pairs_share_a_key_and_keys_parse_back() {
        let pairs =
            [("", "bob"), ("", "Bob"), ("b", "ob"), ("bo", "b"), ("", "1:bob"), ("1", ":bob"), ("é", "ü")];
        let keys: Vec<UserKey> =
            pairs.iter().map(|(tenant, user)| UserKey::new(tenant, user).unwrap()).collect();
        for (index, key) in keys.iter().enumerate() {
            assert!(UserKey::parse(key.storage_key()).as_ref() == Some(key));
            assert!(keys.iter().skip(index + 1).all(|other| other.storage_key() != key.storage_key()));
        }
    }

    #[test]
    fn refuses_what_is_no_user_key() {
        assert_eq!(UserKey::new("", ""), Err(UserKeyError));
        assert_eq!(UserKey::new("", "ann\0"), Err(UserKeyError));
        assert_eq!(UserKey::new("acme\0", "ann"), Err(UserKeyError));
        assert_eq!(UserKey::new("", &"x".repeat(129)), Err(UserKeyError));
        assert_eq!(UserKey::new(&"t".repeat(49), "x"), Err(UserKeyError));
        assert!(
            UserKey::new(&"t".repeat(48), &"x".repeat(128)).unwrap().storage_key().len() <= KEY_BYTES_MAX
        );
        for bad in [&b""[..], b"u", b"u0:", b"u9:bob", b"u01:tx", b"l0:bob", b"\xff", b"u1:\xc3\xa9"] {
            assert!(UserKey::parse(bad).is_none());
        }
    }
}
