//! Waits until an SSH login works: first for any answer from the guest's server, which is cheap to
//! wait for, then for a login with the real client.

use super::{Session, Signs, master, probe};
use crate::Error;
use crate::error::SystemError;
use crate::sys::child::{ending_with_us, last_of};
use crate::text::sanitize::harmless;
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;
use tokio::time::Instant;

/// The address of the host's port that leads to the guest's server.
const LOCALHOST: &str = "127.0.0.1";

/// The interval between tries; a guest whose network is up mostly starts its server soon. It grows
/// with the time waited.
const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_millis(200);

/// The interval between tries that a server denies: it shuts out clients that fail too often
/// (`PerSourcePenalties`, sshd_config(5)).
const DENIED_INTERVAL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(8);

/// How long a try may take to reach the server's greeting. The time waited so far is added: a guest
/// that boots slowly greets slowly.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// ssh's exit status for its own failure, not the remote command's (ssh(1)).
pub const FAILED: i32 = 255;

/// What ssh says when the guest's server accepts none of its keys or passwords.
pub const DENIED: &str = "Permission denied";

/// Tries to log in to a guest, one after another.
pub struct Login<'a> {
    session: &'a Session,
    signs: &'a Signs,
    /// The VM was just started, and its guest has not answered yet.
    booting: bool,
    started: Instant,
    first_try: Option<Instant>,
    /// What ssh said about the last one.
    said: String,
}

impl<'a> Login<'a> {
    /// The tries of a session; `booting` is true for a VM that was just started and whose guest has
    /// not answered yet.
    pub fn new(session: &'a Session, signs: &'a Signs, booting: bool) -> Login<'a> {
        let started = Instant::now();
        Login { session, signs, booting, started, first_try: None, said: String::new() }
    }

    /// Makes the next try, as soon as it is worth one; returns what ssh says if it fails.
    ///
    /// # Errors
    /// OpenSSH can't be run.
    pub async fn next(&mut self) -> Result<Option<String>, Error> {
        let is_denied = self.said.contains(DENIED);
        if let Some(first_try) = self.first_try {
            let (passed, interval) = match is_denied {
                true => (first_try.elapsed(), DENIED_INTERVAL),
                false => (first_try.elapsed() / 8, INTERVAL),
            };
            tokio::time::sleep(passed.clamp(*interval.start(), *interval.end())).await;
        }
        let session = self.session;
        let turn = session.turn().await;
        // A server that denies a login exists.
        let is_there = is_denied || master::is_there(&session.dir);
        if !is_there && !session.ssh.leads_elsewhere() {
            let booting = self.booting && self.first_try.is_none();
            probe::answer((LOCALHOST, session.ssh.port), self.signs, booting).await;
        }
        self.first_try.get_or_insert_with(Instant::now);
        let patience = CONNECT_TIMEOUT + self.started.elapsed();
        let (status, stderr) = attempt(session, patience).await?;
        drop(turn);
        // The guest's shell need not know `true`: if it answers at all, the login has worked.
        if status.code().is_some_and(|code| code != FAILED) {
            return Ok(None);
        }
        self.said = harmless(&stderr);
        Ok(Some(self.said.clone()))
    }
}

impl Session {
    /// Tries to log in once, now; returns what ssh says if it fails.
    ///
    /// # Errors
    /// OpenSSH can't be run.
    pub async fn log_in_now(&self, patience: Duration) -> Result<Option<String>, Error> {
        let (status, stderr) = attempt(self, patience).await?;
        let is_in = status.code().is_some_and(|code| code != FAILED);
        Ok((!is_in).then(|| harmless(&stderr)))
    }
}

/// One try, with this time to reach the server's greeting: ssh's exit status and its words.
async fn attempt(session: &Session, patience: Duration) -> Result<(ExitStatus, Vec<u8>), Error> {
    let timeout = format!("ConnectTimeout={}", patience.as_secs());
    let mut ssh = session.tool("ssh");
    ssh.args(["-n", "-o", "BatchMode=yes", "-o", &timeout]).arg(&session.name).arg("true");
    ssh.stdout(Stdio::null()).stderr(Stdio::piped());
    let said = tokio::time::timeout(2 * patience, said(ending_with_us(ssh)));
    let Ok(said) = said.await else {
        // A shared connection can be dead without a sign; the next try makes a new one.
        master::close(&session.name, &session.dir).await;
        return Ok((ExitStatus::from_raw(FAILED << 8), b"the login hangs".to_vec()));
    };
    said.map_err(|error| {
        Error::from(SystemError::Spawn { program: "ssh".to_owned(), error, place: None })
    })
}

/// ssh's exit status and its last words.
async fn said(ssh: Command) -> io::Result<(ExitStatus, Vec<u8>)> {
    let mut child = tokio::process::Command::from(ssh).kill_on_drop(true).spawn()?;
    let stderr = match child.stderr.take() {
        Some(stderr) => last_of(stderr).await?,
        None => Vec::new(),
    };
    Ok((child.wait().await?, stderr))
}
