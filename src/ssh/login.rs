//! Waiting until an SSH login works: first for any answer from the guest, which is cheap to look
//! for, then for a login with the real client.

use super::{Session, probe};
use crate::Error;
use crate::vm::harmless;
use std::ops::RangeInclusive;
use std::process::Stdio;
use std::time::Duration;
use tokio::time::Instant;

/// Between two logins, as a guest whose network is up is mostly about to start its server; the
/// longer it takes, the longer it will.
const LOGIN_INTERVAL: RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_millis(200);

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
        if session.is_behind_our_port() {
            probe::answer(session.ssh.port).await;
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
        failed(harmless(&output.stderr)).await?;
        let interval = first_try.elapsed() / 8;
        tokio::time::sleep(interval.clamp(*LOGIN_INTERVAL.start(), *LOGIN_INTERVAL.end())).await;
    }
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
