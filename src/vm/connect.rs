//! Connects to a VM's QMP: to the right process, within a bounded time, and says what failed.

use super::dir::{VmDir, socket_argument};
use super::error::VmError;
use super::files;
use super::launch::Launch;
use super::liveness::Running;
use crate::Error;
use crate::qmp::{self, Client};
use crate::sys::deadline;
use crate::sys::process::Process;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::Instant;

/// The interval at which a socket is tried again. QEMU sends no signal when it listens, and a
/// millisecond is a fiftieth of its launch.
const CONNECT_INTERVAL: Duration = Duration::from_millis(1);

/// The longest time between two looks at the kernel's table of sockets.
const LONGEST_INTERVAL: Duration = Duration::from_millis(100);

/// How long QEMU may take to greet, also when the command that follows may take longer.
const GREETING_PATIENCE: Duration = Duration::from_secs(5);

impl Running {
    /// Runs `exchange` on a fresh QMP connection, connecting included, within `patience`.
    ///
    /// # Errors
    /// QMP does not answer in time, answers nonsense or hangs up.
    pub async fn qmp<T>(
        &self,
        patience: Duration,
        exchange: impl AsyncFnOnce(&mut Client) -> Result<T, qmp::Error>,
    ) -> Result<T, Error> {
        let deadline = deadline::within(patience);
        let greeted_by = deadline.min(Instant::now() + GREETING_PATIENCE);
        let connecting = connect_qmp(&self.dir, files::QMP_SOCKET, &self.process);
        let mut connecting = std::pin::pin!(connecting);
        let connected = tokio::select! {
            biased;
            result = &mut connecting => result,
            ended = self.process.ended() => {
                Err(ended.map_or_else(Into::into, |()| qmp::Error::Closed))
            }
            () = tokio::time::sleep_until(greeted_by) => {
                // Our own connection is still open, so the kernel's table tells which client QEMU
                // serves.
                let held = is_held(&self.path_as_told(files::QMP_SOCKET));
                return Err(self.timed_out(patience.min(GREETING_PATIENCE), held));
            }
        };
        let mut client = match connected {
            Ok(client) => client,
            Err(error) => return Err(self.failed(error, deadline).await),
        };
        match tokio::time::timeout_at(deadline, exchange(&mut client)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.failed(error, deadline).await),
            Err(_) => Err(self.timed_out(patience, false)),
        }
    }

    /// Connects to any socket of the VM; `None` when QEMU still serves another client there after
    /// `patience`.
    ///
    /// # Errors
    /// QEMU does not listen.
    pub async fn dial(&self, socket: &str, patience: Duration) -> io::Result<Option<UnixStream>> {
        let deadline = deadline::within(patience);
        let path = self.path_as_told(socket);
        let connected = connect(&self.dir, socket, &self.process);
        let stream = match tokio::time::timeout_at(deadline, connected).await {
            Ok(result) => result?,
            Err(_) if is_held(&path) => return Ok(None),
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        };
        let mut interval = CONNECT_INTERVAL;
        while has_clients(&path, WAITING) {
            if Instant::now() > deadline {
                return Ok(None);
            }
            // The kernel lists the sockets of the whole host each time.
            tokio::time::sleep(interval).await;
            interval = LONGEST_INTERVAL.min(2 * interval);
        }
        Ok(Some(stream))
    }

    /// The path that QEMU was given for a socket, by which the kernel lists it.
    fn path_as_told(&self, socket: &str) -> PathBuf {
        let path = self.dir.file(socket);
        let launch = Launch::read(&self.dir).ok().flatten();
        match launch.as_ref().and_then(|launch| launch.config.parent()) {
            Some(working_dir) => socket_argument(&path, working_dir),
            None => path,
        }
    }

    /// A lost connection is mostly the first sign that the process ends. The user should read that
    /// it ended, so this waits for the end.
    async fn failed(&self, error: qmp::Error, deadline: Instant) -> Error {
        if matches!(error, qmp::Error::Closed | qmp::Error::Io(_)) {
            let _ = tokio::time::timeout_at(deadline, self.process.ended()).await;
        }
        Error::from(VmError::Qmp { vm: self.name.clone(), pid: self.process.pid(), error })
    }

    fn timed_out(&self, waited: Duration, held: bool) -> Error {
        Error::from(VmError::QmpTimeout {
            vm: self.name.clone(),
            pid: self.process.pid(),
            waited,
            held,
        })
    }
}

/// Connects a QMP client to a socket in `dir`, if `process` is the one that listens.
///
/// # Errors
/// Another process listens, or the handshake fails.
pub async fn connect_qmp(
    dir: &VmDir,
    socket: &str,
    process: &Process,
) -> Result<Client, qmp::Error> {
    let stream = connect(dir, socket, process).await?;
    Client::handshake(stream).await
}

/// Connects to a socket in `dir`, if `process` is the one that listens.
///
/// # Errors
/// Another process listens, or no process can listen any more.
async fn connect(dir: &VmDir, socket: &str, process: &Process) -> io::Result<UnixStream> {
    let stream = open(dir, socket).await?;
    // Another VM may use this path by now: the credentials are the listener's (unix(7)).
    let peer = rustix::net::sockopt::socket_peercred(&stream)?;
    match peer.pid.as_raw_nonzero().get().unsigned_abs() == process.pid() {
        true => Ok(stream),
        false => Err(io::Error::other("the socket belongs to another process")),
    }
}

/// Connects to a socket in `dir` as soon as QEMU listens and its queue has room.
///
/// # Errors
/// The socket can never be connected to.
pub async fn open(dir: &VmDir, socket: &str) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(dir.socket(socket)).await {
            Err(error) if is_not_yet(&error) => tokio::time::sleep(CONNECT_INTERVAL).await,
            result => return result,
        }
    }
}

/// QEMU has not bound its socket yet, does not listen yet, or has one client and a second one that
/// waits: a non-blocking connect(2) to a full queue fails.
fn is_not_yet(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, NotFound, WouldBlock};
    matches!(error.kind(), NotFound | ConnectionRefused | WouldBlock)
}

/// Whether QEMU serves another client on this socket, so that ours waits.
fn is_held(socket: &Path) -> bool {
    has_clients(socket, SERVED) && has_clients(socket, WAITING)
}

/// The state of a connection that QEMU has accepted (`SS_CONNECTED` in `/proc/net/unix`).
const SERVED: &str = "03 ";

/// The state of a connection that QEMU has not accepted yet (`SS_CONNECTING`).
const WAITING: &str = "02 ";

/// Whether clients of any process are connected to this socket, in this state: the kernel lists
/// QEMU's ends of their connections under the listener's path.
fn has_clients(socket: &Path, state: &str) -> bool {
    let table = std::fs::read_to_string("/proc/net/unix").unwrap_or_default();
    table.lines().any(|line| {
        let mut fields = line.splitn(6, ' ').skip(5);
        // The rest is the state, the inode (padded) and the path, which may contain spaces.
        let matching = fields.next().and_then(|rest| rest.strip_prefix(state));
        let path = matching.and_then(|rest| rest.trim_start().split_once(' '));
        path.is_some_and(|(_, path)| Path::new(path) == socket)
    })
}
