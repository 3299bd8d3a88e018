//! Every error of opening, with a text that says what to do, and a file that is left as it was.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use mfacore_sqlite::{OpenError, Sqlite};
use rusqlite::Connection;

type Outcome = Result<(), Box<dyn Error>>;

fn refusal(path: &Path) -> OpenError {
    Sqlite::open_path(path).expect_err("the store was opened")
}

fn assert_says(error: &OpenError, words: &str) {
    assert!(error.to_string().contains(words), "{words:?} is not in {error}");
}

#[test]
fn a_file_that_is_no_database() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("notes.txt");
    for length in [1, 99, 100, 511, 512, 4096, 100_000] {
        let content = b"Not a database. ".iter().cycle().take(length).copied().collect::<Vec<u8>>();
        std::fs::write(&path, &content)?;
        let error = refusal(&path);
        assert_eq!(error, OpenError::NotADatabase { path: path.clone() }, "{length} bytes");
        assert_says(&error, "give another path");
        assert_eq!(std::fs::read(&path)?, content, "the file was changed");
    }
    Ok(())
}

#[test]
fn a_database_of_another_application() -> Outcome {
    let folder = tempfile::tempdir()?;
    for (name, sql, found) in [
        ("table.db", "CREATE TABLE invoice (id INTEGER)", "invoice"),
        ("ours by name alone.db", "CREATE TABLE record (key BLOB PRIMARY KEY, bytes BLOB)", "record"),
        ("id.db", "PRAGMA application_id = 4711", "0x00001267"),
        ("number.db", "PRAGMA user_version = 3", "user_version 3"),
        ("both.db", "CREATE TABLE t (a); PRAGMA application_id = -2", "0xfffffffe"),
    ] {
        let path = folder.path().join(name);
        Connection::open(&path)?.execute_batch(sql)?;
        let before = std::fs::read(&path)?;
        let error = refusal(&path);
        assert!(matches!(error, OpenError::OtherApplication { .. }), "{name}: {error:?}");
        assert_says(&error, found);
        assert_says(&error, "a file of its own");
        assert_eq!(std::fs::read(&path)?, before, "{name} was changed");
    }
    Ok(())
}

#[test]
fn a_newer_format() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store.db");
    drop(Sqlite::open_path(&path)?);
    Connection::open(&path)?.execute_batch("PRAGMA user_version = 2; DROP TABLE record")?;
    let error = refusal(&path);
    assert_eq!(error, OpenError::Newer { path, found: 2, known: 1 });
    assert_says(&error, "use the version of mfacore-sqlite that wrote it, or a later one");
    Ok(())
}

#[test]
fn a_schema_that_was_altered() -> Outcome {
    let folder = tempfile::tempdir()?;
    for (name, sql) in [
        ("renamed.db", "ALTER TABLE record RENAME COLUMN bytes TO data"),
        ("dropped.db", "DROP TABLE record"),
        ("unknown format.db", "PRAGMA user_version = 0"),
    ] {
        let path = folder.path().join(name);
        drop(Sqlite::open_path(&path)?);
        Connection::open(&path)?.execute_batch(sql)?;
        let error = refusal(&path);
        assert!(matches!(error, OpenError::Damaged { .. }), "{name}: {error:?}");
        assert_says(&error, "restore it from a backup");
    }
    Ok(())
}

#[test]
fn tables_that_tools_add_are_left_alone() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store.db");
    drop(Sqlite::open_path(&path)?);
    Connection::open(&path)?.execute_batch("CREATE TABLE _replication (position INTEGER); ANALYZE")?;
    drop(Sqlite::open_path(&path)?);
    Ok(())
}

#[test]
fn a_missing_folder_is_not_made() -> Outcome {
    let folder = tempfile::tempdir()?;
    let missing = folder.path().join("not there");
    let error = refusal(&missing.join("store.db"));
    assert_eq!(error, OpenError::MissingFolder { folder: missing.clone() });
    assert_says(&error, "create it, or correct the path");
    assert!(!missing.exists());
    Ok(())
}

#[test]
fn a_folder_is_no_store() -> Outcome {
    let folder = tempfile::tempdir()?;
    let error = refusal(folder.path());
    assert_eq!(error, OpenError::NotAFile { path: folder.path().to_owned() });
    assert_says(&error, "give the path of a file");
    Ok(())
}

#[test]
fn a_url_of_another_scheme() {
    let error = Sqlite::open("postgres://localhost/mfa").expect_err("another scheme");
    assert!(matches!(error, OpenError::BadUrl { .. }));
    assert_says(&error, "only sqlite: URLs are known");
}

