//! What the event log tells about a VM's life so far: its state, its resets, its end.

use super::dir::VmDir;
use super::event_log::{EventLog, Line};
use super::state::State;
use super::timeline::{ONE_RESET, Timeline};
use crate::Error;
use crate::qmp::{Event, Record, Version, event_name};
use serde_json::Value;
use std::time::Duration;

/// How QEMU announced the VM's end (QEMU QMP Reference, `SHUTDOWN`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// When, since 1970.
    pub at: Duration,
    /// Why (`ShutdownCause`).
    pub reason: String,
}

/// What the event log tells about a VM's life so far.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// QEMU's version.
    pub version: Option<Version>,
    /// Whether QEMU has answered its first commands.
    is_open: bool,
    /// The run state, as far as events tell it.
    state: Option<State>,
    /// Whether the events leave no doubt about the state.
    is_certain: bool,
    /// The state that the next STOP leads to.
    cause: Option<State>,
    /// The guest has reported a panic to QEMU since the last reset.
    pub panicked: bool,
    /// The VM ends, or has shut down with `-no-shutdown`.
    pub shutdown: Option<Shutdown>,
    /// QEMU stays after the shutdown.
    stays: bool,
    /// When the machine was last reset, since 1970.
    pub reset_at: Option<Duration>,
    /// When the boot began, if a reset began it: the first of several.
    pub boot_at: Option<Duration>,
    /// When the machine last resumed, since 1970.
    pub resumed_at: Option<Duration>,
}

impl History {
    /// Reads the log of the VM's latest life.
    ///
    /// # Errors
    /// It can't be read.
    pub fn read(dir: &VmDir) -> Result<History, Error> {
        let mut history = History::default();
        if let Some(mut log) = EventLog::open(dir)? {
            history.read_on(&mut log)?;
        }
        Ok(history)
    }

    /// Reads the log of the last life of a VM that has ended.
    ///
    /// # Errors
    /// It can't be read.
    pub fn read_last(dir: &VmDir) -> Result<History, Error> {
        let mut history = History::default();
        if let Some(mut log) = EventLog::open_last(dir)? {
            history.read_on(&mut log)?;
        }
        Ok(history)
    }

    /// Reads the rest of a log.
    ///
    /// # Errors
    /// It can't be read.
    pub fn read_on(&mut self, log: &mut EventLog) -> Result<(), Error> {
        while let Some(line) = log.next_line()? {
            self.take(&line);
        }
        Ok(())
    }

    /// Whether QEMU has answered its first commands: it writes no events before that, and QEMU 7.2
    /// hangs if it is told to end while it reads them.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Takes in one line of the log.
    pub fn take(&mut self, line: &Line) {
        match line {
            Line::Gap(_) => self.state = None,
            // Most events say nothing about the state, and need no parsing.
            Line::Whole(line) if event_name(line).is_some_and(|name| !is_of_state(name)) => {}
            Line::Whole(line) => match Record::parse(line) {
                Ok(record) => self.record(&record),
                // A full disk may have lost more than this line.
                Err(_) => self.state = None,
            },
        }
    }

    fn record(&mut self, record: &Record) {
        match record {
            Record::Greeting(version) => self.version = Some(version.clone()),
            Record::Reply(reply) => {
                if let Some(name) = reply["status"].as_str() {
                    self.is_open = true;
                    self.set(State::of_run_state(name));
                }
            }
            Record::Event(event) => self.event(event),
        }
    }

    /// Takes in an event.
    pub fn event(&mut self, event: &Event) {
        let at = event.timestamp.since_epoch();
        let action = event.data["action"].as_str();
        match event.name.as_str() {
            "RESUME" => {
                (self.resumed_at, self.shutdown, self.cause) = (Some(at), None, None);
                self.set(State::new("running"));
            }
            "STOP" => {
                let cause = self.cause.take();
                self.stays = self.shutdown.is_some();
                // The command `stop` gives no cause, but neither does an error inside KVM.
                self.is_certain = cause.is_some();
                self.state = Some(cause.unwrap_or_else(|| State::new("paused")));
            }
            "SUSPEND" => self.set(State::new("suspended")),
            "WAKEUP" => self.set(State::new("running")),
            "RESET" => self.reset(at),
            "SHUTDOWN" => {
                let reason = event.data["reason"].as_str().unwrap_or_default().to_owned();
                self.shutdown = Some(Shutdown { at, reason });
                self.set(State::new("shutdown"));
                self.cause = self.state.clone();
            }
            "GUEST_PANICKED" => {
                self.panicked = true;
                self.cause = (action == Some("pause")).then(|| State::panicked(""));
            }
            "BLOCK_IO_ERROR" if action == Some("stop") => {
                let detail = Some(io_error(&event.data));
                self.cause = Some(State { detail, ..State::new("io-error") });
            }
            "WATCHDOG" if action == Some("pause") => self.cause = Some(State::new("watchdog")),
            _ => {}
        }
    }

    fn reset(&mut self, at: Duration) {
        if self.reset_at.is_none_or(|before| at.saturating_sub(before) > ONE_RESET) {
            self.boot_at = Some(at);
        }
        self.reset_at = Some(at);
        (self.panicked, self.shutdown, self.cause) = (false, None, None);
        if self.state.as_ref().is_some_and(|state| state.name != "running") {
            self.set(State::new("prelaunch"));
        }
    }

