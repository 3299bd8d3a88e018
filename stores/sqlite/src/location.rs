//! From what a host writes down to the path of a file.

use std::path::PathBuf;

use crate::error::OpenError;

const SCHEME: &str = "sqlite";

/// The file that a path or a `sqlite:` URL names.
pub(crate) fn path_of(given: &str) -> Result<PathBuf, OpenError> {
    let refuse = |reason| OpenError::BadUrl { given: given.to_owned(), reason };
    let path = match scheme_of(given) {
        Some(scheme) if scheme.eq_ignore_ascii_case(SCHEME) => path_of_url(given, refuse)?,
        Some(_) => {
            return Err(refuse(
                "only sqlite: URLs are known; open a file with a colon in its name as ./name or by open_path",
            ));
        }
        None => given.to_owned(),
    };
    match path.as_str() {
        "" => Err(refuse("the path is empty; write sqlite:name.db or sqlite:/folder/name.db")),
        ":memory:" => Err(refuse("this store lives in a file; mfacore::store::Memory lives in memory")),
        path if path.contains('\0') => Err(refuse("a path has no zero byte")),
        path => Ok(PathBuf::from(path)),
    }
}

/// One letter before a colon is a drive, not a scheme.
fn scheme_of(given: &str) -> Option<&str> {
    let (scheme, _) = given.split_once(':')?;
    let starts = scheme.chars().next().is_some_and(|first| first.is_ascii_alphabetic());
    let goes_on = scheme.chars().all(|rest| rest.is_ascii_alphanumeric() || "+-.".contains(rest));
    (scheme.len() > 1 && starts && goes_on).then_some(scheme)
}

fn path_of_url(given: &str, refuse: impl Fn(&'static str) -> OpenError) -> Result<String, OpenError> {
    let rest = given.get(SCHEME.len() + 1..).unwrap_or_default();
    if rest.contains(['?', '#']) {
        return Err(refuse("the store takes no parameters; in a file name write %3F for ? and %23 for #"));
    }
    let path = match rest.strip_prefix("//") {
        Some(absolute) if absolute.starts_with('/') => absolute,
        Some(_) => {
            return Err(refuse("a file has no host; write sqlite:name.db or sqlite:///folder/name.db"));
        }
        None => rest,
    };
    percent_encoding::percent_decode_str(path)
        .decode_utf8()
        .map(Into::into)
        .map_err(|_| refuse("its percent escapes are not UTF-8; use open_path for such a file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_urls() {
        for (given, path) in [
            ("relative.db", "relative.db"),
            ("/absolute/a b.db", "/absolute/a b.db"),
            ("./odd:name.db", "./odd:name.db"),
            ("100%.db", "100%.db"),
            ("C:\\store.db", "C:\\store.db"),
            ("sqlite:relative.db", "relative.db"),
            ("SQLite:relative.db", "relative.db"),
            ("sqlite:/absolute/store.db", "/absolute/store.db"),
            ("sqlite:///absolute/store.db", "/absolute/store.db"),
            ("sqlite:a%20b%3F%23.db", "a b?#.db"),
        ] {
            assert_eq!(path_of(given), Ok(PathBuf::from(path)), "{given}");
        }
    }

    #[test]
    fn what_names_no_file_is_refused() {
        for (given, reason) in [
            ("", "empty"),
            ("sqlite:", "empty"),
            (":memory:", "Memory"),
            ("sqlite::memory:", "Memory"),
            ("postgres://localhost/mfa", "only sqlite:"),
            ("file:store.db", "only sqlite:"),
            ("sqlite3:store.db", "only sqlite:"),
            ("sqlite://store.db", "no host"),
            ("sqlite:store.db?mode=ro", "no parameters"),
            ("sqlite:%00.db", "zero byte"),
            ("sqlite:%ff.db", "not UTF-8"),
        ] {
            let error = path_of(given).expect_err(given);
            assert!(error.to_string().contains(reason), "{given}: {error}");
        }
    }
}
