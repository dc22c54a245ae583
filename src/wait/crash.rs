//! The end of a watched VM, and what is a crash: it died, its guest panicked, or it never came up.

use super::Watch;
use super::serial::SerialLog;
use crate::{Error, bundle, ssh, vm};
use std::time::Duration;
use tokio::time::Instant;

/// What a kernel that panics begins to say.
const PANIC: &str = "Kernel panic";

/// What it has said then.
const PANIC_LINE: &str = "Kernel panic - not syncing";

/// Within so many bytes of the log's end it says so for the last time.
const PANIC_LENGTH: u64 = 64 << 10;

/// QEMU's event for a panic that the guest tells it of.
const PANIC_EVENT: &str = "GUEST_PANICKED";

/// QEMU's event for a machine that begins anew.
const RESET_EVENT: &str = "RESET";

/// A kernel that panics has said all when it has been silent for this long.
const PANIC_QUIET: Duration = Duration::from_millis(50);

/// A guest that is up has let somebody in, or refused to, when it was tried for this long.
const LOGIN: Duration = Duration::from_secs(5);

/// How long after QEMU's end its last events may be told, on a machine that is busy.
const LAST_EVENTS: Duration = Duration::from_secs(2);

/// How far apart the signs of QEMU's end may be seen.
pub(super) const AFTERMATH: Duration = Duration::from_millis(500);

impl Watch<'_> {
    /// Does `work`, which began at `since`; an error comes with the bundle of all that is known, if
    /// the VM has died or did not come up.
    pub(super) async fn bundled<T>(
        &self,
        since: Instant,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        match work.await {
            Err(error) if self.is_crash(&error, since).await => {
                let events = self.events.borrow().iter().cloned().collect::<Vec<_>>();
                Err(bundle::wrap(self.config, self.instance, error, &events).await)
            }
            result => result,
        }
    }

    async fn is_crash(&self, error: &Error, since: Instant) -> bool {
        match error {
            // Of a throwaway instance nothing else will be left.
            Error::WaitTimeout { .. } => self.instance.is_run() || self.never_came_up(since),
            Error::WaitFailed { condition, .. } => {
                *condition == format!("event:{PANIC_EVENT}")
                    || (self.vm.process.has_ended() && !vm::was_stopped(&self.vm.dir))
                    || self.tells_of_panic().await
            }
            Error::Died { .. } => !vm::was_stopped(&self.vm.dir),
            error => bundle::is_crash(error),
        }
    }

    /// Whether the guest has let nobody in since it was started, as far as is known: it was
    /// started for this wait, or a login was tried for long enough.
    fn never_came_up(&self, since: Instant) -> bool {
        let timeline = self.timeline.borrow();
        let is_fresh = timeline.age() <= since.elapsed().as_secs_f64();
        let was_tried = self.login_began.get().is_some_and(|began| began.elapsed() > LOGIN);
        let is_up = timeline.ssh.is_some() || self.last_ssh.borrow().contains(ssh::DENIED);
        !is_up && (is_fresh || was_tried)
    }

    /// Whether the log tells of a panic, and then also what the kernel says next.
    async fn tells_of_panic(&self) -> bool {
        let Ok(mut log) = SerialLog::open(&self.vm.dir) else {
            return false;
        };
        let has_panicked = self.regex(PANIC).and_then(|panic| log.has(&panic));
        if matches!(has_panicked, Ok(true)) {
            log.settle(PANIC_QUIET).await;
            return true;
        }
        false
    }

    /// Returns when the guest's kernel has panicked: it says so on its console, or through a
    /// pvpanic device.
    pub(super) async fn panicked(&self) {
        let console = async {
            let mut log = SerialLog::open(&self.vm.dir)?;
            log.matches(&self.regex(PANIC_LINE)?).await?;
            // What the kernel says next is why.
            log.settle(PANIC_QUIET).await;
            Ok(())
        };
        tokio::select! {
            () = seen(console) => {}
            () = seen(self.emitted(PANIC_EVENT)) => {}
        }
    }

    /// Returns when the guest has been reset, by itself mostly: with its panic, if that was why.
    pub async fn reset(&self) -> Error {
        seen(self.emitted(RESET_EVENT)).await;
        if self.tells_of_panic().await {
            return self.panic().await;
        }
        let serial = vm::last_lines(&self.vm.dir, "serial");
        Error::GuestReset { vm: self.name().to_owned(), serial }
    }

    /// Waits for an event, also where some are lost.
    async fn emitted(&self, name: &str) -> Result<(), Error> {
        loop {
            match self.event(|event| event == name).await {
                Err(Error::EventsLost { .. }) => {}
                result => return result,
            }
        }
    }

    /// Tells of a panic.
    pub(super) async fn panic(&self) -> Error {
        let serial = vm::last_lines(&self.vm.dir, "serial");
        // QEMU may end with it, and a throwaway instance is thrown away.
        let left = !self.instance.is_run() && !self.is_ending().await;
        let reason = panic_reason(&vm::end_of(&self.vm.dir, "serial", PANIC_LENGTH));
        Error::Panicked { vm: self.name().to_owned(), reason, serial, left }
    }

    /// Whether the guest of a VM that has ended told of a panic before.
    async fn ended_in_panic(&self) -> bool {
        // The last events come after the end can be seen.
        let _ = tokio::time::timeout(LAST_EVENTS, self.heard_all.wait()).await;
        let in_log = || SerialLog::open(&self.vm.dir)?.has(&self.regex(PANIC_LINE)?);
        self.events.borrow().iter().any(|event| event.name == PANIC_EVENT)
            || in_log().is_ok_and(|panicked| panicked)
    }

    /// Whether the VM has ended, or is about to: connections to it break before that can be seen.
    pub async fn is_ending(&self) -> bool {
        matches!(tokio::time::timeout(AFTERMATH, self.vm.process.ended()).await, Ok(Ok(())))
    }

    /// Returns when the VM has ended, with a panic of its guest as the reason if there was one.
    pub(super) async fn ended(&self) -> Error {
        match self.vm.process.ended().await {
            Ok(()) if self.ended_in_panic().await => self.panic().await,
            Ok(()) => {
                Error::Died { vm: self.name().to_owned(), stderr: vm::last_words(&self.vm.dir) }
            }
            Err(error) => self.unwatched(error),
        }
    }
}

/// Why the kernel panics, by the last line in which it says so.
fn panic_reason(log: &str) -> String {
    let told = log.rsplit_once(PANIC_LINE).and_then(|(_, rest)| rest.lines().next());
    let reason = told.unwrap_or_default().trim_start_matches(':').trim_end_matches("]---");
    reason.trim().to_owned()
}

/// Returns when what is looked for has been seen; never, if it can't be.
async fn seen(sight: impl Future<Output = Result<(), Error>>) {
    if sight.await.is_err() {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::panic_reason;

    #[test]
    fn reads_why_a_kernel_panics() {
        for (log, reason) in [
            ("Kernel panic - not syncing: no init\nCPU: 0\n", "no init"),
            (
                "[1.2] Kernel panic - not syncing: a: b\n---[ end Kernel panic - not syncing: a: b ]---",
                "a: b",
            ),
            ("Kernel panic - not syncing", ""),
            ("", ""),
        ] {
            assert_eq!(panic_reason(log), reason, "{log}");
        }
    }
}