#[test]
fn a_url_names_the_same_file_as_its_path() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a store.db");
    let url = path.display().to_string().replace(' ', "%20");
    assert_eq!(Sqlite::open(format!("sqlite:{url}"))?.path(), path);
    assert_eq!(Sqlite::open(format!("sqlite://{url}"))?.path(), path);
    assert_eq!(Sqlite::open(path.display().to_string())?.path(), path);
    Ok(())
}

fn assert_locked_by(path: &Path, lock: &str) -> Outcome {
    let holder = Connection::open(path)?;
    holder.execute_batch(lock)?;
    let error = refusal(path);
    assert_eq!(error, OpenError::Locked { path: path.to_owned() });
    assert_says(&error, "end what holds it");
    drop(holder);
    drop(Sqlite::open_path(path)?);
    Ok(())
}

#[test]
fn a_store_that_another_connection_has_locked() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store.db");
    drop(Sqlite::open_path(&path)?);
    assert_locked_by(&path, "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
}

#[test]
fn a_new_file_that_another_connection_has_locked() -> Outcome {
    let folder = tempfile::tempdir()?;
    assert_locked_by(&folder.path().join("store.db"), "BEGIN EXCLUSIVE")
}

#[test]
fn a_store_is_opened_while_another_process_writes() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store.db");
    drop(Sqlite::open_path(&path)?);
    let writer = Connection::open(&path)?;
    writer.execute_batch("BEGIN IMMEDIATE")?;
    drop(Sqlite::open_path(&path)?);
    Ok(())
}

#[cfg(unix)]
#[test]
fn a_dangling_link_creates_nothing() -> Outcome {
    let folder = tempfile::tempdir()?;
    let target = folder.path().join("target.db");
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(&target, &link)?;
    assert!(matches!(refusal(&link), OpenError::ReadOnly { .. }));
    assert!(!target.exists());
    Ok(())
}

#[cfg(unix)]
#[test]
fn new_files_are_for_their_owner_alone() -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store.db");
    let _store = Sqlite::open_path(&path)?;
    for entry in std::fs::read_dir(folder.path())? {
        let entry = entry?;
        assert_eq!(entry.metadata()?.permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
    }
    assert_eq!(std::fs::read_dir(folder.path())?.count(), 3, "the file, its log and its index");
    Ok(())
}

const READ_ONLY_PATHS: &str = "MFACORE_SQLITE_TEST_READ_ONLY_PATHS";

/// Permission bits do not bind root, so a child of another user does the opening.
#[cfg(unix)]
#[test]
fn what_cannot_be_written() -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode));
    let folder = tempfile::tempdir()?;
    mode(folder.path(), 0o755)?;
    let file = folder.path().join("file.db");
    drop(Sqlite::open_path(&file)?);
    mode(&file, 0o444)?;
    let hidden = folder.path().join("hidden.db");
    drop(Sqlite::open_path(&hidden)?);
    mode(&hidden, 0o000)?;
    let open = folder.path().join("open");
    std::fs::create_dir(&open)?;
    let within = open.join("file.db");
    drop(Sqlite::open_path(&within)?);
    mode(&within, 0o444)?;
    mode(&open, 0o777)?;
    let closed = folder.path().join("closed");
    std::fs::create_dir(&closed)?;
    let beside = closed.join("writable.db");
    drop(Sqlite::open_path(&beside)?);
    mode(&beside, 0o666)?;
    mode(&closed, 0o555)?;

    let paths = [file, hidden, within, beside, closed.join("new.db")];
    let paths = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join("\n");
    let mut child = Command::new(std::env::current_exe()?);
    child.args(["--exact", "read_only_child", "--nocapture"]).env(READ_ONLY_PATHS, paths);
    child.current_dir("/");
    let is_root = std::fs::write(closed.join("probe"), "").is_ok();
    if is_root {
        child.uid(65_534).gid(65_534);
    }
    let output = child.output();
    mode(&closed, 0o755)?;
    let output = match output {
        Err(error) if is_root => {
            eprintln!("skipped: the test cannot run as another user: {error}");
            return Ok(());
        }
        output => output?,
    };
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("5 refused"), "{text}");
    Ok(())
}

/// Does nothing unless [`what_cannot_be_written`] started it.
#[test]
fn read_only_child() {
    let Ok(paths) = std::env::var(READ_ONLY_PATHS) else { return };
    let paths: Vec<PathBuf> = paths.lines().map(PathBuf::from).collect();
    for path in &paths {
        let error = refusal(path);
        assert_eq!(error, OpenError::ReadOnly { path: path.clone() });
        assert_says(&error, "write permission on the file");
    }
    println!("{} refused", paths.len());
}
