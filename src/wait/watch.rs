//! A running VM under watch: what passes is noted, and its end and its panics are seen.

use super::serial::SerialLog;
use crate::config::{Config, Instance};
use crate::process::Process;
use crate::qmp::Event;
use crate::vm::{self, Milestone, Timeline, VmDir};
use crate::{Error, bundle, events};
use regex::Regex;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

/// A kernel that panics has said all when it has been silent for this long.
const PANIC_QUIET: Duration = Duration::from_millis(50);

/// As many of the last events are kept for a bundle.
const MOST_EVENTS: usize = 10_000;

/// A VM that is watched while it runs.
pub struct Watch<'a> {
    pub(super) config: &'a Config,
    pub(super) instance: &'a Instance,
    pub(super) dir: VmDir,
    pub(super) process: Process,
    timeline: RefCell<Timeline>,
    events: RefCell<VecDeque<Event>>,
    /// What the last SSH login that failed said.
    pub(super) last_ssh: RefCell<String>,
}

impl<'a> Watch<'a> {
    /// Begins to watch a VM; `None` when it is not running.
    ///
    /// # Errors
    /// Its directory can't be used.
    pub fn open(config: &'a Config, instance: &'a Instance) -> Result<Option<Watch<'a>>, Error> {
        let Some(dir) = VmDir::open(instance)? else {
            return Ok(None);
        };
        let Some(process) = dir.process()? else {
            return Ok(None);
        };
        let timeline = RefCell::new(Timeline::read(&dir).unwrap_or_default());
        let (events, last_ssh) = (RefCell::default(), RefCell::default());
        Ok(Some(Watch { config, instance, dir, process, timeline, events, last_ssh }))
    }

    /// The VM's name.
    pub fn name(&self) -> &str {
        &self.instance.name
    }

    /// Does `work`, noting meanwhile what a bundle and the timeline are to know.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn observing<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::select! {
            biased;
            result = work => result,
            never = self.observe() => match never {},
        }
    }

    /// Does `work` for as long as the VM is well, noting what passes.
    ///
    /// # Errors
    /// Those of `work`; the VM ends, or its kernel panics.
    pub async fn while_well<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.observing(async {
            tokio::select! {
                biased;
                panic = self.panicked() => Err(panic),
                ended = self.ended() => Err(ended),
                result = work => result,
            }
        })
        .await
    }

    /// The result; an error with the bundle of all that is known, if it is of a kind that has
    /// one.
    ///
    /// # Errors
    /// The error of `result`.
    pub async fn bundled<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        match result {
            Err(error) => {
                let events = self.events.borrow().iter().cloned().collect::<Vec<_>>();
                Err(bundle::wrap(self.config, self.instance, error, &events).await)
            }
            result => result,
        }
    }

    /// Notes the milestones and the events that come while something else is waited for. What
    /// can't be noted is no reason for that to fail.
    async fn observe(&self) -> Infallible {
        let milestones = async {
            let _ = self.note_milestones().await;
        };
        let events = async {
            let _ = self.note_events().await;
        };
        tokio::join!(milestones, events);
        std::future::pending().await
    }

    async fn note_milestones(&self) -> Result<(), Error> {
        let is_new = std::fs::metadata(self.dir.file("serial")).is_ok_and(|file| file.len() == 0);
        if !is_new {
            return Ok(());
        }
        let mut log = SerialLog::open(&self.dir)?;
        log.matches(&self.regex(".")?).await?;
        self.pass(Milestone::Serial)?;
        log.matches(&self.regex(r"^\[ *0\.000000\]|Linux version ")?).await?;
        self.pass(Milestone::Kernel)
    }

    async fn note_events(&self) -> Result<(), Error> {
        let mut events = events::subscribe(self.instance).await?;
        while let Some(event) = events.next().await? {
            let mut noted = self.events.borrow_mut();
            noted.push_back(event);
            if noted.len() > MOST_EVENTS {
                noted.pop_front();
            }
        }
        Ok(())
    }

    /// Returns when the guest's kernel has panicked: it says so on its console, or through a
    /// pvpanic device.
    async fn panicked(&self) -> Error {
        let console = async {
            let mut log = SerialLog::open(&self.dir)?;
            log.matches(&self.regex("Kernel panic - not syncing")?).await?;
            // What the kernel says next is why.
            log.settle(PANIC_QUIET).await;
            Ok(())
        };
        tokio::select! {
            () = seen(console) => {}
            () = seen(self.event(|event| event == "GUEST_PANICKED")) => {}
        }
        let serial = vm::last_lines(&self.dir, "serial");
        Error::Panicked { vm: self.name().to_owned(), serial }
    }

    fn regex(&self, pattern: &str) -> Result<Regex, Error> {
        Regex::new(pattern).map_err(|error| self.unwatched(std::io::Error::other(error)))
    }

    pub(super) fn pass(&self, milestone: Milestone) -> Result<(), Error> {
        let mut timeline = self.timeline.borrow_mut();
        timeline.pass(milestone);
        timeline.write(&self.dir)
    }

    /// Returns when the VM has ended.
    pub(super) async fn ended(&self) -> Error {
        match self.process.ended().await {
            Ok(()) => Error::Died { vm: self.name().to_owned(), stderr: vm::last_words(&self.dir) },
            Err(error) => self.unwatched(error),
        }
    }

    pub(super) fn unwatched(&self, error: std::io::Error) -> Error {
        Error::System { vm: self.name().to_owned(), action: "watch QEMU", error }
    }
}

/// Returns when what is looked for has been seen; never, if it can't be.
async fn seen(sight: impl Future<Output = Result<(), Error>>) {
    if sight.await.is_err() {
        std::future::pending().await
    }
}
