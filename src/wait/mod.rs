//! Waiting for things to become true of a running VM, all at once, each by the event itself.

mod condition;
mod guest;
mod serial;
mod start;

pub use condition::{Condition, FORMS};
pub use serial::SerialLog;

use crate::config::{Config, Instance};
use crate::process::Process;
use crate::qmp::Event;
use crate::ssh::{self, Session};
use crate::vm::{self, Control, Milestone, Timeline, VmDir};
use crate::{Error, bundle, error, events};
use regex::Regex;
use serde::Serialize;
use std::cell::RefCell;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;

/// A kernel that panics has said all when it has been silent for this long.
const PANIC_QUIET: Duration = Duration::from_millis(50);

/// How far apart the signs of QEMU's end may be seen.
const AFTERMATH: Duration = Duration::from_millis(500);

/// A VM that is watched while it runs.
pub struct Watch<'a> {
    config: &'a Config,
    instance: &'a Instance,
    dir: VmDir,
    process: Process,
    timeline: RefCell<Timeline>,
    events: RefCell<Vec<Event>>,
    /// What the last SSH login that failed said.
    last_ssh: RefCell<String>,
}

/// What to wait for.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What has to become true.
    pub conditions: Vec<Condition>,
    /// Whether one of them is enough.
    pub any: bool,
    /// What makes the waiting fail at once.
    pub fail_on: Vec<Condition>,
    /// How long to wait at the most.
    pub timeout: Duration,
    /// When that began.
    pub since: Instant,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Waited {
    /// The VM.
    pub name: String,
    /// The conditions that held.
    pub held: Vec<String>,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// Waits as planned for a VM; where it is to be running, it may be started meanwhile.
///
/// # Errors
/// As [`Watch::wait`], or the VM is not running.
pub async fn wait(config: &Config, instance: &Instance, plan: &Plan) -> Result<Waited, Error> {
    let has = |wanted: fn(&Condition) -> bool| plan.conditions.iter().any(wanted);
    let mut watch = Watch::open(config, instance)?;
    if watch.is_none() && has(|condition| matches!(condition, Condition::Stopped)) {
        let held = vec![Condition::Stopped.to_string()];
        return Ok(Waited { name: instance.name.clone(), held, seconds: 0.0 });
    }
    if watch.is_none() && has(|condition| matches!(condition, Condition::Running)) {
        start::started(instance, plan.since + plan.timeout).await?;
        watch = Watch::open(config, instance)?;
    }
    let watch = watch.ok_or_else(|| Error::NotRunning { vm: instance.name.clone() })?;
    watch.wait(plan).await
}

type Holding<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + 'a>>;

/// Conditions that have not come true yet, by their index.
struct Pending<'a>(Vec<(usize, Holding<'a>)>);

