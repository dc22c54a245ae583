//! What qqmgr itself writes into a VM's directory: records, whole or not at all, and new logs.

use super::dir::VmDir;
use crate::Error;
use crate::error::cant;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

/// The prefix of a file's name while the file is being written.
const HALF_WRITTEN: &str = ".tmp";

/// Longer than a writer needs for a few bytes.
const WRITING: Duration = Duration::from_mins(1);

impl VmDir {
    /// Waits for the right to change a record that other processes change too. The caller has it
    /// until it drops the result, and everybody drops it soon.
    pub fn turn(&self) -> Option<OwnedFd> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let own = rustix::fs::openat(self, ".", flags, Mode::empty()).ok()?;
        rustix::fs::flock(&own, FlockOperation::LockExclusive).ok()?;
        Some(own)
    }

    /// Writes a file, whole or not at all.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, Error> {
        let path = self.file(name);
        let write = || -> io::Result<()> {
            let mut file = tempfile::Builder::new().prefix(HALF_WRITTEN).tempfile_in(&self.path)?;
            file.write_all(bytes)?;
            file.persist(&path)?;
            Ok(())
        };
        match write() {
            Ok(()) => Ok(path),
            Err(error) => Err(cant("write", &path)(error)),
        }
    }

    /// Writes a record as JSON, as [`VmDir::write`] does.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write_record(&self, name: &str, record: &impl Serialize) -> Result<(), Error> {
        let json = serde_json::to_vec(record).map_err(io::Error::from);
        let json = json.map_err(cant("write", &self.file(name)))?;
        self.write(name, &json).map(drop)
    }

    /// Reads a record; `None` if it does not exist.
    ///
    /// # Errors
    /// It can't be read, or is not a record of this type.
    pub fn read_record<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        let path = self.file(name);
        let record = match std::fs::read(&path) {
            Ok(json) => serde_json::from_slice(&json).map(Some).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        record.map_err(cant("read", &path))
    }

    /// Creates a new log file for QEMU's output, so that a reader of the old file notices, and can
    /// read it to its end.
    ///
    /// # Errors
    /// It can't be made.
    pub fn begin_log(&self, name: &str) -> Result<File, Error> {
        let path = self.file(name);
        let begin = || {
            match rustix::fs::unlinkat(self, name, AtFlags::empty()) {
                Ok(()) | Err(rustix::io::Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
            File::options().create_new(true).write(true).mode(0o600).open(&path)
        };
        begin().map_err(cant("begin", &path))
    }

    /// Removes the unfinished files of writers that were killed.
    pub(super) fn remove_half_written(&self) {
        for entry in std::fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let written = entry.metadata().and_then(|metadata| metadata.modified());
            let is_old = || written.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > WRITING));
            if let Some(name) = entry.file_name().to_str()
                && name.starts_with(HALF_WRITTEN)
                && is_old()
            {
                self.remove(name);
            }
        }
    }
}
