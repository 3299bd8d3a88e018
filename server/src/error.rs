//! Why the server does not start: each says what to change.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why the server does not start, or stopped.
#[derive(Debug, Error)]
pub enum StartError {
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{path}: {reason}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A setting is not what it should be.
    #[error("--{option}: {reason}")]
    Setting {
        /// The setting.
        option: &'static str,
        /// What is wrong with it, and what it may be.
        reason: String,
    },
    /// Listening or serving failed.
    #[error("{doing}: {error}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why it failed.
        error: std::io::Error,
    },
}

impl StartError {
    pub(crate) fn content(path: &Path, reason: impl ToString) -> Self {
        Self::Content { path: path.to_owned(), reason: reason.to_string() }
    }

    pub(crate) fn setting(option: &'static str, reason: impl ToString) -> Self {
        Self::Setting { option, reason: reason.to_string() }
    }
}

/// The JSON in `path`.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, StartError> {
    let text = std::fs::read(path).map_err(|error| StartError::File { path: path.to_owned(), error })?;
    serde_json::from_slice(&text).map_err(|error| StartError::content(path, error))
}
