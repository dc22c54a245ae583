//! Waiting until an SSH login works: first for a server's greeting, which is cheap to look for,
//! then for a login with the real client.

use super::Session;
use crate::Error;
use crate::vm::harmless;
use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Between two logins that failed.
const LOGIN_INTERVAL: Duration = Duration::from_millis(200);

/// As many greetings are waited for at once; some servers take no more than five such clients.
const PROBES: u32 = 4;

/// The exit status with which ssh speaks of itself, not of the remote command (ssh(1)).
const SSH_FAILED: i32 = 255;

/// Tries until a login works; `last` is what the attempt before said.
///
/// # Errors
/// OpenSSH can't be run.
pub async fn log_in(session: &Session, last: &RefCell<String>) -> Result<(), Error> {
    let options = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-n"];
    loop {
        if session.is_behind_our_port() {
            greeting(session.ssh.port).await;
        }
        let mut command = tokio::process::Command::from(session.tool("ssh"));
        command.args(options).arg(&session.name).arg("true");
        command.stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let output = command.output().await.map_err(|error| Error::Spawn {
            program: "ssh".to_owned(),
            error,
            place: None,
        })?;
        // Whatever `true` is to the guest's shell: to answer at all it let us in.
        if output.status.code().is_some_and(|code| code != SSH_FAILED) {
            return Ok(());
        }
        last.replace(harmless(&output.stderr));
        tokio::time::sleep(LOGIN_INTERVAL).await;
    }
}

/// Waits until a server greets on the host's port.
///
/// QEMU accepts a connection long before the guest does, and one that was opened too early can
/// take seconds to get through; so a fresh one is tried again and again, beside the last few.
/// Their patience grows with the time that passes: a guest that is slow to boot is slow to greet.
async fn greeting(port: u16) {
    let started = Instant::now();
    let mut probes = JoinSet::new();
    loop {
        let patience =
            (started.elapsed() / 8).clamp(Duration::from_millis(400), Duration::from_secs(4));
        let next = Instant::now() + patience / PROBES;
        probes.spawn(async move { tokio::time::timeout(patience, is_greeted(port)).await });
        while let Ok(Some(probe)) = tokio::time::timeout_at(next, probes.join_next()).await {
            if matches!(probe, Ok(Ok(true))) {
                return;
            }
        }
        tokio::time::sleep_until(next).await;
    }
}

/// Whether an SSH server greets on the port (RFC 4253, 4.2: `SSH-` begins its first line).
async fn is_greeted(port: u16) -> bool {
    let greet = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        let mut start = [0; 4];
        stream.read_exact(&mut start).await?;
        std::io::Result::Ok(start)
    };
    greet.await.is_ok_and(|start| &start == b"SSH-")
}

impl Session {
    /// Whether the config leaves the way to the guest to us.
    fn is_behind_our_port(&self) -> bool {
        let elsewhere = ["hostname", "proxycommand", "proxyjump"];
        let options = self.ssh.options.iter();
        !options
            .map(|(keyword, _)| keyword.to_ascii_lowercase())
            .any(|k| elsewhere.contains(&k.as_str()))
    }
}
