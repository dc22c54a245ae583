//! Watching a VM's serial log, line by line from the start of its boot, as it is written.

use crate::Error;
use crate::changes::Changes;
use crate::vm::{Timeline, VmDir};
use regex::Regex;
use rustix::fs::inotify::WatchFlags;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// A line of the log is matched in pieces of this length at most, in bytes.
const LONGEST_LINE: usize = 64 << 10;

/// A log that is read as it grows.
pub struct SerialLog {
    path: PathBuf,
    file: File,
    changes: Changes,
    line: Vec<u8>,
}

impl SerialLog {
    /// Opens a VM's log where its latest boot begins.
    ///
    /// # Errors
    /// It can't be opened or watched.
    pub fn open(dir: &VmDir) -> Result<SerialLog, Error> {
        let path = dir.file("serial");
        let begins = Timeline::read(dir).map_or(0, |timeline| timeline.serial_begins);
        let open = || {
            let changes = Changes::of(&path, WatchFlags::MODIFY)?;
            let mut file = File::open(&path)?;
            file.seek(SeekFrom::Start(begins))?;
            Ok((file, changes))
        };
        match open() {
            Ok((file, changes)) => Ok(SerialLog { path, file, changes, line: Vec::new() }),
            Err(error) => Err(Error::File { action: "watch", path, error }),
        }
    }

    /// Waits until a line matches; the last one need not be complete.
    ///
    /// # Errors
    /// The log can't be read.
    pub async fn matches(&mut self, regex: &Regex) -> Result<(), Error> {
        self.find(regex).await.map_err(|error| self.unreadable(error))
    }

    fn unreadable(&self, error: io::Error) -> Error {
        Error::File { action: "read", path: self.path.clone(), error }
    }

    /// Whether a line of what is there now matches.
    ///
    /// # Errors
    /// The log can't be read.
    pub fn has(&mut self, regex: &Regex) -> Result<bool, Error> {
        loop {
            match self.read_on(regex).map_err(|error| self.unreadable(error))? {
                Found::Match => return Ok(true),
                Found::More => {}
                Found::End => return Ok(false),
            }
        }
    }

    /// Waits until the guest has said nothing for the time of `quiet`, or for ten times that.
    pub async fn settle(&self, quiet: Duration) {
        let deadline = Instant::now() + 10 * quiet;
        while Instant::now() < deadline {
            if tokio::time::timeout(quiet, self.changes.next()).await.is_err() {
                return;
            }
        }
    }

    async fn find(&mut self, regex: &Regex) -> io::Result<()> {
        loop {
            match self.read_on(regex)? {
                Found::Match => return Ok(()),
                // A guest may write faster than we read.
                Found::More => tokio::task::yield_now().await,
                Found::End => self.changes.next().await?,
            }
        }
    }

    /// Reads a part of what is there now.
    fn read_on(&mut self, regex: &Regex) -> io::Result<Found> {
        let mut chunk = [0; 16 << 10];
        let count = self.file.read(&mut chunk)?;
        if count == 0 {
            return Ok(if is_match(regex, &self.line) { Found::Match } else { Found::End });
        }
        for &byte in &chunk[..count] {
            if byte == b'\n' || self.line.len() == LONGEST_LINE {
                let line = std::mem::take(&mut self.line);
                if is_match(regex, &line) {
                    return Ok(Found::Match);
                }
            }
            if byte != b'\n' {
                self.line.push(byte);
            }
        }
        Ok(Found::More)
    }
}

/// What a part of the log came to.
enum Found {
    Match,
    More,
    End,
}

fn is_match(regex: &Regex, line: &[u8]) -> bool {
    !line.is_empty() && regex.is_match(String::from_utf8_lossy(line).trim_end_matches('\r'))
}
