//! A user who has enrolled every kind of authenticator.

use mfacore::commands::{Associate, PushDeviceEnrolled, Require, RequireReply};
use mfacore::store::{Loaded, Memory, Scan, Store};
use mfacore::{Caller, Policy, Scopes, SecretString};
use mfacore_conformance::device::{KeyKind, PushDevice};

use super::oob::{ADDRESS, NUMBER, every_factor};
use super::{Phone, World, bearer, granted};

/// Who takes an export: the public key of the reference vector of RFC 9180.
pub const RECIPIENT: &str = "Qw9LmFlmUUWmsbonQCRIe9ZvA6LdV313U8aNfX0AwAw";
/// Its secret key.
pub const RECIPIENT_KEY: &str = "SXtFAmZM_qXVrws5k02sciQqdPhIBFHhrufWpTMgMz0";

/// `ann`, with an app, a telephone, an address, a device and a recovery code, enrolled in this order.
pub struct Everything<S = std::sync::Arc<Memory>> {
    pub world: World<S>,
    pub app: Phone,
    pub device: PushDevice,
    pub enrolled: PushDeviceEnrolled,
    /// What enrolled all but the app: every scope, earned by the app.
    pub access: SecretString,
}

/// Under [`every_factor`].
pub fn everything() -> Everything {
    everything_under(every_factor())
}

pub fn everything_under(policy: Policy) -> Everything {
    everything_on(World::with_policy(policy))
}

pub fn everything_on<S: Store>(world: World<S>) -> Everything<S> {
    let app = world.enroll("ann");
    let access = world.access("ann", &app).access_token;
    for command in [Associate::sms(NUMBER), Associate::email(ADDRESS)] {
        let _ = world.add_oob(command, &access);
    }
    let device = PushDevice::new(KeyKind::Ed25519, 1);
    let (enrolled, _) = world.add_push(&device, &access);
    Everything { world, app, device, enrolled, access }
}

impl<S: Store> Everything<S> {
    /// The id of the first authenticator of a kind, as ids spell it: `sms`, `push`, `totp`.
    pub fn id(&self, kind: &str) -> String {
        let ids = self.world.ids("ann");
        let of_kind = |id: &&String| id.split_once('|').is_some_and(|(prefix, _)| prefix == kind);
        ids.iter().find(of_kind).unwrap_or_else(|| panic!("no {kind} in {ids:?}")).clone()
    }

    /// The `mfa_token` after a first factor.
    pub fn token(&self) -> SecretString {
        self.world.require("ann")
    }

    /// The device token of a browser that a login with the app made a trusted one.
    pub fn trusted_browser(&self) -> SecretString {
        let (token, _) = self.world.require_as(Caller::host("ann").trust_browser());
        let reply = self.world.run(self.app.otp(self.world.now_ms()), bearer(&token)).unwrap();
        self.world.pass_ms(30_000);
        granted(reply).device_token.unwrap()
    }

    /// The `mfa_token` of a login from a trusted browser that a second factor is demanded of.
    pub fn reserved_token(&self, device_token: &SecretString) -> SecretString {
        let require = Require { device_token: Some(device_token.clone()) };
        let asks = Caller::host("ann").mfa_audience(Scopes::ALL);
        match self.world.run(require, asks).unwrap() {
            RequireReply::Required(required) => required.mfa_token,
            other => panic!("no challenge: {other:?}"),
        }
    }
}

/// Every key of a store with what lies under it: users and limiters.
pub fn dump(store: &Memory) -> Vec<(Vec<u8>, Loaded)> {
    let keys = store.scan(None, usize::MAX).unwrap();
    keys.into_iter()
        .map(|key| {
            let loaded = Store::load(store, &key).unwrap().unwrap();
            (key, loaded)
        })
        .collect()
}
