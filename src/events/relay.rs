//! The relay: one QMP connection in, every listener out.

use super::attach::open_lock;
use super::notice::{Line, Notice};
use crate::qmp::{self, Client};
use crate::vm::{VmDir, connect_qmp};
use rustix::fs::FlockOperation;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// The name under which a relay is executed; its one argument is the VM's directory.
pub const RELAY: &str = "qqmgr-events-relay";

/// Where it listens, in the VM's directory.
pub const SOCKET: &str = "relay.socket";

/// What it locks.
pub const LOCK: &str = "relay.lock";

/// How long it stays when nobody listens, so that a loop of short listeners keeps one relay.
const LINGER: Duration = Duration::from_millis(500);

/// How long after a failure another connection is accepted.
const RETRY: Duration = Duration::from_millis(10);

/// How long QEMU may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// How many events may wait for a listener, beyond what the kernel keeps for it.
const BACKLOG: usize = 1024;

/// How long slow listeners have for the last events when QEMU has ended.
const FLUSH: Duration = Duration::from_secs(5);

/// Serves the VM in `dir` from the listening socket on standard input, until the last listener
/// has left or QEMU has ended.
///
/// # Errors
/// There is no such socket, or the system refuses something.
pub fn relay(dir: &Path) -> io::Result<()> {
    let socket = std::os::unix::net::UnixListener::from(io::stdin().as_fd().try_clone_to_owned()?);
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    socket.set_nonblocking(true)?;
    let dir = VmDir::at(dir).map_err(io::Error::other)?.ok_or(ErrorKind::NotFound)?;
    let lock = open_lock(&dir)?;
    // One that was killed may not be quite gone.
    rustix::fs::fcntl_lock(&lock, FlockOperation::LockExclusive)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let place = identity(&dir);
        let relay = Relay { dir, lock, socket: UnixListener::from_std(socket)?, place };
        relay.run().await
    })
}

struct Relay {
    dir: VmDir,
    lock: OwnedFd,
    socket: UnixListener,
    /// The file of that socket, whose number nobody else gets as long as it is open.
    place: Option<(u64, u64)>,
}

/// Which file has the socket's name.
fn identity(dir: &VmDir) -> Option<(u64, u64)> {
    let file = std::fs::symlink_metadata(dir.file(SOCKET)).ok()?;
    Some((file.dev(), file.ino()))
}

impl Relay {
    async fn run(self) -> io::Result<()> {
        let process = self.dir.process().map_err(io::Error::other)?;
        let Some(process) = process else {
            return self.retire().map(drop);
        };
        let dialled = tokio::select! {
            result = timeout(PATIENCE, connect_qmp(&self.dir, "events.socket", &process)) => result,
            ended = process.ended() => {
                ended?;
                return self.retire().map(drop);
            }
        };
        match dialled {
            Ok(Ok(client)) => self.serve(client, process.pid()).await,
            Ok(Err(error)) => self.refuse(error.to_string()).await,
            Err(_) => self.refuse("QEMU does not answer on events.socket".to_owned()).await,
        }
    }

    /// Passes on events until there is nobody to pass them to, or nobody to take them from.
    async fn serve(self, mut client: Client, pid: u32) -> io::Result<()> {
        let (events, _) = broadcast::channel(BACKLOG);
        let hello: Arc<str> = Line::Notice(Notice::Live { pid }).text()?.into();
        let mut listeners = JoinSet::new();
        let mut idle = Instant::now();
        let last = loop {
            let lonely = listeners.is_empty();
            tokio::select! {
                // What QEMU said before a listener came is not for it, and an end is an end.
                biased;
                event = client.event() => match event {
                    Ok(event) => send(&events, Line::Event(event))?,
                    Err(qmp::Error::Closed) => break Notice::Ended,
                    Err(error) => break Notice::Failed { reason: error.to_string() },
                },
                stream = self.socket.accept() => {
                    let stream = match stream {
                        Ok((stream, _)) => stream,
                        // Those who listen already are not to lose anything for it.
                        Err(error) if is_passing(&error) => {
                            tokio::time::sleep(RETRY).await;
                            continue;
                        }
                        Err(error) => return Err(error),
                    };
                    listeners.spawn(listener(stream, hello.clone(), events.subscribe()));
                }
                Some(_) = listeners.join_next() => idle = Instant::now(),
                () = tokio::time::sleep_until(idle + LINGER), if lonely => {
                    match self.may_leave()? {
                        Leave::Now => return Ok(()),
                        Leave::Later => idle = Instant::now(),
                        Leave::NotYet(stream) => {
                            listeners.spawn(listener(stream, hello.clone(), events.subscribe()));
                        }
                    }
                }
            }
        };
        self.retire()?;
        send(&events, Line::Notice(last))?;
        drop(events);
        let _ = timeout(FLUSH, listeners.join_all()).await;
        Ok(())
    }

