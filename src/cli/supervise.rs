//! Runs OpenSSH's tools at our terminal, with our signals, and ends them when their guest is gone.
//! A guest that is reset or ends suddenly closes no connection, and ssh would wait for it forever.

use super::output;
use crate::config::Instance;
use crate::console::Terminal;
use crate::error::SystemError;
use crate::events::{self, EventStream, EventsError, Told};
use crate::sys::changes::Changes;
use crate::sys::child::ending_with_us;
use crate::sys::signals::Signals;
use crate::vm::{History, VmDir, files};
use crate::{Error, ssh, vm};
use inotify::WatchMask;
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::time::Duration;
use tokio::process::Child;
use tokio::signal::unix::SignalKind;
use tokio::time::timeout;

/// The signals by which a terminal or a user ends a program.
pub const ENDING: [SignalKind; 4] =
    [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::quit(), SignalKind::terminate()];

/// How long a connection may take to close properly, and a tool to end after a signal.
pub const GRACE: Duration = Duration::from_secs(1);

/// The shortest time between two looks at the serial log for a panic.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

pub struct Tool<'a> {
    program: String,
    instance: &'a Instance,
    pub child: Child,
    signals: Signals,
    terminal: Option<Terminal>,
}

impl<'a> Tool<'a> {
    /// Starts a tool that reaches the guest of a VM.
    ///
    /// # Errors
    /// It can't be executed.
    pub fn start(command: Command, instance: &'a Instance) -> Result<Tool<'a>, Error> {
        let program = command.get_program().to_string_lossy().into_owned();
        let failed = |error| {
            Error::from(SystemError::Spawn { program: program.clone(), error, place: None })
        };
        let signals = Signals::catch(&ENDING).map_err(failed)?;
        // Without a terminal there is nothing to restore.
        let terminal = Terminal::keep().ok();
        let mut command = tokio::process::Command::from(ending_with_us(command));
        let child = command.kill_on_drop(true).spawn().map_err(failed)?;
        Ok(Tool { program, instance, child, signals, terminal })
    }

    /// Waits until the tool ends, or ends it when the guest is gone.
    ///
    /// # Errors
    /// It can't be waited for.
    pub async fn ends(mut self) -> Result<ExitStatus, Error> {
        let mut guest = std::pin::pin!(gone(self.instance));
        loop {
            tokio::select! {
                biased;
                status = self.child.wait() => return status.map_err(|error| self.failed(error)),
                // A signal from the terminal reaches the tool twice, and ends it once.
                number = self.signals.next() => {
                    if let Some(signal) = Signal::from_named_raw(number) {
                        self.signal(signal);
                    }
                }
                what = &mut guest => return self.end(&what).await,
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        // Nothing has waited for it yet, so its pid is not reused.
        let _ = pid.map(|pid| kill_process(pid, signal));
    }

    /// Ends the tool, unless it ends by itself: a guest that shuts down closes its connections.
    async fn end(mut self, what: &str) -> Result<ExitStatus, Error> {
        let mut ended = timeout(GRACE, self.child.wait()).await;
        if ended.is_err() {
            // Another process holds the shared connection.
            ssh::close(self.instance).await?;
            ended = timeout(GRACE, self.child.wait()).await;
        }
        for signal in [Signal::TERM, Signal::KILL] {
            if ended.is_err() {
                self.signal(signal);
                ended = timeout(GRACE, self.child.wait()).await;
            }
        }
        drop(self.terminal.take());
        output::say(format_args!("{}: {what}", self.instance.name));
        match ended {
            Ok(status) => status.map_err(|error| self.failed(error)),
            Err(_) => Ok(ExitStatus::from_raw(ssh::FAILED << 8)),
        }
    }

    fn failed(&self, error: std::io::Error) -> Error {
        Error::from(SystemError::Spawn { program: self.program.clone(), error, place: None })
    }
}

/// Returns when the guest is gone, and says why; never, if no event log tells that.
async fn gone(instance: &Instance) -> String {
    let mut stream = match events::subscribe(instance) {
        Ok(stream) => stream,
        Err(error) => {
            // Without a log this can't be seen; any other error should be reported.
            if !matches!(error.get(), Some(EventsError::NoLog { .. })) {
                output::note(format_args!("note: can't watch for the end of the guest: {error}"));
            }
            return std::future::pending().await;
        }
    };
    let last = tokio::select! {
        last = last_event(&mut stream) => last,
        reason = panicked(instance) => return told_panic(&reason),
    };
    match last {
        Ok(Some("RESET")) => "the guest was reset".to_owned(),
        Ok(Some("GUEST_PANICKED")) => told_panic(""),
        Ok(_) => vm::ended(instance).map_or("the VM ended".to_owned(), |ended| ended.to_string()),
        Err(_) => std::future::pending().await,
    }
}

fn told_panic(reason: &str) -> String {
    match reason {
        "" => "the guest panicked".to_owned(),
        reason => format!("the guest panicked: {reason}"),
    }
}

/// Returns when the guest's kernel says on the serial port that it panics, and why; never, if that
/// can't be watched.
async fn panicked(instance: &Instance) -> String {
    let watch = || -> Option<(VmDir, History, Changes)> {
        let dir = VmDir::open(instance).ok()??;
        let changes = Changes::of(&[&dir.file(files::SERIAL)], WatchMask::MODIFY).ok()?;
        let history = History::read(&dir).ok()?;
        // What was there before has not ended the guest.
        vm::panic_seen(&dir, &history).is_none().then_some((dir, history, changes))
    };
    let Some((dir, history, mut changes)) = watch() else {
        return std::future::pending().await;
    };
    while changes.next().await.is_ok() {
        // A guest may write all the time.
        tokio::time::sleep(LOOK_INTERVAL).await;
        if let Some(reason) = vm::panic_seen(&dir, &history) {
            return reason;
        }
    }
    std::future::pending().await
}

/// The event that ends the guest; `None` if QEMU ends without one.
async fn last_event(stream: &mut EventStream) -> Result<Option<&'static str>, Error> {
    while let Some(told) = stream.next().await? {
        match told {
            Told::Event(event) if event.name == "RESET" => return Ok(Some("RESET")),
            Told::Event(event) if event.name == "SHUTDOWN" => return Ok(Some("SHUTDOWN")),
            Told::Event(event) if event.name == "GUEST_PANICKED" => {
                return Ok(Some("GUEST_PANICKED"));
            }
            _ => {}
        }
    }
    Ok(None)
}
