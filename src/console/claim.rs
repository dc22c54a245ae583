//! Finds out who is attached: the kernel names the holder of a lock.
//!
//! The file contains the pid of the process that should have the lock. A process that takes it by
//! force first writes its own pid there. So the old holder can tell this from any other SIGTERM.

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

/// The files of this process's claims. It must not open one a second time: to close that would
/// release the lock, which belongs to the process (fcntl_locking(2)).
static OURS: Shared<BTreeSet<PathBuf>> = Shared::new(BTreeSet::new());

/// The right to be attached, until dropped.
#[derive(Debug)]
pub struct Claim {
    file: File,
    // The file is closed before this is dropped.
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

/// Why the claim failed.
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
    /// Takes the lock on the file at `path`; with `force` it ends the process that has it.
    pub async fn take(path: &Path, force: bool) -> Result<Claim, Refusal> {
        let failed = |error: io::Error| Refusal::Failed(path.to_owned(), error);
        let name = Name::take(path).ok_or(Refusal::Held(std::process::id()))?;
        loop {
            if let Some(file) = try_lock(path).map_err(failed)? {
                return Ok(Claim { file, _name: name });
            }
            // The holder ended between the two calls: try again.
            let Some(holder) = Process::holding(path).map_err(failed)? else { continue };
            if !force {
                return Err(Refusal::Held(holder.pid()));
            }
            process::open_lock(path).and_then(|file| sign(&file.into())).map_err(failed)?;
            end(&holder).await.map_err(failed)?;
        }
    }

    /// The process that takes the lock from us.
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

/// Writes our pid, padded to overwrite a longer one.
fn sign(file: &File) -> io::Result<()> {
    file.write_all_at(format!("{:<11}\n", std::process::id()).as_bytes(), 0)
}

async fn end(holder: &Process) -> io::Result<()> {
    holder.signal(Signal::TERM)?;
    // A stopped process only handles the signal after it continues.
    holder.signal(Signal::CONT)?;
    if let Ok(ended) = tokio::time::timeout(GRACE, holder.ended()).await {
        return ended;
    }
    holder.signal(Signal::KILL)?;
    holder.ended().await
}
