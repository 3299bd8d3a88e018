//! The program: its start, its tools, its end, and the walk-through of the README.
#![allow(missing_docs)]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mfacore-server");

/// The program, with no setting of this machine's environment.
fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.current_dir(folder).args(arguments);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MFACORE_") {
            command.env_remove(name);
        }
    }
    command
}

/// A server that runs, and ends with the test.
struct Running {
    child: Child,
    address: String,
    password: String,
}

impl Running {
    fn start(folder: &Path) -> Self {
        Self::start_logging(folder, Stdio::null())
    }

    fn start_logging(folder: &Path, log: Stdio) -> Self {
        let mut child =
            program(folder, &["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut after = |start: &str| {
            let line = lines.find(|line| line.starts_with(start)).unwrap();
            line.trim_start_matches(start).to_owned()
        };
        let address = after("listening on ");
        let demo = after("demo user: username ann, password ");
        let password = demo.split(',').next().unwrap().to_owned();
        // What it prints from now on is read, or it would have to wait.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, password }
    }

    fn end(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn has_curl() -> bool {
    let found = Command::new("curl").arg("--version").output().is_ok();
    assert!(found || std::env::var_os("MFACORE_TEST_ALL").is_none(), "curl is not on this machine");
    if !found {
        println!("left out: the walk-through (curl is not on this machine)");
    }
    found
}

#[test]
fn the_walk_through_walks() {
    if !has_curl() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/walk-through.sh");
    let walked = Command::new("sh")
        .arg(script)
        .env("SERVER", &server.address)
        .env("PASSWORD", &server.password)
        .output()
        .unwrap();
    let text = String::from_utf8(walked.stdout).unwrap();
    assert!(walked.status.success(), "{text}{}", String::from_utf8_lossy(&walked.stderr));
    let steps: Vec<&str> = text.split_inclusive('\n').collect();
    let step = |number: usize| {
        let begins = |line: &&&str| line.starts_with(&format!("{number}. "));
        let start = steps.iter().position(|line| begins(&line)).unwrap() + 1;
        let rest = &steps[start..];
        let end = rest.iter().position(|line| line.starts_with(&format!("{}. ", number + 1)));
        rest[..end.unwrap_or(rest.len())].concat()
    };
    assert!(step(1).contains(r#""error":"mfa_required""#) && step(1).contains(r#""enroll":"#));
    assert!(step(2).contains(r#""recovery_codes":["#));
    for (number, count) in [(3, 1), (4, 1), (5, 0), (6, 1)] {
        assert_eq!(step(number).matches(r#""id_token":"#).count(), count, "{number}: {text}");
    }
    assert!(step(5).contains("Invalid binding_code."));
    assert!(step(6).contains(r#""recovery_code":""#));
    assert_eq!(step(7).trim(), "204");
    server.end();
}

#[test]
fn the_readme_shows_the_walk_through() {
    let script = include_str!("../walk-through.sh");
    assert!(include_str!("../README.md").contains(script), "server/README.md differs from walk-through.sh");
}

#[test]
fn keys_and_records_outlive_a_start() {
    let folder = tempfile::tempdir().unwrap();
    Running::start(folder.path()).end();
    let keys = folder.path().join("mfacore-keys.json");
    let before = std::fs::read(&keys).unwrap();
    assert_eq!(keys.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(folder.path().join("mfacore.db").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    Running::start(folder.path()).end();
    assert_eq!(std::fs::read(&keys).unwrap(), before);
}

/// Keys that go missing beside records are not replaced, and keys are rotated without losing a record.
#[test]
fn keys_are_rotated_and_never_replaced() {
    if !has_curl() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path());
    let token = format!("{}oauth/token", server.address);
    let password = format!("password={}", server.password);
    let form = ["grant_type=password", "client_id=demo", "username=ann"];
    let mut login = Command::new("curl");
    login.args(["--silent", "--data-urlencode", &password, &token]);
    let login = login_with(&mut login, &form);
    assert!(login.contains("mfa_required"), "{login}");
    server.end();

    let path = folder.path().join("mfacore-keys.json");
    let read = || -> serde_json::Value { serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap() };
    let (mut keys, digits) = (read(), "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=");
    let old = std::mem::replace(&mut keys["active"], serde_json::json!({ "id": 2, "key": digits }));
    keys["retired"] = serde_json::json!([old]);
    std::fs::write(&path, keys.to_string()).unwrap();
    let reseal = || program(folder.path(), &["reseal"]).output().unwrap();
    let swept = String::from_utf8(reseal().stdout).unwrap();
    assert_eq!(swept, "1 records are under the active key\n");
    let restarted = Running::start(folder.path());
    restarted.end();
    keys["retired"] = serde_json::json!([]);
    std::fs::write(&path, keys.to_string()).unwrap();
    assert!(reseal().status.success(), "the old key is not needed any more");

    keys["active"]["id"] = serde_json::json!(3);
    std::fs::write(&path, keys.to_string()).unwrap();
    assert!(refused(folder.path(), &["--listen", "127.0.0.1:0"]).contains("no key 2"));
    assert!(refused(folder.path(), &["reseal"]).contains("1 of 1 records could not be moved; the first: "));
    assert!(refused(folder.path(), &["reseal", "--store", "sqlite:typo.db"]).contains("holds no record"));

    std::fs::remove_file(&path).unwrap();
    assert!(refused(folder.path(), &["--listen", "127.0.0.1:0"]).contains("put back the keys"));
    assert!(!path.exists());
}

fn login_with(curl: &mut Command, form: &[&str]) -> String {
    for pair in form {
        curl.args(["--data", pair]);
    }
    String::from_utf8(curl.output().unwrap().stdout).unwrap()
}

fn refused(folder: &Path, arguments: &[&str]) -> String {
    let Output { status, stderr, .. } = program(folder, arguments).output().unwrap();
    let text = String::from_utf8(stderr).unwrap();
    assert!(!status.success() && !text.contains("panicked"), "{arguments:?}: {text}");
    text
}

#[test]
fn a_start_that_cannot_be_right_is_refused_with_what_to_change() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("users.json", "[]");
    write("clients.json", "[]");
    write("bad.json", "[{}]");
    let own = ["--users", "users.json", "--clients", "clients.json"];
    let sent = [&own[..], &["--policy", r#"{"factors":["otp"]}"#]].concat();
    let cases: [(&[&str], &[&str], &str); 21] = [
        (&[], &["--listen", "0.0.0.0:0"], "loopback"),
        (&[], &["--issuer", "https://mfa.example/"], "behind no proxy"),
        (&own, &["--development", "--issuer", "https://mfa.example/"], "behind no proxy"),
        (&sent, &["--listen", "0.0.0.0:0"], "--issuer"),
        (&own, &[], "--webhook"),
        (&own, &["--development", "--listen", "0.0.0.0:0"], "loopback"),
        (&["--users", "users.json"], &[], "--clients"),
        (&["--users", "none.json", "--clients", "clients.json"], &["--development"], "none.json"),
        (&["--users", "bad.json", "--clients", "clients.json"], &["--development"], "missing field"),
        (&sent, &["--management-token", "short"], "32 characters"),
        (&sent, &["--issuer", "http://mfa.example/"], "https"),
        (&sent, &["--store", "postgres://x/y"], "only sqlite:"),
        (&sent, &["--tls-cert", "none.pem", "--tls-key", "none.pem"], "none.pem"),
        (&sent, &["--tls-cert", "users.json", "--tls-key", "no-key.pem"], "no-key.pem"),
        (&sent, &["--tls-cert", "none.pem"], "--tls-key"),
        (&["--clients", "clients.json"], &[], "--users"),
        (&own, &["--webhook", "http://a.example/", "--webhook-secret", "x"], "https"),
        (&own, &["--policy", "strict"], "the profiles are recommended"),
        (
            &sent,
            &["--issuer", "http://127.0.0.1/", "--tls-cert", "users.json", "--tls-key", "users.json"],
            "https URL",
        ),
        (&sent, &["--issuer", "mfa"], "https URL"),
        (&own, &["--policy", r#"{"factors":[]}"#], "factors must hold"),
    ];
    for (first, then, hint) in cases {
        let arguments = [&["--listen", "127.0.0.1:0"][..], first, then].concat();
        let arguments = if then.contains(&"--listen") { arguments[2..].to_vec() } else { arguments };
        let text = refused(folder.path(), &arguments);
        assert!(text.contains(hint), "{arguments:?}: {text}");
    }
}

#[test]
fn the_tools_make_what_the_files_take() {
    let folder = tempfile::tempdir().unwrap();
    let mut hashing = program(folder.path(), &["hash-password"]);
    let mut hashing = hashing.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    hashing.stdin.take().unwrap().write_all(b"correct horse\n").unwrap();
    let hash = String::from_utf8(hashing.wait_with_output().unwrap().stdout).unwrap();
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");

    let nothing = program(folder.path(), &["hash-password"]).stdin(Stdio::null()).output().unwrap();
    assert!(!nothing.status.success() && nothing.stdout.is_empty());
    let key = program(folder.path(), &["new-key"]).output().unwrap().stdout;
    assert_eq!(key.len(), 45, "44 characters of base64, and the end of the line");
    let secret = String::from_utf8(program(folder.path(), &["new-secret"]).output().unwrap().stdout).unwrap();
    let digest = secret.lines().find_map(|line| line.strip_prefix("secret_sha256 ")).unwrap();
    assert_eq!(digest.len(), 64);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the tools leave nothing behind");
}

/// A log that nobody reads any more holds up neither requests nor the end.
#[test]
fn a_log_that_is_gone_harms_nothing() {
    if !has_curl() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut server = Running::start_logging(folder.path(), Stdio::piped());
    drop(server.child.stderr.take());
    let url = format!("{}.well-known/jwks.json", server.address);
    let answered = Command::new("curl").args(["--silent", "--fail", &url]).output().unwrap();
    assert!(answered.status.success());
    server.end();
}