impl Pending<'_> {
    /// The next one that does.
    async fn next(&mut self) -> Result<usize, Error> {
        let (at, result) = std::future::poll_fn(|context| {
            for (at, (_, holding)) in self.0.iter_mut().enumerate() {
                if let Poll::Ready(result) = holding.as_mut().poll(context) {
                    return Poll::Ready((at, result));
                }
            }
            Poll::Pending
        })
        .await;
        let (index, _) = self.0.swap_remove(at);
        result.map(|()| index)
    }
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

    /// Waits as planned. What is known of a VM that dies or never comes up goes into a bundle.
    ///
    /// # Errors
    /// The time is over, the VM ends, or something holds that must not.
    pub async fn wait(&self, plan: &Plan) -> Result<Waited, Error> {
        let observer = self.observe();
        let result = tokio::select! {
            biased;
            result = self.wait_unobserved(plan) => result,
            never = observer => match never {},
        };
        match result {
            Err(error) => Err(self.bundled(error).await),
            waited => waited,
        }
    }

    /// Does `work` for as long as the VM is well.
    ///
    /// # Errors
    /// Those of `work`; the VM ends, or its kernel panics.
    pub async fn while_well<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::select! {
            biased;
            panic = self.panicked() => Err(panic),
            ended = self.ended() => Err(ended),
            result = work => result,
            never = self.observe() => match never {},
        }
    }

    /// The error with the bundle of all that is known, if it is of a kind that has one.
    pub async fn bundled(&self, error: Error) -> Error {
        let events = self.events.borrow().clone();
        bundle::wrap(self.config, self.instance, error, &events).await
    }

    async fn wait_unobserved(&self, plan: &Plan) -> Result<Waited, Error> {
        let deadline = plan.since + plan.timeout;
        let mut pending = self.pending(&plan.conditions);
        let mut failing = self.pending(&plan.fail_on);
        let mut held = vec![false; plan.conditions.len()];
        let ends = plan.conditions.iter().any(|condition| matches!(condition, Condition::Stopped));
        while !is_enough(&held, plan.any) {
            tokio::select! {
                biased;
                index = pending.next() => held[index?] = true,
                index = failing.next() => {
                    let condition = plan.fail_on[index?].to_string();
                    return Err(Error::WaitFailed { vm: self.name().to_owned(), condition });
                }
                error = self.ended_for_good(ends) => return Err(error),
                () = tokio::time::sleep_until(deadline) => {
                    return Err(self.timed_out(plan, &held));
                }
            }
        }
        let held = plan.conditions.iter().zip(&held).filter(|(_, held)| **held);
        let held = held.map(|(condition, _)| condition.to_string()).collect();
        let seconds = plan.since.elapsed().as_secs_f64();
        Ok(Waited { name: self.name().to_owned(), held, seconds })
    }

    fn pending<'c>(&'c self, conditions: &'c [Condition]) -> Pending<'c> {
        let holding = |condition| Box::pin(self.holds(condition)) as Holding<'c>;
        Pending(conditions.iter().map(holding).enumerate().collect())
    }

    /// Returns when the condition holds.
    async fn holds(&self, condition: &Condition) -> Result<(), Error> {
        match self.comes_true(condition).await {
            Err(error @ (Error::Events { .. } | Error::Qmp { .. } | Error::NotRunning { .. })) => {
                // QEMU's connections break before its end can be seen, and that is for the
                // waiting as a whole to say.
                match tokio::time::timeout(AFTERMATH, self.process.ended()).await {
                    Ok(Ok(())) => std::future::pending().await,
                    _ => Err(error),
                }
            }
            result => result,
        }
    }

    async fn comes_true(&self, condition: &Condition) -> Result<(), Error> {
        match condition {
            Condition::Running => self.state_is("running").await,
            Condition::Paused => self.state_is("paused").await,
            Condition::Stopped => self.process.ended().await.map_err(|error| self.unwatched(error)),
            Condition::Serial(regex) => SerialLog::open(&self.dir)?.matches(regex).await,
            Condition::Event(name) => self.event(|event| event == name).await,
            Condition::Port(port) => guest::port_accepts(self, *port).await,
            Condition::Ssh => self.log_in().await.map(drop),
            Condition::File(path) => guest::file_exists(&self.log_in().await?, path).await,
        }
    }

    /// Waits for a run state: asks first, then again at each event that changes it.
    async fn state_is(&self, state: &str) -> Result<(), Error> {
        let mut events = events::subscribe(self.instance).await?;
        let control = Control { vm: self.name(), dir: &self.dir, process: &self.process };
        loop {
            let patience = Duration::from_secs(2);
            let status = control.qmp(patience, async |client| client.query_status().await).await?;
            if status.status == state {
                return Ok(());
            }
            while let Some(event) = events.next().await? {
                if matches!(event.name.as_str(), "STOP" | "RESUME" | "SUSPEND" | "WAKEUP") {
                    break;
                }
            }
        }
    }

    async fn event(&self, wanted: impl Fn(&str) -> bool) -> Result<(), Error> {
        let mut events = events::subscribe(self.instance).await?;
        while let Some(event) = events.next().await? {
            if wanted(&event.name) {
                return Ok(());
            }
        }
        // The VM has ended, which is for the waiting as a whole to say.
        std::future::pending().await
    }

    /// Waits for a login and notes it as a milestone if it was not possible before.
    async fn log_in(&self) -> Result<Session, Error> {
        let began = Instant::now();
        let fresh = self.process.uptime().is_some_and(|uptime| uptime < Duration::from_secs(1));
        let session = Session::open(self.config, self.instance)?;
        ssh::log_in(&session, &self.last_ssh).await?;
        if fresh || began.elapsed() > Duration::from_secs(1) {
            self.pass(Milestone::Ssh)?;
        }
        Ok(session)
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
            self.events.borrow_mut().push(event);
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
            Result::<_, Error>::Ok(())
        };
        let device = self.event(|event| event == "GUEST_PANICKED");
        let never_seen = tokio::select! {
            result = console => result.is_err(),
            result = device => result.is_err(),
        };
        if never_seen {
            return std::future::pending().await;
        }
        let serial = vm::last_lines(&self.dir, "serial");
        Error::Panicked { vm: self.name().to_owned(), serial }
    }

    fn regex(&self, pattern: &str) -> Result<Regex, Error> {
        Regex::new(pattern).map_err(|error| self.unwatched(std::io::Error::other(error)))
    }

    fn pass(&self, milestone: Milestone) -> Result<(), Error> {
        let mut timeline = self.timeline.borrow_mut();
        timeline.pass(milestone);
        timeline.write(&self.dir)
    }

    /// Returns when the VM has ended; if that was waited for, when what came with it, such as
    /// its last events, has been seen too.
    async fn ended_for_good(&self, awaited: bool) -> Error {
        let error = self.ended().await;
        if awaited {
            tokio::time::sleep(AFTERMATH).await;
        }
        error
    }

    /// Returns when the VM has ended.
    async fn ended(&self) -> Error {
        match self.process.ended().await {
            Ok(()) => Error::Died { vm: self.name().to_owned(), stderr: vm::last_words(&self.dir) },
            Err(error) => self.unwatched(error),
        }
    }

    fn unwatched(&self, error: std::io::Error) -> Error {
        Error::System { vm: self.name().to_owned(), action: "watch QEMU", error }
    }

    fn timed_out(&self, plan: &Plan, held: &[bool]) -> Error {
        let names = |wanted: bool| {
            let zipped = plan.conditions.iter().zip(held).filter(|(_, held)| **held == wanted);
            let names: Vec<_> = zipped.map(|(condition, _)| condition.to_string()).collect();
            names.join(", ")
        };
        let serial = error::log_end(&vm::last_lines(&self.dir, "serial"));
        Error::WaitTimeout {
            vm: self.name().to_owned(),
            waited: plan.timeout,
            missing: names(false),
            held: names(true),
            detail: error::colon(&self.last_ssh.borrow()) + &serial,
        }
    }
}

fn is_enough(held: &[bool], any: bool) -> bool {
    if any { held.contains(&true) } else { !held.contains(&false) }
}
