//! Watches a running VM: finds what ends every wait for it, and makes a bundle after a crash.

use super::observer::{Observer, Seen};
use super::subject::Subject;
use crate::config::{Config, Instance};
use crate::vm::{self, PANIC_LINE, Timeline, VmError};
use crate::wait::WaitError;
use crate::{Error, bundle};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// A kernel that panics has printed everything after this much silence.
const PANIC_QUIET: Duration = Duration::from_millis(50);

/// A kernel that panics prints for this long at most.
const PANIC_SPEECH: Duration = Duration::from_millis(500);

/// How long a machine may take to end or reset after a panic in which the kernel does not stay.
const LAST_MOMENT: Duration = Duration::from_secs(3);

/// QEMU's event for a panic that the guest reports.
const PANIC_EVENT: &str = "GUEST_PANICKED";

/// What ends a wait for anything else, besides the VM's end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alarms {
    /// The guest's kernel panics.
    pub panic: bool,
    /// QEMU stops the guest because a disk fails.
    pub io_error: bool,
    /// The machine is reset.
    pub reset: bool,
}

/// A running VM that is watched.
pub struct Watch<'a> {
    pub(super) subject: Subject<'a>,
    pub(super) observer: Observer,
    pub(super) alarms: Alarms,
}

impl<'a> Watch<'a> {
    /// Begins to watch a VM; `None` when it is not running.
    ///
    /// # Errors
    /// Its directory or a log can't be used.
    pub fn open(
        config: &'a Config,
        instance: &'a Instance,
        alarms: Alarms,
    ) -> Result<Option<Watch<'a>>, Error> {
        let Some(vm) = vm::find_running(instance)? else {
            return Ok(None);
        };
        vm::forget_broken_off(&vm.dir);
        let timeline = Timeline::read(&vm.dir).unwrap_or_default();
        let observer = Observer::open(&vm, &timeline)?;
        let subject = Subject::new(config, instance, vm, timeline);
        Ok(Some(Watch { subject, observer, alarms }))
    }

    /// Runs `work`, which began at `since`, until it is done or an alarm is raised. If the VM dies
    /// or does not come up, a bundle keeps what is known.
    ///
    /// # Errors
    /// Those of `work`; the VM ends, or an alarm is raised.
    pub async fn beside<T>(
        &mut self,
        since: Instant,
        alarms: Alarms,
        work: impl AsyncFnOnce(&Subject<'a>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.alarms = alarms;
        let result = self.until_done(work).await;
        self.bundled(since, result).await
    }

    async fn until_done<T>(
        &mut self,
        work: impl AsyncFnOnce(&Subject<'a>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Watch { subject, observer, alarms } = self;
        let mut work = std::pin::pin!(work(subject));
        let mut has_failed = false;
        loop {
            tokio::select! {
                biased;
                seen = observer.next(subject) => {
                    if let Some(error) = alarm(observer, subject, *alarms, &seen?).await? {
                        return Err(error);
                    }
                }
                result = &mut work, if !has_failed => match result {
                    // The VM's end is the reason, and the observer reports it soon.
                    Err(_) if subject.vm.process.has_ended() => has_failed = true,
                    result => return result,
                }
            }
        }
    }

    /// The result of a wait that began at `since`. If the VM has died or did not come up, the error
    /// comes with a bundle of all that is known.
    pub(super) async fn bundled<T>(
        &self,
        since: Instant,
        result: Result<T, Error>,
    ) -> Result<T, Error> {
        let Subject { config, instance, .. } = &self.subject;
        match result {
            Err(error) if self.is_crash(&error, since) => {
                Err(bundle::wrap(config, instance, error).await)
            }
            result => result,
        }
    }

    fn is_crash(&self, error: &Error, since: Instant) -> bool {
        let Subject { vm, instance, .. } = &self.subject;
        match (error.get(), error.get()) {
            // A throwaway instance leaves nothing else.
            (Some(WaitError::Timeout { .. }), _) => {
                instance.is_run() || self.subject.never_came_up(since)
            }
            (Some(WaitError::Failed { condition, .. }), _) => {
                *condition == format!("event:{PANIC_EVENT}")
                    || (vm.process.has_ended() && !vm::was_stopped(&vm.dir))
                    || vm::panic_seen(&vm.dir, &self.observer.history).is_some()
            }
            (_, Some(VmError::Died { .. })) => !vm::was_stopped(&vm.dir),
            _ => error.is_crash(),
        }
    }
}

/// The error, if what was seen ends the wait.
///
/// # Errors
/// A log can't be read.
pub async fn alarm(
    observer: &mut Observer,
    subject: &Subject<'_>,
    alarms: Alarms,
    seen: &Seen,
) -> Result<Option<Error>, Error> {
    let has_panicked = match seen {
        Seen::Ended => return Ok(Some(subject.ended(&observer.history))),
        Seen::Event(event) => match event.name.as_str() {
            PANIC_EVENT => true,
            "RESET" if alarms.reset => {
                let (vm, excerpt) = (subject.name().to_owned(), vm::excerpt(&subject.vm.dir));
                return Ok(Some(Error::from(WaitError::GuestReset { vm, excerpt })));
            }
            "STOP" if alarms.io_error => {
                let state = observer.history.state(&subject.vm.dir);
                let Some(state) = state.filter(|state| state.name == "io-error") else {
                    return Ok(None);
                };
                let (vm, detail) = (subject.name().to_owned(), state.detail.unwrap_or_default());
                return Ok(Some(Error::from(WaitError::IoError { vm, detail })));
            }
            _ => false,
        },
        Seen::Line(line) if line.contains(PANIC_LINE) => {
            vm::panic_seen(&subject.vm.dir, &observer.history).is_some()
        }
        _ => false,
    };
    match alarms.panic && has_panicked {
        true => panic(observer, subject).await.map(Some),
        false => Ok(None),
    }
}

/// After a panic, waits for the kernel's next lines, which give the reason, and for a possible end
/// of the machine.
///
/// # Errors
/// A log can't be read.
pub async fn panic(observer: &mut Observer, subject: &Subject<'_>) -> Result<Error, Error> {
    let begun = Instant::now();
    loop {
        let quiet = match vm::has_stayed(&subject.vm.dir, &observer.history) {
            true => (begun + PANIC_SPEECH).min(Instant::now() + PANIC_QUIET),
            false => begun + LAST_MOMENT,
        };
        match timeout_at(quiet, observer.next(subject)).await {
            Ok(Ok(Seen::Ended)) => return Ok(subject.panicked(&observer.history, false)),
            Ok(Ok(Seen::Event(event))) if event.name == "RESET" => break,
            Ok(seen) => drop(seen?),
            Err(_) => break,
        }
    }
    Ok(subject.panicked(&observer.history, true))
}
