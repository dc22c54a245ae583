//! Who is attached: the holder of a lock, as the kernel tells it.
//!
//! The file's content is the pid of whoever shall have the lock. Who takes it over by force
//! writes that first, so that the holder can tell such an end from any other SIGTERM.

use super::error::ConsoleError;
use super::port::Port;
use crate::Error;
use crate::error::cant;
use crate::sys::process::{self, Process};
use crate::sys::shared::Shared;
use rustix::fs::FlockOperation;
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a holder may take to restore its terminal and leave.
const GRACE: Duration = Duration::from_secs(3);

/// What this process is attached to. It must not open a file a second time: to close that would give
/// up the lock, which is the process's (fcntl_locking(2)).
static OURS: Shared<BTreeSet<PathBuf>> = Shared::new(BTreeSet::new());

/// The right to be attached, until dropped.
#[derive(Debug)]
pub struct Claim {
    file: File,
    // Dropped after the file is closed.
    _name: Name,
}

/// The only use of a file in this process, until dropped.
#[derive(Debug)]
struct Name(PathBuf);

impl Name {
    fn take(path: &Path) -> Option<Name> {
        OURS.lock().insert(path.to_owned()).then(|| Name(path.to_owned()))
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        OURS.lock().remove(&self.0);
    }
}

/// Why there is no claim.
#[derive(Debug)]
pub enum Refusal {
    /// This process has it.
    Held(u32),
    /// The file can't be used.
    Failed(PathBuf, io::Error),
}

impl Refusal {
    pub fn error(self, vm: &str, port: Port) -> Error {
        match self {
            Refusal::Held(pid) => {
                ConsoleError::Held { vm: vm.to_owned(), port, pid: Some(pid) }.into()
            }
            Refusal::Failed(path, error) => cant("lock", &path)(error),
        }
    }
}

impl Claim {
    /// Takes the lock on the file at `path`; with `force` ends the process that has it.
    pub async fn take(path: &Path, force: bool) -> Result<Claim, Refusal> {
        let failed = |error: io::Error| Refusal::Failed(path.to_owned(), error);
        let name = Name::take(path).ok_or(Refusal::Held(std::process::id()))?;
        loop {
            if let Some(file) = try_lock(path).map_err(failed)? {
                return Ok(Claim { file, _name: name });
            }
            // Gone in between: then it is ours to take.
            let Some(holder) = Process::holding(path).map_err(failed)? else { continue };
            if !force {
                return Err(Refusal::Held(holder.pid()));
            }
            process::open_lock(path).and_then(|file| sign(&file.into())).map_err(failed)?;
            end(&holder).await.map_err(failed)?;
        }
    }

    /// Who wants the lock in our place.
    pub fn successor(&self) -> Option<u32> {
        let mut text = [0; 16];
        let length = self.file.read_at(&mut text, 0).ok()?;
        let pid = std::str::from_utf8(&text[..length]).ok()?.trim().parse().ok()?;
        (pid != std::process::id()).then_some(pid)
    }
}

fn try_lock(path: &Path) -> io::Result<Option<File>> {
    let file = File::from(process::open_lock(path)?);
    match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => sign(&file).map(|()| Some(file)),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Writes our pid, padded so that nothing is left of a longer one.
fn sign(file: &File) -> io::Result<()> {
    file.write_all_at(format!("{:<11}\n", std::process::id()).as_bytes(), 0)
}

async fn end(holder: &Process) -> io::Result<()> {
    holder.signal(Signal::TERM)?;
    // One that was stopped sees the signal only when it goes on.
    holder.signal(Signal::CONT)?;
    if let Ok(ended) = tokio::time::timeout(GRACE, holder.ended()).await {
        return ended;
    }
    holder.signal(Signal::KILL)?;
    holder.ended().await
}
