//! The files that the server reads: users with one password between them, and one public client.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// What every user types.
pub const PASSWORD: &str = "correct horse battery staple";
/// The one client, which is public.
pub const CLIENT: &str = "app";
/// An API whose tokens need a second factor whenever the client asks, also in a session.
pub const AUDIENCE: &str = "https://pay.example/";
/// Who bears it may do what support may.
pub const MANAGEMENT_TOKEN: &str = "a management token for tests, not secret";

/// The username of the user of this number.
pub fn username(number: usize) -> String {
    format!("user{number:05}")
}

/// The id of the user of this name, as a segment of a path.
pub fn id_in_path(username: &str) -> String {
    format!("auth0%7C{username}")
}

/// Writes `users.json` and `clients.json` into `folder`. To make a hash takes a while: there is one for all.
///
/// # Errors
/// The server's tool made no hash, or a file cannot be written.
pub fn write(binary: &Path, folder: &Path, user_count: usize) -> Result<(), String> {
    let hash = password_hash(binary)?;
    let users: Vec<Value> = (0..user_count).map(|number| user(&username(number), &hash)).collect();
    let clients = json!([{ "client_id": CLIENT, "audiences": { AUDIENCE: { "second_factor": "always" } } }]);
    for (name, content) in [("users.json", Value::Array(users)), ("clients.json", clients)] {
        std::fs::write(folder.join(name), content.to_string()).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

fn user(name: &str, hash: &str) -> Value {
    json!({
        "id": format!("auth0|{name}"),
        "username": name,
        "password_hash": hash,
        "email": format!("{name}@example.com"),
        "email_verified": false,
    })
}

fn password_hash(binary: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("hash-password: {error}");
    let mut command = Command::new(binary);
    command.arg("hash-password").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut tool = command.spawn().map_err(failed)?;
    if let Some(mut typed) = tool.stdin.take() {
        typed.write_all(PASSWORD.as_bytes()).map_err(failed)?;
    }
    let output = tool.wait_with_output().map_err(failed)?;
    let hash = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() && hash.starts_with("$argon2id$") {
        Ok(hash)
    } else {
        Err(format!("hash-password made no hash, and ended with {}", output.status))
    }
}
