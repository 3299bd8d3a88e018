//! The server's own name: the URL that clients reach it by, with a trailing slash.

use std::net::SocketAddr;

use url::{Host, Url};

/// The issuer of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer(String);

impl Issuer {
    /// The issuer at this URL.
    ///
    /// # Errors
    /// It is neither https nor on loopback, or it has more than scheme, host, port and path.
    pub fn parse(text: &str) -> Result<Self, String> {
        let shape = || "an https URL (http on loopback alone) that ends with a slash".to_owned();
        let url = Url::parse(text).map_err(|_| shape())?;
        let is_plain = url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
        if !is_plain || !is_safe || !url.path().ends_with('/') {
            return Err(shape());
        }
        Ok(Self(url.into()))
    }

    /// The issuer that listens there.
    ///
    /// # Errors
    /// As [`Issuer::parse`].
    pub fn listening(address: SocketAddr, with_tls: bool) -> Result<Self, String> {
        let scheme = if with_tls { "https" } else { "http" };
        Self::parse(&format!("{scheme}://{address}/"))
    }

    /// Whether clients are on this machine.
    pub fn is_on_loopback(&self) -> bool {
        Url::parse(&self.0).is_ok_and(|url| is_loopback(&url))
    }

    /// As tokens name it, with the trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without the trailing slash, for devices.
    pub fn base(&self) -> &str {
        self.0.trim_end_matches('/')
    }

    /// A place below it.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// The audience of the MFA API (CONTRACT section 1).
    pub fn mfa_audience(&self) -> String {
        self.at("mfa/")
    }
}

/// Whether a URL leads to this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_https_or_loopback_and_ends_with_a_slash() {
        for good in ["https://mfa.example/", "https://mfa.example/tenant/", "http://127.0.0.1:8080/"] {
            assert_eq!(Issuer::parse(good).as_ref().map(Issuer::as_str), Ok(good));
        }
        for bad in ["http://mfa.example/", "https://mfa.example/a", "https://a@b/", "https://a/?b", "mfa", ""]
        {
            assert!(Issuer::parse(bad).is_err(), "{bad}");
        }
    }
}
