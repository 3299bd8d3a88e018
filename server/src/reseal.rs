//! Brings every record under the active key, so that a retired one may go.

use mfacore::commands::Reseal;
use mfacore::drivers::blocking::Mfa;
use mfacore::store::Scan;
use mfacore::{Caller, Engine, Refusal};
use mfacore_sqlite::Sqlite;

use crate::error::StartError;
use crate::issuer::Issuer;
use crate::keys::Keys;
use crate::options::Serve;
use crate::policy::policy;

/// Records looked at together.
const PAGE: usize = 1_000;

/// What a sweep did.
#[derive(Debug, Default)]
pub struct Swept {
    /// Users whose records are under the active key now.
    pub users: usize,
    /// Users whose records could not be read or written: keep the retired keys.
    pub failed: usize,
    /// Why the first of those could not.
    pub reason: Option<Refusal>,
}

/// Sweeps the store of a server, which may be running.
///
/// # Errors
/// [`StartError`]: keys, policy or store are not to be had, or the store failed.
pub fn reseal(options: &Serve) -> Result<Swept, StartError> {
    let issuer = Issuer::parse(options.issuer.as_deref().unwrap_or("http://127.0.0.1/"));
    let issuer = issuer.map_err(|reason| StartError::setting("issuer", reason))?;
    let keys =
        Keys::load(&options.keys)?.ring().map_err(|reason| StartError::content(&options.keys, reason))?;
    let policy = policy(&options.policy, &issuer)?;
    let engine = Engine::new(keys, policy).map_err(|error| StartError::setting("policy", error))?;
    let store = Sqlite::open(&options.store).map_err(|error| StartError::setting("store", error))?;
    let mfa = Mfa::new(engine, store);
    let (mut swept, mut after) = (Swept::default(), None::<Vec<u8>>);
    loop {
        let page = mfa.store().scan(after.as_deref(), PAGE);
        let page = page.map_err(|error| StartError::setting("store", error.source()))?;
        for user in page.iter().filter_map(|key| mfa.engine().user_of(key)) {
            match mfa.run(Reseal {}, Caller::host(user)).result {
                Ok(_) => swept.users += 1,
                Err(refusal) => {
                    swept.failed += 1;
                    swept.reason.get_or_insert(refusal);
                }
            }
        }
        match page.last() {
            Some(last) => after = Some(last.clone()),
            None if after.is_none() => {
                return Err(StartError::setting("store", "it holds no record: is it the right one?"));
            }
            None => return Ok(swept),
        }
    }
}
