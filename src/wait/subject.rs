//! The VM that a wait is for: how to ask and reach it, and what is recorded about it meanwhile.

use crate::Error;
use crate::config::{Config, Instance};
use crate::ssh::{self, Signs};
use crate::sys::shared::Shared;
use crate::vm::{self, Ended, History, Launch, Milestone, Running, Timeline, VmError, files};
use crate::wait::WaitError;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// After tries for this long, a guest that is up has accepted or refused a login.
const LOGIN: Duration = Duration::from_secs(5);

/// A VM that was started within this many seconds is still coming up.
const JUST_NOW: f64 = 1.0;

/// How far apart the signs of QEMU's end may be seen.
const AFTERMATH: Duration = Duration::from_millis(500);

/// A VM that is running, or was when the wait began.
pub struct Subject<'a> {
    /// The config that describes it.
    pub config: &'a Config,
    /// Its identity.
    pub instance: &'a Instance,
    /// Its process.
    pub vm: Running,
    pub(super) timeline: Shared<Timeline>,
    /// How far a login has come.
    pub(super) login: Signs,
    /// How far a connection to another port has come.
    pub(super) port: Signs,
    /// When the first SSH login was tried.
    pub(super) login_began: Shared<Option<Instant>>,
    /// What ssh said about the last failed login.
    pub(super) last_ssh: Shared<String>,
}

impl<'a> Subject<'a> {
    pub(super) fn new(
        config: &'a Config,
        instance: &'a Instance,
        vm: Running,
        timeline: Timeline,
    ) -> Subject<'a> {
        Subject {
            config,
            instance,
            vm,
            timeline: Shared::new(timeline),
            login: Signs::default(),
            port: Signs::default(),
            login_began: Shared::default(),
            last_ssh: Shared::default(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.vm.name
    }

    /// Whether the VM has ended, or is about to: connections to it break before its end can be
    /// seen.
    pub async fn is_ending(&self) -> bool {
        matches!(tokio::time::timeout(AFTERMATH, self.vm.process.ended()).await, Ok(Ok(())))
    }

    /// Tells every wait for the guest that a try is worth it, also one that is trying now.
    pub(super) fn give_hint(&self) {
        self.login.hint.notify_one();
        self.port.hint.notify_one();
    }

    /// Whether the VM was just started, and its guest has shown no sign.
    pub(super) fn is_booting(&self) -> bool {
        let log = std::fs::metadata(self.vm.dir.file(files::SERIAL));
        let timeline = self.timeline.lock();
        timeline.age() < JUST_NOW && log.is_ok_and(|log| log.len() <= timeline.serial_begins)
    }

    /// Records that a milestone is passed now, unless it was before.
    pub(super) fn pass(&self, milestone: Milestone) -> Result<(), Error> {
        self.timeline.lock().note(&self.vm.dir, milestone)
    }

    /// Begins the timeline again after a reset, unless the command that reset the machine did so.
    pub(super) fn begin_boot(&self, history: &History) {
        let Some(boot_at) = history.boot_at else { return };
        let latest = Timeline::read(&self.vm.dir).unwrap_or_default();
        let timeline = match latest.is_of_boot(boot_at) {
            true => latest,
            false => Timeline::of_reset(&self.vm.dir),
        };
        // A wait must not fail because this can't be recorded.
        let _ = timeline.write(&self.vm.dir);
        *self.timeline.lock() = timeline;
    }

    /// Why the guest can't be reached, if that is known. If a `login` is needed, a missing forward
    /// of SSH's port is a reason too.
    pub(super) fn obstacle(&self, login: bool) -> String {
        let is_refused =
            [&self.login, &self.port].iter().any(|signs| signs.refused.load(Ordering::Relaxed));
        match self.last_ssh.lock().as_str() {
            "" if is_refused => "the guest refuses the connection".to_owned(),
            "" if login && self.is_unforwarded() => {
                "the SSH port is not forwarded to the guest".to_owned()
            }
            said => said.to_owned(),
        }
    }

    /// Whether SSH reaches the guest through a port of the host, but no process listens on it.
    fn is_unforwarded(&self) -> bool {
        let launch = Launch::read(&self.vm.dir).ok().flatten();
        launch.is_some_and(|launch| {
            let resolved = self.config.resolve(self.instance, &launch.ports());
            let is_meant = resolved.is_ok_and(|vm| !vm.ssh.leads_elsewhere());
            is_meant && vm::port_owner(launch.ssh_port).is_none()
        })
    }

    /// Whether the guest has accepted no login since its start, as far as is known. It was started
    /// for this wait, which began at `since`, or a login was tried for long enough.
    pub(super) fn never_came_up(&self, since: Instant) -> bool {
        let timeline = self.timeline.lock();
        let is_fresh = timeline.age() <= since.elapsed().as_secs_f64();
        let was_tried = self.login_began.lock().is_some_and(|began| began.elapsed() > LOGIN);
        let is_up = timeline.ssh.is_some() || self.last_ssh.lock().contains(ssh::DENIED);
        !is_up && (is_fresh || was_tried)
    }

    /// The error for a panic; `left` says whether QEMU stays.
    pub(super) fn panicked(&self, history: &History, left: bool) -> Error {
        let reason = vm::panic_seen(&self.vm.dir, history).unwrap_or_default();
        let excerpt = vm::excerpt(&self.vm.dir);
        // A throwaway instance never stays.
        let left = left && !self.instance.is_run();
        Error::from(WaitError::Panicked { vm: self.name().to_owned(), reason, excerpt, left })
    }

    /// The error for a VM that has ended.
    pub(super) fn ended(&self, history: &History) -> Error {
        match Ended::read(&self.vm.dir) {
            Some(ended) if ended.reason == "guest-panic" => self.panicked(history, false),
            ended => Error::from(VmError::Died {
                vm: self.name().to_owned(),
                ended: ended.map(Box::new),
            }),
        }
    }
}
