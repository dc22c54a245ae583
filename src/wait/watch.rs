//! A running VM under watch: what passes is noted, and its end and its panics are seen.

use super::serial::SerialLog;
use crate::config::{Config, Instance};
use crate::qmp::Event;
use crate::vm::{self, Milestone, Running, Timeline};
use crate::{Error, events};
use regex::Regex;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use tokio::sync::SetOnce;
use tokio::time::Instant;

/// As many of the last events are kept for a bundle.
const MOST_EVENTS: usize = 10_000;

/// A VM that is watched while it runs.
pub struct Watch<'a> {
    pub(super) config: &'a Config,
    pub(super) instance: &'a Instance,
    pub(super) vm: Running,
    pub(super) timeline: RefCell<Timeline>,
    /// Whether the boot had written nothing when the watch began.
    is_new: bool,
    pub(super) events: RefCell<VecDeque<Event>>,
    /// Since when an SSH login is tried.
    pub(super) login_began: Cell<Option<Instant>>,
    /// There is nothing more to come of them.
    pub(super) heard_all: SetOnce<()>,
    /// What the last SSH login that failed said.
    pub(super) last_ssh: RefCell<String>,
}

impl<'a> Watch<'a> {
    /// Begins to watch a VM; `None` when it is not running.
    ///
    /// # Errors
    /// Its directory can't be used.
    pub fn open(config: &'a Config, instance: &'a Instance) -> Result<Option<Watch<'a>>, Error> {
        let Some(vm) = Running::find(instance)? else {
            return Ok(None);
        };
        vm::forget_broken_off(&vm.dir);
        let timeline = Timeline::read(&vm.dir).unwrap_or_default();
        let log = std::fs::metadata(vm.dir.file("serial"));
        let is_new = log.is_ok_and(|log| log.len() <= timeline.serial_begins);
        Ok(Some(Watch {
            config,
            instance,
            vm,
            timeline: RefCell::new(timeline),
            is_new,
            events: RefCell::default(),
            heard_all: SetOnce::new(),
            login_began: Cell::default(),
            last_ssh: RefCell::default(),
        }))
    }

    /// The VM.
    pub fn instance(&self) -> &'a Instance {
        self.instance
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.vm.name
    }

    /// Does `work`, which began at `since`, noting meanwhile what the timeline is to know, and the
    /// bundle if the VM dies or does not come up.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn observing<T>(
        &self,
        since: Instant,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::select! {
            biased;
            result = self.bundled(since, work) => result,
            never = self.observe() => match never {},
        }
    }

    /// Does `work`, which began at `since`, for as long as the VM is well, noting what passes.
    ///
    /// # Errors
    /// Those of `work`; the VM ends, or its kernel panics.
    pub async fn while_well<T>(
        &self,
        since: Instant,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.observing(since, async {
            tokio::select! {
                biased;
                () = self.panicked() => Err(self.panic().await),
                ended = self.ended() => Err(ended),
                result = work => match result {
                    // Its end is the reason, though what else is to be known of that is not yet.
                    Err(_) if self.vm.process.has_ended() => Err(self.ended().await),
                    result => result,
                },
            }
        })
        .await
    }

    /// Notes the milestones and the events that come while something else is waited for. What
    /// can't be noted is no reason for that to fail.
    async fn observe(&self) -> Infallible {
        let milestones = async {
            let _ = self.note_milestones().await;
        };
        let events = async {
            let _ = self.note_events().await;
            let _ = self.heard_all.set(());
        };
        tokio::join!(milestones, events);
        std::future::pending().await
    }

    async fn note_milestones(&self) -> Result<(), Error> {
        if !self.is_new {
            return Ok(());
        }
        SerialLog::open(&self.vm.dir)?.matches(&self.regex(".")?).await?;
        self.pass(Milestone::Serial)?;
        SerialLog::open(&self.vm.dir)?
            .matches(&self.regex(r"^\[ *0\.000000\]|Linux version ")?)
            .await?;
        self.pass(Milestone::Kernel)
    }

    async fn note_events(&self) -> Result<(), Error> {
        let mut events = events::subscribe(self.instance).await?;
        loop {
            let event = match events.next().await {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(()),
                // A gap is no reason to miss what follows.
                Err(Error::EventsLost { .. }) => continue,
                Err(error) => return Err(error),
            };
            let mut noted = self.events.borrow_mut();
            noted.push_back(event);
            if noted.len() > MOST_EVENTS {
                noted.pop_front();
            }
        }
    }

    pub(super) fn regex(&self, pattern: &str) -> Result<Regex, Error> {
        Regex::new(pattern).map_err(|error| self.unwatched(std::io::Error::other(error)))
    }

    pub(super) fn pass(&self, milestone: Milestone) -> Result<(), Error> {
        let mut timeline = self.timeline.borrow_mut();
        let latest = Timeline::read(&self.vm.dir).unwrap_or_default();
        // Of a boot before a reset nothing is to be noted any more.
        if latest.spawned_at == timeline.spawned_at {
            *timeline = latest;
            timeline.pass(milestone);
            timeline.write(&self.vm.dir)?;
        }
        Ok(())
    }

    pub(super) fn unwatched(&self, error: std::io::Error) -> Error {
        Error::System { vm: self.name().to_owned(), action: "watch QEMU", error }
    }
}
