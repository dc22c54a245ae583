//! Waiting until an SSH login works: first for any word from the guest's server, which is cheap to
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

/// Where the port of the host is that leads to the guest's server.
const LOCALHOST: &str = "127.0.0.1";

/// Between two tries, as a guest whose network is up is mostly about to start its server; the
/// longer it takes, the longer it will.
const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_millis(200);

/// Between two tries that a server denies: it shuts out those who fail too often
/// (`PerSourcePenalties`, sshd_config(5)).
const DENIED_INTERVAL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(8);

/// How long a try may take to reach the server's greeting, besides the time that has passed by
/// then: a guest that is slow to boot is slow to greet.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The exit status with which ssh speaks of itself, not of the remote command (ssh(1)).
pub const FAILED: i32 = 255;

/// What ssh says where the guest's server lets nobody in with what it is shown.
pub const DENIED: &str = "Permission denied";

/// Tries to log in to a guest, one after the other.
pub struct Login<'a> {
    session: &'a Session,
    signs: &'a Signs,
    /// Nothing has been heard yet of a VM that was just started.
    booting: bool,
    started: Instant,
    first_try: Option<Instant>,
    /// What ssh said of the last one.
    said: String,
}

impl<'a> Login<'a> {
    /// The tries of a session; `booting` is a VM that was just started, of which nothing has been
    /// heard yet.
    pub fn new(session: &'a Session, signs: &'a Signs, booting: bool) -> Login<'a> {
        let started = Instant::now();
        Login { session, signs, booting, started, first_try: None, said: String::new() }
    }

    /// The next try, as soon as it is worth one; what ssh says if it fails.
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
        // A server that denies a login is there.
        let is_there = is_denied || master::is_there(&session.dir);
        if !is_there && !session.ssh.leads_elsewhere() {
            let booting = self.booting && self.first_try.is_none();
            probe::answer((LOCALHOST, session.ssh.port), self.signs, booting).await;
        }
        self.first_try.get_or_insert_with(Instant::now);
        let patience = CONNECT_TIMEOUT + self.started.elapsed();
        let (status, stderr) = attempt(session, patience).await?;
        drop(turn);
        // Whatever `true` is to the guest's shell: to answer at all it let us in.
        if status.code().is_some_and(|code| code != FAILED) {
            return Ok(None);
        }
        self.said = harmless(&stderr);
        Ok(Some(self.said.clone()))
    }
}

impl Session {
    /// One try to log in, now; what ssh says if it fails.
    ///
    /// # Errors
    /// OpenSSH can't be run.
    pub async fn log_in_now(&self, patience: Duration) -> Result<Option<String>, Error> {
        let (status, stderr) = attempt(self, patience).await?;
        let is_in = status.code().is_some_and(|code| code != FAILED);
        Ok((!is_in).then(|| harmless(&stderr)))
    }
}

/// One try, with this time to reach the server's greeting: how ssh ends, and what it says.
async fn attempt(session: &Session, patience: Duration) -> Result<(ExitStatus, Vec<u8>), Error> {
    let timeout = format!("ConnectTimeout={}", patience.as_secs());
    let mut ssh = session.tool("ssh");
    ssh.args(["-n", "-o", "BatchMode=yes", "-o", &timeout]).arg(&session.name).arg("true");
    ssh.stdout(Stdio::null()).stderr(Stdio::piped());
    let said = tokio::time::timeout(2 * patience, said(ending_with_us(ssh)));
    let Ok(said) = said.await else {
        // A shared connection can be dead and nobody knows; the next try makes a new one.
        master::close(&session.name, &session.dir).await;
        return Ok((ExitStatus::from_raw(FAILED << 8), b"the login hangs".to_vec()));
    };
    said.map_err(|error| {
        Error::from(SystemError::Spawn { program: "ssh".to_owned(), error, place: None })
    })
}

/// How ssh ends, and what it says at last.
async fn said(ssh: Command) -> io::Result<(ExitStatus, Vec<u8>)> {
    let mut child = tokio::process::Command::from(ssh).kill_on_drop(true).spawn()?;
    let stderr = match child.stderr.take() {
        Some(stderr) => last_of(stderr).await?,
        None => Vec::new(),
    };
    Ok((child.wait().await?, stderr))
}
