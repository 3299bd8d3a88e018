//! Passwords as Argon2id hashes them: no more at once than there are cores, in memory that is used again.

use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use mfacore::SecretString;
use mfacore::limits::IMPORT_HASH_MEMORY_KIB_MAX;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use crate::answer::Refused;

/// Passwords that are hashed or wait for a core; more are told to come back.
const WAITING_MAX: usize = 256;
/// What one hash may cost.
const PASSES_MAX: u32 = 16;

/// Verifies passwords.
pub struct Passwords {
    waiting: Semaphore,
    hashing: Arc<Semaphore>,
    /// 19 MiB for each hash at once. Taken anew each time, the allocator of the system would keep many times as much.
    memory: Arc<Mutex<Vec<Vec<Block>>>>,
}

impl Passwords {
    /// On all cores of this machine.
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            waiting: Semaphore::new(WAITING_MAX),
            hashing: Arc::new(Semaphore::new(cores)),
            memory: Arc::default(),
        }
    }

    /// Whether `hash` is of this password.
    ///
    /// # Errors
    /// 503: too many wait.
    pub async fn verify(&self, password: SecretString, hash: String) -> Result<bool, Refused> {
        let _waiting = self.waiting.try_acquire().map_err(|_| Refused::unavailable())?;
        let permit = self.hashing.clone().acquire_owned().await.map_err(|_| Refused::unavailable())?;
        let memory = self.memory.clone();
        // The hash goes on though the client is gone, and so does its permit.
        let verified = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let kept = || memory.lock().unwrap_or_else(PoisonError::into_inner);
            let mut blocks = kept().pop().unwrap_or_default();
            let is_right = is_password(&password, &hash, &mut blocks);
            kept().push(blocks);
            is_right
        });
        verified.await.map_err(|_| Refused::internal())
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

fn is_password(password: &SecretString, hash: &str, blocks: &mut Vec<Block>) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    let (Ok(params), Some(salt), Some(output)) = (Params::try_from(&hash), &hash.salt, &hash.hash) else {
        return false;
    };
    let Ok(version) = Version::try_from(hash.version.unwrap_or(Version::default().into())) else {
        return false;
    };
    blocks.resize(params.block_count(), Block::new());
    let argon2 = Argon2::new(Algorithm::Argon2id, version, params);
    let mut own = vec![0; output.len()];
    let password = password.expose().as_bytes();
    argon2.hash_password_into_with_memory(password, salt.as_ref(), &mut own, blocks).is_ok()
        && own.ct_eq(output.as_ref()).into()
}

/// The Argon2id hash of a password, for the users file.
///
/// # Errors
/// The system's generator failed.
pub fn hash_password(password: &SecretString) -> Result<String, String> {
    let hash = Argon2::default().hash_password(password.expose().as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| format!("the password could not be hashed: {error}"))
}

/// Memory, passes and lanes of an Argon2id hash; `None` for what is none, or costs too much.
pub fn cost(hash: &str) -> Option<(u32, u32, u32)> {
    let hash = PasswordHash::new(hash).ok().filter(|hash| hash.algorithm.as_str() == "argon2id")?;
    let params = Params::try_from(&hash).ok()?;
    let is_bounded = params.m_cost() <= IMPORT_HASH_MEMORY_KIB_MAX && params.t_cost() <= PASSES_MAX;
    is_bounded.then_some((params.m_cost(), params.t_cost(), params.p_cost()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference implementation's own vectors (`argon2 somesalt -id -t 2 -m 16 -p 1`), and a hash of ours.
    #[tokio::test]
    async fn a_hash_is_of_its_password_alone() {
        let passwords = Passwords::new();
        let own = hash_password(&"password".into()).unwrap();
        let theirs = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        // In turns, so that one's memory is another's.
        for hash in [&own, theirs, &own, theirs] {
            assert!(passwords.verify("password".into(), hash.to_owned()).await.unwrap(), "{hash}");
            assert!(!passwords.verify("Password".into(), hash.to_owned()).await.unwrap());
        }
        assert!(!passwords.verify("password".into(), "password".to_owned()).await.unwrap());
    }

    #[tokio::test]
    async fn as_many_hashes_as_cores_though_clients_go_away() {
        let hash = hash_password(&"right".into()).unwrap();
        let passwords = Arc::new(Passwords::new());
        let attempt = || {
            let (passwords, hash) = (passwords.clone(), hash.clone());
            tokio::spawn(async move { passwords.verify("wrong".into(), hash).await })
        };
        let cores = passwords.hashing.available_permits();
        let all = u32::try_from(cores).unwrap();
        let blocked = passwords.hashing.clone().acquire_many_owned(all).await.unwrap();
        let attempts: Vec<_> = (0..WAITING_MAX).map(|_| attempt()).collect();
        while passwords.waiting.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(passwords.verify("right".into(), hash.clone()).await.is_err(), "too many wait");
        attempts.iter().for_each(tokio::task::JoinHandle::abort);
        for attempt in attempts {
            assert!(attempt.await.is_err(), "it was ended");
        }
        assert_eq!(passwords.waiting.available_permits(), WAITING_MAX);

        drop(blocked);
        let begun = attempt();
        while passwords.hashing.available_permits() == cores {
            tokio::task::yield_now().await;
        }
        begun.abort();
        assert!(begun.await.is_err());
        assert!(passwords.hashing.available_permits() < cores, "the hash is still at work");
        assert!(passwords.memory.lock().unwrap().is_empty());
    }
}
