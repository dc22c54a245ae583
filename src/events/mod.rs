//! A VM's QMP events, past and future, as QEMU writes them into its log.
//!
//! Any number of readers can follow the log: they don't wait for each other, and QEMU knows nothing
//! about them.

mod error;
mod names;

pub use error::EventsError;
pub use names::{Filter, is_unknown};

use crate::Error;
use crate::config::Instance;
use crate::qmp::{Event, Record};
use crate::sys::changes::Changes;
use crate::sys::process::Process;
use crate::vm::{EventLog, History, Line, Running, VmDir, VmError, running};
use inotify::WatchMask;

/// An entry of the log.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// An event.
    Event(Event),
    /// This many bytes of events are missing: the log grew too long, or the disk was full.
    Gap(u64),
}

/// The events of one life of a VM, to its end.
pub struct EventStream {
    vm: String,
    log: EventLog,
    changes: Changes,
    /// `None` if the VM has ended.
    process: Option<Process>,
}

/// Listens to a running VM: no event after this call is missed.
///
/// # Errors
/// The VM is not running, or has no log.
pub fn subscribe(instance: &Instance) -> Result<EventStream, Error> {
    let vm = running(instance)?;
    check(&vm)?;
    let Running { name, dir, process } = vm;
    let mut stream = EventStream::open(name, EventLog::open(&dir)?, Some(process))?;
    while stream.log.next_line()?.is_some() {}
    Ok(stream)
}

/// Checks that the VM's QEMU writes an event log.
///
/// # Errors
/// It writes none.
pub fn check(vm: &Running) -> Result<(), Error> {
    let history = History::read(&vm.dir)?;
    let reason = match vm.dir.has_event_log() {
        false => "it was started without an event log",
        true if history.version.is_some() && !history.is_open() => {
            "QEMU did not read its first commands from events.in"
        }
        true => return Ok(()),
    };
    Err(no_log(vm.name.clone(), reason))
}

/// All events of the VM's current or latest life, to its end.
///
/// # Errors
/// The VM was never started, or has no log.
pub fn history(instance: &Instance) -> Result<EventStream, Error> {
    let dir = VmDir::open(instance)?;
    let never = || Error::from(VmError::NeverStarted { vm: instance.name.clone() });
    let dir = dir.filter(|dir| dir.has_event_log()).ok_or_else(never)?;
    let vm = instance.name.clone();
    match dir.process()? {
        Some(process) => EventStream::open(vm, EventLog::open(&dir)?, Some(process)),
        None => EventStream::open(vm, EventLog::open_last(&dir)?, None),
    }
}

impl EventStream {
    fn open(
        vm: String,
        log: Option<EventLog>,
        process: Option<Process>,
    ) -> Result<EventStream, Error> {
        let Some(log) = log else {
            return Err(no_log(vm, "it was started without an event log"));
        };
        let changes = Changes::of(&[&log.own_path()], WatchMask::MODIFY);
        let changes = changes.map_err(|error| unwatched(&vm, error))?;
        Ok(EventStream { vm, log, changes, process })
    }

    /// The next entry; `None` once the VM's process has ended and everything was returned.
    ///
    /// Cancel-safe: in a `tokio::select!`, the branch not taken loses no event.
    ///
    /// # Errors
    /// The log can't be read or watched.
    pub async fn next(&mut self) -> Result<Option<Told>, Error> {
        loop {
            if let Some(told) = self.next_now()? {
                // A guest may make events faster than we read them.
                tokio::task::coop::consume_budget().await;
                return Ok(Some(told));
            }
            let Some(process) = &self.process else {
                return Ok(None);
            };
            let ended = tokio::select! {
                biased;
                changed = self.changes.next() => changed.map(|()| false),
                ended = process.ended() => ended.map(|()| true),
            };
            if ended.map_err(|error| unwatched(&self.vm, error))? {
                // Its last output is in the log by now.
                self.process = None;
            }
        }
    }

    /// The next entry that is already in the log; `None` if there is none yet.
    ///
    /// # Errors
    /// The log can't be read.
    pub fn next_now(&mut self) -> Result<Option<Told>, Error> {
        while let Some(line) = self.log.next_line()? {
            if let Some(told) = Told::of(&line) {
                return Ok(Some(told));
            }
        }
        Ok(None)
    }
}

impl Told {
    /// The entry in a line of the log; `None` if the line is about no event.
    pub fn of(line: &Line) -> Option<Told> {
        match line {
            Line::Gap(bytes) => Some(Told::Gap(*bytes)),
            Line::Whole(line) => match Record::parse(line) {
                Ok(Record::Event(event)) => Some(Told::Event(event)),
                Ok(_) => None,
                Err(_) => Some(Told::Gap(line.len() as u64)),
            },
        }
    }
}

fn no_log(vm: String, reason: &'static str) -> Error {
    Error::from(EventsError::NoLog { vm, reason })
}

fn unwatched(vm: &str, error: std::io::Error) -> Error {
    Error::from(VmError::System { vm: vm.to_owned(), action: "watch its events", error })
}
