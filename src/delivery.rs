//! What the host must send: the effects of a call, readable only once its write is committed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::crypto::secret::SecretString;
use crate::destination::Channel;

/// A message for the host to send. It was charged and is sent at most once, whether it arrives or not; a user
/// who waits in vain asks again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// How it goes out.
    pub channel: Channel,
    /// The number in E.164, the e-mail address, or where the push service reaches the device.
    pub destination: SecretString,
    /// What it is about.
    pub occasion: Occasion,
    /// What it says.
    pub content: Content,
    /// The authenticator that it goes to.
    pub authenticator_id: String,
    /// The language that the host named, as RFC 5646 writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// When it is worth nothing any more, milliseconds since 1970.
    pub expires_ms: u64,
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// The user logs in.
    LogIn,
    /// The user confirms an action: [`crate::Caller::step_up`].
    StepUp,
    /// The user enrolls this number or address.
    Enroll,
    /// A verified address appeared on the account: whoever did not do this should speak up.
    EmailAppeared,
}

/// What a message says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// The code that the user types.
    Code(SecretString),
    /// What the device shows, and answers with [`crate::commands::AnswerPush`].
    Push(PushMessage),
    /// A notice in the host's words.
    Notice,
}

/// The payload of a push. It never says which number is right.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushMessage {
    /// What the device's answer returns and signs.
    pub transaction_token: SecretString,
    /// The client that the user logs in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// What the user is about to do, as the host said at `Require`: shown, and signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// How the user approves.
    pub number: NumberEntry,
}

/// How the user approves a push.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberEntry {
    /// Without a number.
    None,
    /// By choosing the number that the login page shows.
    Choose(Vec<String>),
    /// By typing the number that the login page shows.
    Type,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Content::Code(_) => "Code(..)",
            Content::Push(_) => "Push(..)",
            Content::Notice => "Notice",
        })
    }
}

impl fmt::Debug for PushMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PushMessage(..)")
    }
}

impl fmt::Debug for NumberEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NumberEntry(..)")
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("channel", &self.channel)
            .field("occasion", &self.occasion)
            .field("authenticator_id", &self.authenticator_id)
            .finish_non_exhaustive()
    }
}
