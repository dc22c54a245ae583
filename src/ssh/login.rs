//! Waiting until an SSH login works: first for any answer from the guest, which is cheap to look
//! for, then for a login with the real client.

use super::Session;
use crate::Error;
use crate::vm::harmless;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Between two logins, as a guest whose network is up is mostly about to start its server; the
/// longer it takes, the longer it will.
const LOGIN_INTERVAL: RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_millis(200);

/// As many answers are waited for at once; some servers take no more than five such clients.
const PROBES: u32 = 4;

/// The exit status with which ssh speaks of itself, not of the remote command (ssh(1)).
const SSH_FAILED: i32 = 255;

/// Tries until a login works; what ssh says of one that doesn't is given to `failed`.
///
/// # Errors
/// OpenSSH can't be run, or those of `failed`.
pub async fn log_in(
    session: &Session,
    failed: impl AsyncFn(String) -> Result<(), Error>,
) -> Result<(), Error> {
    let options = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-n"];
    let mut first_try = None;
    loop {
        let turn = session.turn().await;
        if session.is_behind_our_port() {
            answer(session.ssh.port).await;
        }
        let first_try = *first_try.get_or_insert_with(Instant::now);
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
        drop(turn);
        failed(harmless(&output.stderr)).await?;
        let interval = first_try.elapsed() / 8;
        tokio::time::sleep(interval.clamp(*LOGIN_INTERVAL.start(), *LOGIN_INTERVAL.end())).await;
    }
}

/// Waits until the guest answers on the host's port: its server greets, or its kernel refuses.
///
/// QEMU accepts a connection long before the guest does, and one that was opened too early can
/// take seconds to get through; so a fresh one is tried again and again, beside the last few.
/// Their patience grows with the time that passes: a guest that is slow to boot is slow to greet.
async fn answer(port: u16) {
    let started = Instant::now();
    let mut probes = JoinSet::new();
    loop {
        let patience =
            (started.elapsed() / 8).clamp(Duration::from_millis(400), Duration::from_secs(4));
        let next = Instant::now() + patience / PROBES;
        probes.spawn(async move { tokio::time::timeout(patience, is_answered(port)).await });
        while let Ok(Some(probe)) = tokio::time::timeout_at(next, probes.join_next()).await {
            if matches!(probe, Ok(Ok(true))) {
                return;
            }
        }
        tokio::time::sleep_until(next).await;
    }
}

/// Whether an SSH server greets on the port (RFC 4253, 4.2: `SSH-` begins its first line), or QEMU
/// hangs up, as it does when the guest refuses.
async fn is_answered(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else {
        return false;
    };
    let mut start = [0; 4];
    stream.read_exact(&mut start).await.is_err() || &start == b"SSH-"
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