    /// Tells those who wait that nothing will come.
    async fn refuse(self, reason: String) -> io::Result<()> {
        let line = Line::Notice(Notice::Failed { reason }).text()?;
        for mut stream in self.retire()? {
            let _ = stream.write_all(line.as_bytes()).await;
        }
        Ok(())
    }

    /// Retires if nobody has come at the last moment. Who holds the flock may be about to.
    fn may_leave(&self) -> io::Result<Leave> {
        match rustix::fs::flock(&self.lock, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(Leave::Later),
            result => result?,
        }
        match self.take_waiting()? {
            Some(stream) => {
                rustix::fs::flock(&self.lock, FlockOperation::Unlock)?;
                Ok(Leave::NotYet(stream))
            }
            None => {
                self.remove();
                Ok(Leave::Now)
            }
        }
    }

    /// Makes way for another relay; returns those who came too late.
    fn retire(self) -> io::Result<Vec<UnixStream>> {
        rustix::fs::flock(&self.lock, FlockOperation::LockExclusive)?;
        self.remove();
        let mut late = Vec::new();
        while let Some(stream) = self.take_waiting()? {
            late.push(stream);
        }
        Ok(late)
    }

    /// Removes the socket's file, unless by now it is that of the relay after this one.
    fn remove(&self) {
        if self.place.is_some() && identity(&self.dir) == self.place {
            self.dir.remove(SOCKET);
        }
    }

    fn take_waiting(&self) -> io::Result<Option<UnixStream>> {
        match rustix::net::accept(&self.socket) {
            Ok(fd) => {
                let stream = std::os::unix::net::UnixStream::from(fd);
                stream.set_nonblocking(true)?;
                UnixStream::from_std(stream).map(Some)
            }
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether a connection could be accepted later: it was broken off, or there are no descriptors
/// left (accept(2)).
fn is_passing(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let passing = [Errno::CONNABORTED, Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| passing.contains(&code))
}

/// Whether an idle relay may leave.
enum Leave {
    Now,
    Later,
    NotYet(UnixStream),
}

fn send(events: &broadcast::Sender<Arc<str>>, line: Line) -> io::Result<()> {
    // Without listeners there is nobody to miss it.
    let _ = events.send(line.text()?.into());
    Ok(())
}

/// Writes to one listener until one of the three has had enough.
async fn listener(stream: UnixStream, hello: Arc<str>, events: broadcast::Receiver<Arc<str>>) {
    let (mut from, to) = stream.into_split();
    let mut byte = [0];
    tokio::select! {
        _ = pass_on(to, hello, events) => {}
        _ = from.read(&mut byte) => {}
    }
}

async fn pass_on(
    mut to: impl AsyncWriteExt + Unpin,
    hello: Arc<str>,
    mut events: broadcast::Receiver<Arc<str>>,
) -> io::Result<()> {
    to.write_all(hello.as_bytes()).await?;
    loop {
        match events.recv().await {
            Ok(line) => to.write_all(line.as_bytes()).await?,
            Err(RecvError::Closed) => return Ok(()),
            Err(RecvError::Lagged(_)) => {
                return to.write_all(Line::Notice(Notice::Lagged).text()?.as_bytes()).await;
            }
        }
    }
}
