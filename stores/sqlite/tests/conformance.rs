//! The store keeps the rules of the engine: blocking, by futures, closed, and killed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mfacore::store::{AsyncStore, Store, StoreError};
use mfacore_conformance::store_suite::{
    Factory, Home, Opened, Outcome, Report, check_async_store, check_store,
};
use mfacore_sqlite::Sqlite;
use tempfile::TempDir;

struct Files;

struct Folder(TempDir);

impl Folder {
    fn file(&self) -> PathBuf {
        self.0.path().join("store.db")
    }

    /// The files as they are, without the close that would tidy them: what a killed process leaves. The copy
    /// gives up this process's locks on them, which no other process is there to notice.
    fn killed(&self) -> Result<Arc<Sqlite>, StoreError> {
        let image = self.0.path().join("image.db");
        for suffix in ["", "-wal"] {
            let beside = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
            std::fs::copy(beside(&self.file()), beside(&image))?;
        }
        Ok(Arc::new(Sqlite::open_path(&image)?))
    }
}

fn opened(file: &Path) -> Result<Arc<Sqlite>, StoreError> {
    Ok(Arc::new(Sqlite::open_path(file)?))
}

macro_rules! files_of {
    ($store:ty, $wrap:path) => {
        impl Factory<$store> for Files {
            fn fresh(&self) -> Result<Box<dyn Home<$store>>, StoreError> {
                Ok(Box::new(Folder(TempDir::new()?)))
            }
        }

        impl Home<$store> for Folder {
            fn open(&self) -> Result<Opened<$store>, StoreError> {
                opened(&self.file()).map(|store| $wrap(Arc::clone(&store)).scanned_by(store))
            }
            fn open_second(&self) -> Option<Result<Opened<$store>, StoreError>> {
                Some(Home::<$store>::open(self))
            }
            fn reopen(&self) -> Option<Result<Opened<$store>, StoreError>> {
                Some(Home::<$store>::open(self))
            }
            fn reopen_killed(&self) -> Option<Result<Opened<$store>, StoreError>> {
                Some(self.killed().map(|store| $wrap(Arc::clone(&store)).scanned_by(store)))
            }
        }
    };
}

files_of!(dyn Store, Opened::blocking);
files_of!(dyn AsyncStore, Opened::nonblocking);

fn assert_every_case_passed(report: &Report) {
    report.assert_ok();
    assert!(report.cases.iter().all(|case| case.outcome == Outcome::Passed), "{report}");
}

#[test]
fn every_rule_is_kept() {
    assert_every_case_passed(&check_store(&Files));
}

#[test]
fn every_rule_is_kept_by_futures() {
    assert_every_case_passed(&check_async_store(&Files));
}
