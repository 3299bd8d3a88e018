//! TLS, by rustls.

use std::path::Path;

use axum_server::tls_rustls::RustlsConfig;

use crate::error::StartError;

/// Says whose primitives rustls uses. Whoever calls it first has said it for the process.
pub fn install_provider() {
    // An error says that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The listener's certificate chain and key, both PEM.
///
/// # Errors
/// [`StartError::File`]: one of them does not read.
pub async fn load(certificate: &Path, key: &Path) -> Result<RustlsConfig, StartError> {
    install_provider();
    for path in [certificate, key] {
        std::fs::File::open(path).map_err(|error| StartError::File { path: path.to_owned(), error })?;
    }
    RustlsConfig::from_pem_file(certificate, key)
        .await
        .map_err(|error| StartError::setting("tls-cert", format!("it, or --tls-key, is not right: {error}")))
}
