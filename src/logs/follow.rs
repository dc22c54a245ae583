//! Follows a log through restarts of its VM, woken by inotify and by the end of the process.

use super::{Lines, Log, at_last_lines, unreadable};
use crate::Error;
use crate::config::Instance;
use crate::sys::changes::Changes;
use crate::sys::process::Process;
use crate::vm::{VmDir, VmError};
use inotify::WatchMask;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;
use tokio::time::Instant;

/// The size of one read, in bytes.
const CHUNK: usize = 64 << 10;

/// How long a stop or restart may take for the rest of its work after the process has ended.
const RESTART_PATIENCE: Duration = Duration::from_secs(30);

/// A log that is followed.
pub struct Follower {
    vm: String,
    log: Log,
    dir: VmDir,
    changes: Changes,
    file: Option<File>,
    process: Option<Process>,
    retry: bool,
}

/// What happened next to a followed log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// There are more bytes.
    Bytes,
    /// The VM was started again: a new log begins.
    Anew,
    /// The VM has ended, and there is no more output.
    End,
}

impl Follower {
    /// Begins to follow where the last `lines` of the log begin. With `retry` the follower stays
    /// after the VM's end: it waits for the next start, and for the first.
    ///
    /// # Errors
    /// The VM has never been started and `retry` is false, or the log can't be read.
    pub fn open(
        instance: &Instance,
        log: Log,
        lines: Lines,
        retry: bool,
    ) -> Result<Follower, Error> {
        let vm = instance.name.clone();
        let dir = match retry {
            true => VmDir::create(instance)?,
            false => VmDir::open(instance)?
                .ok_or_else(|| Error::from(VmError::NeverStarted { vm: vm.clone() }))?,
        };
        // The watch begins before the first read, so that nothing is missed. The watch on the
        // directory also reports writes to the files in it.
        let kinds = WatchMask::MODIFY | WatchMask::CREATE | WatchMask::MOVED_TO;
        let changes = Changes::of(&[&dir.file("")], kinds);
        let changes = changes.map_err(|error| unreadable(dir.file(""), error))?;
        let process = dir.process()?;
        let mut follower = Follower { vm, log, dir, changes, file: None, process, retry };
        let found =
            follower.reopen().and_then(|file| file.map(|f| at_last_lines(f, lines)).transpose());
        follower.file = found.map_err(|error| follower.failed(error))?;
        match follower.file {
            None if !retry => Err(VmError::NeverStarted { vm: follower.vm }.into()),
            _ => Ok(follower),
        }
    }

    /// Whether the VM has a process.
    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Waits for the next event, and replaces the contents of `bytes` with the new bytes.
    ///
    /// # Errors
    /// The log can't be read.
    pub async fn next(&mut self, bytes: &mut Vec<u8>) -> Result<Next, Error> {
        loop {
            if let Some(next) = self.read(bytes).map_err(|error| self.failed(error))? {
                return Ok(next);
            }
            if self.process.is_none() {
                self.process = self.dir.process()?;
            }
            if self.process.is_none() && !self.retry {
                return Ok(Next::End);
            }
            if self.wait().await.map_err(|error| self.failed(error))? {
                // Its last output is in the log by now, so the log is read again first.
                self.process = self.successor().await?;
            }
        }
    }

    /// Reads what the log already contains.
    fn read(&mut self, bytes: &mut Vec<u8>) -> io::Result<Option<Next>> {
        bytes.clear();
        if let Some(file) = &mut self.file {
            // Each start makes a new file, so a user has truncated this one: `: >serial`.
            if file.metadata()?.len() < file.stream_position()? {
                file.rewind()?;
            }
            if file.take(CHUNK as u64).read_to_end(bytes)? > 0 {
                return Ok(Some(Next::Bytes));
            }
        }
        let newer = self.reopen()?;
        let anew = newer.is_some();
        if anew {
            self.file = newer;
        }
        Ok(anew.then_some(Next::Anew))
    }

    /// The new log, if its name leads to another file than the open one.
    fn reopen(&self) -> io::Result<Option<File>> {
        let newer = match File::open(self.dir.file(self.log.file_name())) {
            Ok(newer) => newer,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // An inode number is not reused while we hold the file open.
        let identity = |file: &File| file.metadata().map(|meta| (meta.dev(), meta.ino()));
        match &self.file {
            Some(file) if identity(file)? == identity(&newer)? => Ok(None),
            _ => Ok(Some(newer)),
        }
    }

    /// Waits for a change in the VM's directory; true when its process has ended.
    async fn wait(&mut self) -> io::Result<bool> {
        let ended = async {
            match &self.process {
                Some(process) => process.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            result = self.changes.next() => result.map(|()| false),
            result = ended => result.map(|()| true),
        }
    }

    /// The next process after the one that has ended. A restart holds the VM's lock from the stop
    /// to the start, so it is over when the lock is free.
    async fn successor(&self) -> Result<Option<Process>, Error> {
        let _lock = self.dir.lock(&self.vm, Instant::now() + RESTART_PATIENCE).await;
        self.dir.process()
    }

    fn failed(&self, error: io::Error) -> Error {
        unreadable(self.dir.file(self.log.file_name()), error)
    }
}