    fn set(&mut self, state: State) {
        (self.state, self.is_certain) = (Some(state), true);
    }

    /// Whether QEMU has announced that it ends, and not that it stays.
    pub fn is_ending(&self) -> bool {
        self.shutdown.is_some() && !self.stays
    }

    /// The state, if events prove it; only the serial port may show a panic.
    pub(super) fn certain_state(&self) -> Option<State> {
        self.state.clone().filter(|_| self.is_certain)
    }

    /// The most likely state, for when QMP does not tell.
    pub fn likely_state(&self) -> Option<State> {
        self.state.clone()
    }
}

impl Timeline {
    /// The timeline of the VM's latest boot; sometimes only the event log knows that boot.
    pub fn latest(dir: &VmDir) -> Result<Option<Timeline>, Error> {
        let boot_at = History::read(dir)?.boot_at;
        let unseen = |timeline: Timeline| match boot_at {
            Some(at) if !timeline.is_of_boot(at) => Timeline {
                spawned_at: at.as_secs_f64(),
                serial_begins: timeline.serial_begins,
                ..Timeline::default()
            },
            _ => timeline,
        };
        Ok(Timeline::read(dir).map(unseen))
    }
}

fn is_of_state(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 9] = [
        b"RESUME",
        b"STOP",
        b"SUSPEND",
        b"WAKEUP",
        b"RESET",
        b"SHUTDOWN",
        b"GUEST_PANICKED",
        b"BLOCK_IO_ERROR",
        b"WATCHDOG",
    ];
    NAMES.contains(&name)
}

/// `no space left on the host for virtio0` (QEMU QMP Reference, `BLOCK_IO_ERROR`).
fn io_error(data: &Value) -> String {
    let named = |key: &str| data[key].as_str().filter(|name| !name.is_empty());
    let device = named("device").or(named("node-name")).unwrap_or("a disk");
    match (data["nospace"].as_bool(), named("reason")) {
        (Some(true), _) => format!("no space left on the host for {device}"),
        (_, Some(reason)) => format!("{reason} on {device}"),
        _ => format!("an error on {device}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The state and its detail after QEMU has written these lines, and whether that is certain.
    fn after(lines: &[&str]) -> (String, Option<String>, bool) {
        let mut history = History::default();
        let opening = r#"{"return": {"status": "running", "running": true}}"#;
        for line in [opening].iter().chain(lines) {
            history.take(&Line::Whole(line.as_bytes()));
        }
        let state = history.state.unwrap_or_else(State::unknown);
        (state.name, state.detail, history.is_certain)
    }

    fn event(name: &str, data: &str) -> String {
        let time = r#""timestamp": {"seconds": 1700000000, "microseconds": 5}"#;
        format!(r#"{{{time}, "event": "{name}", "data": {data}}}"#)
    }

    #[test]
    fn why_a_machine_stands_still() {
        let stop = event("STOP", "{}");
        for (cause, data, name, detail, is_certain) in [
            ("RTC_CHANGE", "{}", "paused", None, false),
            ("WATCHDOG", r#"{"action": "pause"}"#, "watchdog", None, true),
            ("WATCHDOG", r#"{"action": "none"}"#, "paused", None, false),
            ("GUEST_PANICKED", r#"{"action": "pause"}"#, "panicked", None, true),
            (
                "BLOCK_IO_ERROR",
                r#"{"device": "virtio0", "action": "stop", "nospace": true, "reason": "x"}"#,
                "io-error",
                Some("no space left on the host for virtio0"),
                true,
            ),
            (
                "BLOCK_IO_ERROR",
                r#"{"device": "", "node-name": "d", "action": "stop", "reason": "Input/output error"}"#,
                "io-error",
                Some("Input/output error on d"),
                true,
            ),
            ("BLOCK_IO_ERROR", r#"{"device": "d", "action": "report"}"#, "paused", None, false),
            ("SHUTDOWN", r#"{"reason": "guest-shutdown"}"#, "shutdown", None, true),
        ] {
            let expected = (name.to_owned(), detail.map(str::to_owned), is_certain);
            assert_eq!(after(&[&event(cause, data), &stop]), expected, "{cause} {data}");
            let goes_on = after(&[&event(cause, data), &stop, &event("RESUME", "{}")]);
            assert_eq!(goes_on, ("running".to_owned(), None, true), "{cause} {data}");
        }
    }

    #[test]
    fn a_reset_and_what_is_missing() {
        let [stop, reset] = [event("STOP", "{}"), event("RESET", "{}")];
        assert_eq!(after(&[&reset]).0, "running");
        assert_eq!(after(&[&stop, &reset]), ("prelaunch".to_owned(), None, true));
        assert_eq!(after(&[&event("SUSPEND", "{}"), &event("WAKEUP", "{}")]).0, "running");
        assert_eq!(after(&["half a line"]).0, "unknown");
        assert_eq!(after(&["half a line", &event("SUSPEND", "{}")]).0, "suspended");
    }
}
