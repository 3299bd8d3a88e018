//! Moving users in and out, and another configuration.

use base64ct::{Base64UrlUnpadded, Encoding};
use hpke::kem::X25519HkdfSha256;
use hpke::{Kem, Serializable};
use mfacore::commands::{Export, Import, ImportedFactor, ImportedOtp, ImportedValue};
use mfacore::otp::{Seed, Totp};
use mfacore::policy::{Enforcement, PhoneChannel};
use mfacore::{EventKind, FactorKind, SecretString};

use super::enroll::ids_of;
use super::model::{App, Enrollment, Means, Origin};
use super::sim::Sim;

/// What one user exported.
pub struct Package {
    text: SecretString,
    user: &'static str,
    enrollments: Vec<Enrollment>,
    codes: Vec<String>,
    origin: Origin,
}

/// The recipient's key pair of all exports.
fn recipient() -> (String, String) {
    let (secret, public) = X25519HkdfSha256::derive_keypair(&[7; 32]);
    let text = |bytes: &[u8]| Base64UrlUnpadded::encode_string(bytes);
    (text(&secret.to_bytes()), text(&public.to_bytes()))
}

impl Sim {
    /// The host brings what the user has elsewhere.
    pub fn import(&mut self, user: usize) {
        if self.chance.one_in(3) && !self.packages.is_empty() {
            return self.import_package(user);
        }
        let mut command = Import::default();
        let mut enrollments = Vec::new();
        let blank = || Enrollment { implicit: false, ..super::emails::implicit(String::new()) };
        if self.chance.percent(80) {
            let bytes: Vec<u8> = (0..20).map(|_| self.chance.next().to_be_bytes()[0]).collect();
            let seed = Seed::new(bytes).unwrap();
            let text = seed.to_base32();
            if self.chance.one_in(2) {
                let uri = format!("otpauth://totp/x:y?secret={}&issuer=x", text.expose());
                command.otp.push(ImportedOtp { uri: uri.into(), name: Some("old".to_owned()) });
            } else {
                command.mfa_factors.push(ImportedFactor::Totp { secret: text });
            }
            let app = App { seed, totp: Totp::default(), spent: None, spent_perhaps: None };
            enrollments.push(Enrollment { kind: FactorKind::Otp, means: Means::Otp(app), ..blank() });
        }
        if self.chance.one_in(3) {
            let number = self.some_number();
            command.mfa_factors.push(ImportedFactor::Phone(ImportedValue { value: number.as_str().into() }));
            let halves = self.policy(user).phone.channels.len();
            enrollments.push(Enrollment {
                kind: FactorKind::Phone,
                halves,
                means: Means::Phone(number),
                ..blank()
            });
        }
        let length = if self.chance.one_in(2) { 12 } else { 24 };
        let codes: Vec<String> = match self.chance.below(3) {
            0 => (0..3)
                .map(|_| {
                    format!("{:X}{:X}{:X}", self.chance.next() | 1 << 63, self.chance.next() | 1 << 63, 0)
                        [..length]
                        .to_owned()
                })
                .collect(),
            _ => Vec::new(),
        };
        command.recovery_codes = codes.iter().map(|code| code.as_str().into()).collect();
        self.moves.say(format!("import {user} {} enrollments {} codes", enrollments.len(), codes.len()));
        let caller = self.host(user);
        let done = self.run(user, command, caller);
        if done.result.is_ok() {
            self.imported(user, &done.events, enrollments, codes, None);
        }
        self.settle(user);
    }

