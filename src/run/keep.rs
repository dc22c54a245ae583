//! Keeps logs and the screen of a throwaway instance, in whatever way the run ends.

use crate::config::Instance;
use crate::error::cant;
use crate::events::Told;
use crate::logs::{self, Lines, Log};
use crate::sys::{destination, whole_file};
use crate::target::Target;
use crate::vm::{EventLog, VmDir, VmError};
use crate::{Error, screen};
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long QEMU may take to draw the screen.
const PATIENCE: Duration = Duration::from_secs(10);

/// The size of a read, in bytes.
const CHUNK: usize = 64 << 10;

/// What to keep, and where.
#[derive(Clone, Debug, Default)]
pub struct Keep {
    /// The serial log.
    pub serial: Option<SerialTo>,
    /// The QMP events of its life, one JSON document per line.
    pub events: Option<PathBuf>,
    /// The screen at the end, as PNG.
    pub screenshot: Option<PathBuf>,
}

/// A function that receives the log's bytes.
pub type Taker = dyn Fn(&[u8]) + Send + Sync;

/// The target of the serial log.
#[derive(Clone)]
pub enum SerialTo {
    /// A file.
    File(PathBuf),
    /// A function of the caller, which gets the log in pieces.
    Caller(Arc<Taker>),
}

impl fmt::Debug for SerialTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SerialTo::File(path) => f.debug_tuple("File").field(path).finish(),
            SerialTo::Caller(_) => f.write_str("Caller"),
        }
    }
}

impl Keep {
    /// Checks that all files can be written, before anything runs.
    pub(super) fn prepare(&self) -> Result<(), Error> {
        let serial = match &self.serial {
            Some(SerialTo::File(path)) => Some(path),
            _ => None,
        };
        for path in [serial, self.events.as_ref(), self.screenshot.as_ref()].into_iter().flatten() {
            let taken = match path.is_dir() {
                true => Err(io::ErrorKind::IsADirectory.into()),
                false => destination::writable(path, false),
            };
            taken.map_err(cant("write", path))?;
        }
        Ok(())
    }

    /// Writes everything; returns what failed.
    pub(super) async fn save(&self, instance: &Instance) -> Vec<Error> {
        let serial = self.serial.as_ref().map(|to| serial(instance, to));
        let events = self.events.as_ref().map(|path| events(instance, path));
        let screen = match &self.screenshot {
            Some(path) => Some(screenshot(instance, path).await),
            None => None,
        };
        [serial, events, screen].into_iter().flatten().filter_map(Result::err).collect()
    }
}

/// Copies the serial log; an instance that was never started has an empty one.
fn serial(instance: &Instance, to: &SerialTo) -> Result<(), Error> {
    let log = match logs::open(instance, Log::Serial, Lines::All) {
        Ok(log) => Some(log),
        Err(error) if matches!(error.get(), Some(VmError::NeverStarted { .. })) => None,
        Err(error) => return Err(error),
    };
    match to {
        SerialTo::File(path) => {
            let copy = || {
                let mut file = File::create(path)?;
                log.map_or(Ok(0), |mut log| io::copy(&mut log, &mut file))
            };
            copy().map(drop).map_err(cant("write", path))
        }
        SerialTo::Caller(tell) => {
            let mut bytes = Vec::new();
            while let Some(log) = &log {
                bytes.clear();
                let read = log.take(CHUNK as u64).read_to_end(&mut bytes);
                if read.map_err(cant("read", &instance.dir.join(Log::Serial.file_name())))? == 0 {
                    break;
                }
                tell(&bytes);
            }
            Ok(())
        }
    }
}

fn events(instance: &Instance, path: &Path) -> Result<(), Error> {
    let failed = cant("write", path);
    let mut file = BufWriter::new(File::create(path).map_err(failed)?);
    let mut log = match VmDir::open(instance)? {
        Some(dir) => EventLog::open_last(&dir)?,
        None => None,
    };
    while let Some(log) = &mut log
        && let Some(line) = log.next_line()?
    {
        if let Some(Told::Event(event)) = Told::of(&line) {
            let line = serde_json::to_string(&event).map_err(io::Error::from);
            line.and_then(|line| writeln!(file, "{line}")).map_err(failed)?;
        }
    }
    file.flush().map_err(failed)
}

async fn screenshot(instance: &Instance, path: &Path) -> Result<(), Error> {
    let picture = screen::screenshot(&Target::Vm(instance.clone()), None, PATIENCE).await?;
    whole_file::write(path, &picture.png).map_err(cant("write", path))
}
