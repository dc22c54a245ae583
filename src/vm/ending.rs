//! Records how a VM ends, and finds that out later: from the event log, from qqmgr's own record of
//! who asked, or else from QEMU's last words.

use super::dir::VmDir;
use super::ended::{By, Ended, Method};
use super::explain::last_words;
use super::files;
use super::history::History;
use super::panic;
use crate::sys::clock;
use serde::{Deserialize, Serialize};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

/// What qqmgr records when it ends a VM.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Which verb.
    pub by: By,
    /// When it began, then when it was done; in seconds since 1970.
    pub at: f64,
    /// How, once it is done.
    pub method: Option<Method>,
    /// What QEMU said of it.
    pub detail: Option<String>,
}

impl Record {
    /// A record that begins now.
    pub fn new(by: By) -> Record {
        Record { by, at: clock::now(), method: None, detail: None }
    }

    /// The record of the VM's latest life.
    pub fn read(dir: &VmDir) -> Option<Record> {
        serde_json::from_slice(&std::fs::read(dir.file(files::END)).ok()?).ok()
    }

    /// Writes it into `file`, on which the caller holds the lock that says that a stop goes on. A
    /// second descriptor of that file would release the lock when it is closed.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&self, file: &OwnedFd) -> io::Result<()> {
        let mut json = serde_json::to_vec(self)?;
        // Spaces replace the rest of a longer record: another process may be reading the file, so
        // it is never truncated.
        let before = usize::try_from(rustix::fs::fstat(file)?.st_size).unwrap_or(0);
        json.resize(json.len().max(before), b' ');
        rustix::io::pwrite(file, &json, 0)?;
        Ok(())
    }
}

impl Ended {
    /// How the stopped VM in `dir` ended; `None` if it was never started.
    pub fn read(dir: &VmDir) -> Option<Ended> {
        let launched = clock::written(&dir.file(files::LAUNCH))?;
        let mut history = History::read_last(dir).unwrap_or_default();
        // An earlier life's shutdown is not this one's.
        history.shutdown = history.shutdown.filter(|shutdown| shutdown.at >= launched);
        let ended = Ended::of(dir, &history, Record::read(dir));
        Some(Ended { bundle: bundle(dir, launched), ..ended })
    }

    fn of(dir: &VmDir, history: &History, record: Option<Record>) -> Ended {
        let panicked = panic::seen(dir, history);
        let shutdown = history.shutdown.clone();
        let ended = |by, at: Option<f64>, reason: &str, detail: Option<String>| {
            let detail = detail.filter(|detail| !detail.is_empty());
            Ended { at, by, reason: reason.to_owned(), detail, bundle: None }
        };
        let at = shutdown.as_ref().map(|shutdown| shutdown.at.as_secs_f64());
        let reason = shutdown.as_ref().map_or("", |shutdown| shutdown.reason.as_str());
        match (record, reason) {
            (Some(record), _) if record.by == By::Start => {
                ended(By::Start, Some(record.at), "exited", record.detail)
            }
            (_, "guest-panic") => ended(By::Guest, at, reason, panicked),
            (Some(record), _) => {
                let at = at.or(Some(record.at));
                let how = if reason.is_empty() { word(record.method) } else { reason };
                ended(record.by, at, how, record.detail)
            }
            (None, _) if panicked.is_some() => ended(By::Guest, at, "guest-panic", panicked),
            (None, "guest-shutdown" | "guest-reset") => ended(By::Guest, at, reason, None),
            (None, "host-qmp-quit") => ended(By::Qmp, at, reason, None),
            (None, "host-signal") => ended(By::Signal, at, reason, Some(last_words(dir))),
            (None, "") => ended(By::Qemu, None, "died", Some(last_words(dir))),
            (None, _) => ended(By::Qemu, at, reason, Some(last_words(dir))),
        }
    }
}

fn word(method: Option<Method>) -> &'static str {
    match method {
        Some(Method::Powerdown) => "guest-shutdown",
        Some(Method::Quit) => "host-qmp-quit",
        Some(Method::Sigterm) => "sigterm",
        Some(Method::Sigkill) => "sigkill",
        None => "exited",
    }
}

/// The newest crash bundle of a life that began at `launched`: its name is the time.
fn bundle(dir: &VmDir, launched: Duration) -> Option<PathBuf> {
    let entries = std::fs::read_dir(dir.file(files::CRASHES)).ok()?.flatten();
    let newest = entries.max_by_key(|entry| entry.file_name())?;
    let name = newest.file_name().into_string().ok()?;
    let (seconds, micros) = name.split_once('-')?;
    let micros = Duration::from_micros(micros.parse().ok()?);
    let made = Duration::from_secs(seconds.parse().ok()?) + micros;
    (made >= launched).then(|| newest.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_record_takes_the_place_of_a_longer_one() {
        let place = tempfile::tempdir().unwrap();
        let dir = VmDir::at(place.path()).unwrap().unwrap();
        let file = crate::sys::process::hold(&dir.file(files::END)).unwrap();
        for detail in [Some("long".repeat(100)), None] {
            let record = Record { detail: detail.clone(), ..Record::new(By::Kill) };
            record.write(&file).unwrap();
            assert_eq!(Record::read(&dir).unwrap().detail, detail);
        }
    }
}
