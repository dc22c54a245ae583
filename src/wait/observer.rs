//! Everything that happens to a running VM, in one stream: its events, its serial lines and its
//! end, which is always last.

use super::serial::SerialLog;
use super::subject::Subject;
use crate::Error;
use crate::events::Told;
use crate::qmp::Event;
use crate::sys::changes::Changes;
use crate::vm::{EventLog, History, Milestone, Running, Timeline, VmError, files};
use inotify::WatchMask;
use std::time::Duration;
use tokio::time::Instant;

/// When a guest writes again after this silence, it may have come up further.
const SILENCE: Duration = Duration::from_secs(2);

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Seen {
    /// QEMU sent an event.
    Event(Event),
    /// Events are missing here.
    Gap,
    /// The serial port wrote a line, or went on with one.
    Line(String),
    /// The VM's process has ended, and all that it wrote has been seen.
    Ended,
}

/// Observes a VM.
pub struct Observer {
    events: Option<EventLog>,
    serial: SerialLog,
    changes: Changes,
    has_ended: bool,
    /// What the events have told so far.
    pub history: History,
    /// The milestone that the next serial lines may pass, if the boot is watched from its start.
    awaited: Option<Milestone>,
    /// When the serial port last wrote.
    spoke: Instant,
}

impl Observer {
    /// Begins to observe a VM: events from now on, and the serial port from the start of the boot.
    ///
    /// # Errors
    /// A log can't be read or watched.
    pub fn open(vm: &Running, timeline: &Timeline) -> Result<Observer, Error> {
        let mut events = EventLog::open(&vm.dir)?;
        let mut serial = SerialLog::open(&vm.dir, timeline.serial_begins)?;
        // The watch begins before the first read, so that nothing is missed.
        let log = events.as_ref().map(EventLog::own_path);
        let paths = [Some(vm.dir.file(files::SERIAL)), log];
        let paths: Vec<_> = paths.iter().flatten().map(|path| path.as_path()).collect();
        let changes =
            Changes::of(&paths, WatchMask::MODIFY).map_err(|error| unwatched(vm, error))?;
        let mut history = History::default();
        if let Some(log) = &mut events {
            history.read_on(log)?;
        }
        let awaited = serial.is_empty().then_some(Milestone::Serial);
        let spoke = Instant::now();
        Ok(Observer { events, serial, changes, has_ended: false, history, awaited, spoke })
    }

    /// The next thing that happens; milestones are recorded. Cancel-safe.
    ///
    /// # Errors
    /// A log can't be read or watched.
    pub async fn next(&mut self, subject: &Subject<'_>) -> Result<Seen, Error> {
        loop {
            if let Some(seen) = self.next_now(subject)? {
                // A guest may write faster than we read; other tasks must run meanwhile.
                tokio::task::coop::consume_budget().await;
                return Ok(seen);
            }
            if self.has_ended {
                return Ok(Seen::Ended);
            }
            let ended = tokio::select! {
                biased;
                changed = self.changes.next() => changed.map(|()| false),
                ended = subject.vm.process.ended() => ended.map(|()| true),
            };
            // Its last output is there by now, and is seen first.
            self.has_ended = ended.map_err(|error| unwatched(&subject.vm, error))?;
        }
    }

    /// The next thing that has already happened and was not seen yet.
    ///
    /// # Errors
    /// A log can't be read.
    pub fn next_now(&mut self, subject: &Subject<'_>) -> Result<Option<Seen>, Error> {
        while let Some(log) = &mut self.events
            && let Some(line) = log.next_line()?
        {
            self.history.take(&line);
            match Told::of(&line) {
                Some(Told::Event(event)) => {
                    self.note_event(subject, &event.name);
                    return Ok(Some(Seen::Event(event)));
                }
                Some(Told::Gap(_)) => return Ok(Some(Seen::Gap)),
                None => {}
            }
        }
        let line = self.serial.next_line()?;
        if let Some(line) = &line {
            self.note_line(subject, line);
        }
        Ok(line.map(Seen::Line))
    }

    fn note_event(&mut self, subject: &Subject<'_>, name: &str) {
        match name {
            // The guest has enabled its network: it may listen soon.
            "NIC_RX_FILTER_CHANGED" => subject.give_hint(),
            "RESET" => {
                subject.begin_boot(&self.history);
                self.awaited = Some(Milestone::Serial);
            }
            _ => {}
        }
    }

    fn note_line(&mut self, subject: &Subject<'_>, line: &str) {
        if self.spoke.elapsed() > SILENCE {
            subject.give_hint();
        }
        self.spoke = Instant::now();
        if self.awaited == Some(Milestone::Serial) && !line.is_empty() {
            // A wait must not fail because this can't be recorded.
            let _ = subject.pass(Milestone::Serial);
            self.awaited = Some(Milestone::Kernel);
        }
        if self.awaited == Some(Milestone::Kernel) && is_kernels_first(line) {
            let _ = subject.pass(Milestone::Kernel);
            self.awaited = None;
        }
    }
}

/// Whether this is a kernel's first line, `[    0.000000] Linux version 6.1`.
fn is_kernels_first(line: &str) -> bool {
    let stamp = line.strip_prefix('[').and_then(|rest| rest.trim_start().split_once(']'));
    line.contains("Linux version ") || stamp.is_some_and(|(time, _)| time == "0.000000")
}

fn unwatched(vm: &Running, error: std::io::Error) -> Error {
    Error::from(VmError::System { vm: vm.name.clone(), action: "watch QEMU", error })
}