    fn imported(
        &mut self,
        user: usize,
        events: &[EventKind],
        enrollments: Vec<Enrollment>,
        codes: Vec<String>,
        origin: Option<Origin>,
    ) {
        self.tally.count("imported");
        let ids = events.iter().filter_map(|event| match event {
            EventKind::EnrollmentConfirmed { authenticator } => Some(authenticator.clone()),
            _ => None,
        });
        let ids: Vec<String> = ids.collect();
        assert_eq!(ids.len(), enrollments.len(), "what was imported is not what was brought");
        let known = &mut self.users[user];
        if !codes.is_empty() {
            // The host may bring back what was used since it was exported.
            known.used_codes.retain(|used| !codes.contains(used));
            known.shown.clear();
            match origin {
                Some(origin) => known.take_recovery(codes.clone(), origin),
                None => known.set_recovery(codes.clone()),
            }
            known.used_codes.retain(|used| !codes.contains(used));
        }
        // Authenticators of a package keep their ids, and come in the order in which they were confirmed.
        let mut enrollments = enrollments;
        for id in ids {
            let known_at = enrollments.iter().position(|e| e.has_id(&id));
            let at = known_at.or_else(|| enrollments.iter().position(|e| e.ids.is_empty()));
            let mut enrollment = enrollments.remove(at.expect("what was imported was brought"));
            if !enrollment.has_id(&id) {
                enrollment.ids = ids_of(id, enrollment.halves);
            }
            known.enrollments.push(enrollment);
        }
        if known.unsure {
            return self.lost(user);
        }
        if !known.established {
            known.establish(None);
        }
    }

    pub fn export(&mut self, user: usize) {
        let (_, public) = recipient();
        self.moves.say(format!("export {user}"));
        let caller = self.host(user);
        let done = self.run(user, Export { recipient: public }, caller);
        let known = &self.users[user];
        let is_sure = !known.unsure && !known.recovery.others && known.enrollments.iter().all(|e| e.sure);
        if let Ok(exported) = done.result
            && is_sure
        {
            assert!(known.established, "exported a user who has nothing");
            if known.enrolled().next().is_none() {
                return self.settle(user);
            }
            let copies = |e: &Enrollment| Enrollment { sure: true, ..e.clone() };
            self.packages.push(Package {
                text: exported.package,
                user: known.name,
                enrollments: known.enrolled().map(|(_, e)| copies(e)).collect(),
                codes: known.recovery.codes.iter().map(|(code, _)| code.clone()).collect(),
                origin: known.recovery.origin,
            });
            if self.packages.len() > 4 {
                self.packages.remove(0);
            }
        }
        self.settle(user);
    }

    fn import_package(&mut self, user: usize) {
        let at = self.chance.index(self.packages.len());
        let (secret, _) = recipient();
        let package = &self.packages[at];
        let named = package.user == self.users[user].name || self.chance.percent(70);
        let command = Import {
            package: Some(package.text.clone()),
            recipient_key: Some(secret.into()),
            package_user: Some(package.user.to_owned()).filter(|_| named),
            ..Import::default()
        };
        let (mut enrollments, codes) = (package.enrollments.clone(), package.codes.clone());
        let origin = package.origin;
        for enrollment in &mut enrollments {
            if let Means::Push { ticket, .. } = &mut enrollment.means {
                *ticket = None;
            }
        }
        self.moves.say(format!("import package {at} for {user}, {} enrollments", enrollments.len()));
        let caller = self.host(user);
        let done = self.run(user, command, caller);
        if done.result.is_ok() {
            assert!(named, "a package of another user");
            self.tally.count("packages imported");
            let bare = codes.is_empty();
            self.imported(user, &done.events, enrollments, codes, Some(origin));
            if bare {
                // Whether an empty set replaced the codes is unknown.
                self.lost(user);
            }
        }
        self.settle(user);
    }

    /// Another configuration: a factor is switched off, or on again.
    pub fn switch(&mut self) {
        let tenant = self.chance.index(self.policies.len());
        let mut policy = self.policies[tenant].clone();
        let kinds = [
            FactorKind::Otp,
            FactorKind::Phone,
            FactorKind::PushNotification,
            FactorKind::Email,
            FactorKind::RecoveryCode,
        ];
        policy.factors = kinds.into_iter().filter(|_| !self.chance.one_in(5)).collect();
        policy.phone.channels = match self.chance.below(4) {
            0 => [PhoneChannel::Sms].into(),
            _ => [PhoneChannel::Sms, PhoneChannel::Voice].into(),
        };
        if self.chance.one_in(6) {
            policy.enforcement = match policy.enforcement {
                Enforcement::Always => Enforcement::WhenEnrolled,
                Enforcement::WhenEnrolled => Enforcement::Always,
            };
        }
        if policy.validate().is_ok() {
            self.moves
                .say(format!("tenant {tenant} switches to {:?} {:?}", policy.factors, policy.phone.channels));
            self.set_policy(tenant, policy);
        }
    }
}
