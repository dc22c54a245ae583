//! A VM's logs: their last lines, and new output while a user follows them.

mod follow;
mod tail;

pub use follow::{Follower, Next};

use crate::Error;
use crate::config::Instance;
use crate::error::cant;
use crate::sys::holes;
use crate::vm::{VmDir, VmError, files};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::PathBuf;

/// One of a VM's logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// What the guest wrote to its serial port.
    Serial,
    /// QEMU's standard output.
    Stdout,
    /// QEMU's standard error.
    Stderr,
}

/// How much of a log's end to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// Everything since the VM's start.
    All,
    /// This many lines; an unfinished line counts.
    Last(u64),
}

impl Log {
    /// Its name in the VM's directory.
    pub fn file_name(self) -> &'static str {
        match self {
            Log::Serial => files::SERIAL,
            Log::Stdout => files::STDOUT,
            Log::Stderr => files::STDERR,
        }
    }
}

impl std::str::FromStr for Lines {
    type Err = String;

    fn from_str(text: &str) -> Result<Lines, String> {
        match text {
            "all" => Ok(Lines::All),
            _ => text.parse().map(Lines::Last).map_err(|_| "write a number, or `all`".to_owned()),
        }
    }
}

/// Opens a VM's log at the beginning of its last `lines`.
///
/// # Errors
/// The VM has never been started, or the log can't be read.
pub fn open(instance: &Instance, log: Log, lines: Lines) -> Result<File, Error> {
    let never = || Error::from(VmError::NeverStarted { vm: instance.name.clone() });
    let path = VmDir::open(instance)?.ok_or_else(never)?.file(log.file_name());
    match File::open(&path) {
        Ok(file) => at_last_lines(file, lines).map_err(|error| unreadable(path, error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(never()),
        Err(error) => Err(unreadable(path, error)),
    }
}

fn at_last_lines(mut file: File, lines: Lines) -> io::Result<File> {
    let start = match lines {
        Lines::All => whole_line_from(&file, holes::data_from(&file, 0))?,
        Lines::Last(count) => tail::start_of_last_lines(&file, count)?,
    };
    file.seek(SeekFrom::Start(start))?;
    Ok(file)
}

/// The offset of the first whole line from `start` on. The line at `start` may have lost its
/// beginning.
fn whole_line_from(file: &File, start: u64) -> io::Result<u64> {
    if start == 0 {
        return Ok(0);
    }
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(start))?;
    Ok(start + reader.skip_until(b'\n')? as u64)
}

fn unreadable(path: PathBuf, error: io::Error) -> Error {
    cant("read", &path)(error)
}
