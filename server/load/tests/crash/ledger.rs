//! What one user was told, and so what must hold of them after a crash.

use std::collections::VecDeque;

use mfacore_server_load::application::{Application, Audience};
use mfacore_server_load::authenticator::Authenticator;
use mfacore_server_load::connection::{Answer, Lost};

/// Codes that a user has at once: those of the last steps, which the policy of this test all accepts.
const CODES: u64 = 7;
/// One-time passwords that are passed between two crashes, so that there are some in each.
const CODES_PER_LIFE: usize = 2;

/// A code as the user types it.
#[derive(Clone, Debug)]
pub enum TypedCode {
    OneTimePassword(String),
    RecoveryCode(String),
}

/// A code that was sent, while its answer is not there: it was accepted, or it was not.
#[derive(Clone, Debug)]
pub struct Attempt {
    mfa_token: String,
    code: TypedCode,
}

/// What an attempt turned out to have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It had been written before the crash.
    Written,
    /// It had not: it came about afterwards.
    NotWritten,
}

/// How far a user got, by the answers that arrived.
#[derive(Debug)]
enum Stage {
    New,
    /// An enrollment is pending under this token.
    Associated {
        mfa_token: String,
    },
    Enrolled,
}

/// What one user was told.
#[derive(Debug)]
pub struct Ledger {
    pub name: String,
    stage: Stage,
    /// One-time passwords that were not sent yet, oldest first.
    codes: VecDeque<String>,
    recovery_code: String,
    accepted_codes: Vec<String>,
    accepted_recovery_codes: Vec<String>,
    in_doubt: Option<Attempt>,
    /// A refresh token, which ends with the server's port.
    session: Option<String>,
    codes_in_life: usize,
}

impl Ledger {
    pub fn new(name: String) -> Self {
        Self {
            name,
            stage: Stage::New,
            codes: VecDeque::new(),
            recovery_code: String::new(),
            accepted_codes: Vec::new(),
            accepted_recovery_codes: Vec::new(),
            in_doubt: None,
            session: None,
            codes_in_life: 0,
        }
    }

    /// Whether nothing was begun, as far as the answers tell.
    pub fn is_new(&self) -> bool {
        matches!(self.stage, Stage::New)
    }

    pub fn is_enrolled(&self) -> bool {
        matches!(self.stage, Stage::Enrolled)
    }

    /// Whether an enrollment was begun and not confirmed.
    pub fn is_pending(&self) -> bool {
        matches!(self.stage, Stage::Associated { .. })
    }

    pub fn recovery_code(&self) -> &str {
        &self.recovery_code
    }

    /// Every code that an answer accepted.
    pub fn accepted(&self) -> impl Iterator<Item = TypedCode> {
        let codes = self.accepted_codes.iter().cloned().map(TypedCode::OneTimePassword);
        codes.chain(self.accepted_recovery_codes.iter().cloned().map(TypedCode::RecoveryCode))
    }

    /// Goes one step: begins to enroll, confirms it, or logs in.
    pub async fn go_on(&mut self, application: &mut Application) -> Result<(), Lost> {
        match &self.stage {
            Stage::New => self.associate(application).await,
            Stage::Associated { mfa_token } => {
                let mfa_token = mfa_token.clone();
                self.pass(application, mfa_token, TypedCode::OneTimePassword(self.codes[0].clone())).await
            }
            Stage::Enrolled => {
                let mfa_token = self.first_factor(application).await?;
                let code = match self.codes.front() {
                    Some(code) if self.codes_in_life < CODES_PER_LIFE => {
                        TypedCode::OneTimePassword(code.clone())
                    }
                    _ => TypedCode::RecoveryCode(self.recovery_code.clone()),
                };
                self.pass(application, mfa_token, code).await
            }
        }
    }

    /// Another server has begun. Sends again what is in doubt: the engine tells whoever repeats a call what came of it.
    pub async fn settle(&mut self, application: &mut Application) -> Result<Option<Settled>, Lost> {
        self.session = None;
        self.codes_in_life = 0;
        let Some(attempt) = self.in_doubt.take() else { return Ok(None) };
        let answer = send(application, &attempt.mfa_token, &attempt.code).await?;
        let settled = match answer.status {
            200 => Settled::NotWritten,
            _ => Settled::Written,
        };
        let is_due = answer.status == 200 || answer.is_refusal(403, "expired_token");
        assert!(is_due, "{}: {attempt:?} was in doubt, and then came to {answer:?}", self.name);
        self.accept(attempt.code, &answer);
        Ok(Some(settled))
    }

    /// A token of a user whose password was right and whose second factor is due.
    pub async fn first_factor(&mut self, application: &mut Application) -> Result<String, Lost> {
        let required = match &self.session {
            Some(token) => application.refresh(token, Audience::Api).await?,
            None => application.password(&self.name).await?,
        };
        assert!(required.is_refusal(403, "mfa_required"), "{}: {required:?}", self.name);
        let is_challenged = required.body["mfa_requirements"]["challenge"].is_array();
        assert_eq!(is_challenged, self.is_enrolled(), "{}: enrolled or not: {required:?}", self.name);
        Ok(required.text("mfa_token").unwrap().to_owned())
    }

    async fn associate(&mut self, application: &mut Application) -> Result<(), Lost> {
        let mfa_token = self.first_factor(application).await?;
        let associated = application.associate(&mfa_token).await?;
        assert_eq!(associated.status, 200, "{}: {associated:?}", self.name);
        let authenticator = Authenticator::of(associated.text("secret").unwrap()).unwrap();
        self.codes = authenticator.codes_until_now(CODES).into();
        self.recovery_code = associated.body["recovery_codes"][0].as_str().unwrap().to_owned();
        self.stage = Stage::Associated { mfa_token };
        Ok(())
    }

    /// Sends a code that must be accepted. It stays in doubt where no answer comes.
    pub async fn pass(
        &mut self,
        application: &mut Application,
        mfa_token: String,
        code: TypedCode,
    ) -> Result<(), Lost> {
        self.in_doubt = Some(Attempt { mfa_token: mfa_token.clone(), code: code.clone() });
        let answer = send(application, &mfa_token, &code).await?;
        self.in_doubt = None;
        assert_eq!(answer.status, 200, "{}: {code:?} is right: {answer:?}", self.name);
        self.session = answer.text("refresh_token").map(str::to_owned);
        self.accept(code, &answer);
        Ok(())
    }

    /// Notes that a code was accepted, with what replaces it.
    fn accept(&mut self, code: TypedCode, answer: &Answer) {
        match code {
            TypedCode::OneTimePassword(code) => {
                assert_eq!(self.codes.pop_front().as_ref(), Some(&code));
                self.accepted_codes.push(code);
                self.codes_in_life += 1;
                self.stage = Stage::Enrolled;
            }
            TypedCode::RecoveryCode(code) => {
                let replacement = answer.text("recovery_code");
                let replacement = replacement.unwrap_or_else(|| panic!("{}: {code}: {answer:?}", self.name));
                self.recovery_code = replacement.to_owned();
                self.accepted_recovery_codes.push(code);
            }
        }
    }
}

/// Sends a code, whatever comes of it.
pub async fn send(application: &mut Application, mfa_token: &str, code: &TypedCode) -> Result<Answer, Lost> {
    match code {
        TypedCode::OneTimePassword(otp) => application.one_time_password(mfa_token, otp).await,
        TypedCode::RecoveryCode(code) => application.recovery_code(mfa_token, code).await,
    }
}
