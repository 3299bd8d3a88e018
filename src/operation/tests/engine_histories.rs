//! Every history of faults, to a bound, of two logins that race one code.

use super::model::{Ended, States, explore};
use crate::caller::{Caller, Subject};
use crate::commands::{Command, Import, ImportedOtp, Require, RequireReply, VerifyOtp, VerifyRecoveryCode};
use crate::crypto::keys::KeyRing;
use crate::crypto::secret::SecretString;
use crate::engine::Engine;
use crate::error::Error;
use crate::operation::{Operation, Want};
use crate::otp::{Seed, Totp};
use crate::policy::Policy;
use crate::record::{Record, seal};
use crate::reply::{Outcome, Refusal, Reply, VerifyReply};
use crate::store::{Loaded, New, Swapped};
use crate::user_key::UserKey;

/// 2026-01-01, milliseconds since 1970.
const NOW_MS: u64 = 1_767_225_600_000;
const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const RECOVERY_CODE: &str = "ABCDEFGHJKLMNPQRSTUVWXYZ";

/// A user with an authenticator and a recovery code, and the tokens of two logins.
struct Race {
    engine: Engine,
    keys: KeyRing,
    user: UserKey,
    states: States,
    tokens: [SecretString; 2],
}

impl Race {
    fn new() -> Self {
        let keys = || KeyRing::new(1, std::array::from_fn(|at| u8::try_from(at).unwrap())).unwrap();
        let engine = Engine::new(keys(), Policy::recommended()).unwrap();
        let user = UserKey::new("", "ann").unwrap();
        let mut stored = None;
        let uri = format!("otpauth://totp/mfacore:ann?secret={SECRET}&issuer=mfacore");
        let import = Import {
            otp: vec![ImportedOtp { uri: uri.into(), name: None }],
            recovery_codes: vec![RECOVERY_CODE.into()],
            ..Import::default()
        };
        run(engine.operation(import, Caller::host("ann"), NOW_MS, [1; 32]), &mut stored);
        let tokens = [2, 3].map(|number| {
            let require = engine.operation(Require::default(), Caller::host("ann"), NOW_MS, [number; 32]);
            match run(require, &mut stored) {
                RequireReply::Required(required) => required.mfa_token,
                RequireReply::NotRequired(_) | RequireReply::Enroll(_) => panic!("the user has a factor"),
            }
        });
        let states = [(user.storage_key().to_vec(), vec![stored])].into();
        Self { engine, keys: keys(), user, states, tokens }
    }

    fn record(&self, loaded: &Loaded) -> Record {
        seal::open(&self.keys, &self.user, loaded).unwrap().record
    }

    fn walk<C: Command<Reply = VerifyReply> + Clone>(&self, faults: usize, command: &C) -> u64 {
        let operation = |number: u8| {
            let token = self.tokens[usize::from(number)].clone();
            let caller = Caller::token(token, Subject::FromToken);
            self.engine.operation(command.clone(), caller, NOW_MS, [10 + number; 32])
        };
        explore(faults, || (self.states.clone(), [operation(0), operation(1)]), |ended| self.check(&ended))
    }

    fn check(&self, ended: &Ended<VerifyReply>) {
        let mut successes = 0;
        let mut errors = 0;
        for (client, finished) in ended.finished.iter().enumerate() {
            let landed = ended.landed_by(client, self.user.storage_key()).len();
            assert!(landed <= 1, "applied twice");
            match &finished.result {
                Ok(reply) => {
                    assert_eq!(reply.outcome(), Outcome::Granted);
                    assert_eq!(landed, 1, "a login that was not written");
                    successes += 1;
                }
                Err(Refusal::Denied(denial)) => assert_eq!(landed, usize::from(denial.counted)),
                Err(Refusal::Error(error)) => {
                    assert!(landed == 0 || !matches!(error, Error::Busy), "written, and said not to be");
                    errors += 1;
                }
            }
        }
        assert!(successes <= 1, "one code, two logins");
        assert!(successes == 1 || errors > 0, "one code, no login");

        let states = &ended.states[self.user.storage_key()];
        let records = states.iter().map(|state| self.record(state.as_ref().unwrap()));
        let sequences: Vec<u64> = records.map(|record| record.sequence).collect();
        assert!(sequences.windows(2).all(|pair| pair[1] == pair[0] + 1), "{sequences:?}");
        let last = self.record(states.last().unwrap().as_ref().unwrap());
        last.check_invariants().unwrap();
        assert!(last.spent.len() <= 1, "one code used up two tokens");
        assert!(last.spent.len() >= successes);
    }
}

/// Runs an operation to its end on a store without faults.
fn run<R: std::fmt::Debug>(mut operation: Operation<R>, stored: &mut Option<Loaded>) -> R {
    loop {
        match operation.want() {
            Want::Load { .. } => operation.loaded(Ok(stored.clone())),
            Want::Swap { write, .. } => {
                *stored = match write.new {
                    New::Record { version, bytes } => Some(Loaded { version, bytes: bytes.to_vec() }),
                    New::Delete => None,
                };
                operation.swapped(Ok(Swapped::Committed));
            }
            Want::Done => return operation.finish().result.unwrap(),
        }
    }
}

#[test]
fn all_histories_of_two_logins_with_one_time_password() {
    let (totp, seed) = (Totp::default(), Seed::from_base32(SECRET).unwrap());
    let otp = totp.generate(&seed, totp.step(NOW_MS)).to_text();
    let histories = Race::new().walk(1, &VerifyOtp { otp, authenticator_id: None });
    println!("{histories} histories of one one-time password");
    assert!(histories > 100);
}

#[test]
fn all_histories_of_two_logins_with_one_recovery_code() {
    let histories = Race::new().walk(1, &VerifyRecoveryCode { recovery_code: RECOVERY_CODE.into() });
    println!("{histories} histories of one recovery code");
    assert!(histories > 100);
}
