//! Trusted browsers: who holds a device token may skip the second factor for a while.

use minicbor::{CborLen, Decode, Encode};

use super::Record;
use crate::crypto::mac;
use crate::crypto::secret::{Secret, SecretString};
use crate::limits::{BROWSERS_MAX, SEEN_AHEAD_MS_MAX};
use crate::policy::TrustedBrowsers;
use crate::token::Proof;

/// A browser that was trusted after a login. Dead with the epoch, and with what earned it.
#[derive(Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub(crate) struct TrustedBrowser {
    #[cbor(n(0), with = "minicbor::bytes")]
    mac: [u8; 32],
    /// When it was trusted, milliseconds since 1970.
    #[n(1)]
    pub(crate) created_ms: u64,
    /// When its token was last honoured, milliseconds since 1970.
    #[n(2)]
    pub(crate) used_ms: u64,
    /// What was passed to earn it.
    #[n(3)]
    pub(crate) proofs: Vec<Proof>,
}

impl TrustedBrowser {
    /// Whether it is trusted at `now_ms`. Times ahead of the clock are believed as expiry is: a day at most.
    fn is_live(&self, trust: TrustedBrowsers, now_ms: u64) -> bool {
        let is_within = |from_ms: u64, life_ms: u64| {
            from_ms.saturating_sub(now_ms) <= SEEN_AHEAD_MS_MAX && now_ms.saturating_sub(from_ms) < life_ms
        };
        is_within(self.created_ms, trust.life_ms) && is_within(self.used_ms, trust.idle_ms)
    }
}

impl Record {
    /// The trusted browser that holds `token`, and is still trusted.
    pub(crate) fn trusted_browser(
        &mut self,
        token: &SecretString,
        trust: TrustedBrowsers,
        now_ms: u64,
    ) -> Option<&mut TrustedBrowser> {
        let now_ms = self.expiry_now_ms(now_ms);
        let mac = browser_mac(&self.mac_key, token);
        let mut found = None;
        for browser in &mut self.browsers {
            if mac::equal(&browser.mac, &mac) && browser.is_live(trust, now_ms) {
                found = Some(browser);
            }
        }
        found
    }

    /// Trusts the browser that is given `token`; one too many replaces the least recently used.
    pub(crate) fn trust_browser(&mut self, token: &SecretString, proofs: Vec<Proof>, now_ms: u64) {
        while self.browsers.len() >= BROWSERS_MAX {
            let oldest = self.browsers.iter().enumerate().min_by_key(|(_, browser)| browser.used_ms);
            let Some((at, _)) = oldest else { break };
            self.browsers.remove(at);
        }
        let mac = browser_mac(&self.mac_key, token);
        self.browsers.push(TrustedBrowser { mac, created_ms: now_ms, used_ms: now_ms, proofs });
    }
}

fn browser_mac(key: &Secret<32>, token: &SecretString) -> [u8; 32] {
    mac::mac(key, "device token", &[token.expose().as_bytes()])
}
