//! The server as a process of its own: its start, and each way that it ends.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

use crate::directory::MANAGEMENT_TOKEN;

/// Every user passes a second factor: a one-time password or a recovery code.
pub const POLICY: &str =
    r#"{"profile":"recommended","enforcement":"always","factors":["otp","recovery-code"]}"#;

/// A server that listens. It is killed where nobody ends it.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    address: SocketAddr,
}

impl ServerProcess {
    /// Starts the server on a free port of loopback, with store, keys, users and clients in `folder`, and waits until
    /// it listens. Its log is dropped.
    ///
    /// # Errors
    /// It did not start.
    pub fn start(binary: &Path, folder: &Path, policy: &str) -> Result<Self, String> {
        Self::spawn(command(binary, folder, policy).stderr(Stdio::null()))
    }

    /// The same, with what it logs.
    ///
    /// # Errors
    /// It did not start.
    pub fn start_logged(binary: &Path, folder: &Path, policy: &str) -> Result<(Self, ChildStderr), String> {
        let mut server = Self::spawn(command(binary, folder, policy).stderr(Stdio::piped()))?;
        let log = server.child.stderr.take().ok_or("the server has no log")?;
        Ok((server, log))
    }

    fn spawn(command: &mut Command) -> Result<Self, String> {
        let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
        let announced = child.stdout.take().and_then(|output| BufReader::new(output).lines().next()?.ok());
        let address = announced.as_deref().and_then(listening_address);
        let unbound = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Self { child, address: address.unwrap_or(unbound) };
        match address {
            Some(_) => Ok(server),
            None => Err(format!("the server does not listen; it said: {announced:?}")),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        // Each fails only where it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM.
    ///
    /// # Errors
    /// There is no such process, or no `kill`.
    pub fn terminate(&self) -> Result<(), String> {
        let sent = Command::new("kill").arg("-TERM").arg(self.id().to_string()).status();
        match sent {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("kill ended with {status}")),
            Err(error) => Err(format!("kill: {error}")),
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn wait(&mut self) -> Result<ExitStatus, String> {
        self.child.wait().map_err(|error| error.to_string())
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

fn command(binary: &Path, folder: &Path, policy: &str) -> Command {
    let mut command = Command::new(binary);
    // Settings of another server that whoever runs this may have.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MFACORE_") {
            command.env_remove(name);
        }
    }
    command
        .args(["--listen", "127.0.0.1:0", "--policy", policy, "--management-token", MANAGEMENT_TOKEN])
        .arg("--store")
        .arg(format!("sqlite:{}", folder.join("store.db").display()))
        .arg("--keys")
        .arg(folder.join("keys.json"))
        .arg("--users")
        .arg(folder.join("users.json"))
        .arg("--clients")
        .arg(folder.join("clients.json"));
    command
}

fn listening_address(announced: &str) -> Option<SocketAddr> {
    announced.strip_prefix("listening on http://")?.strip_suffix('/')?.parse().ok()
}
