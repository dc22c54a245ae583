//! Waits for the conditions of a plan. Events and the serial log settle some of them; the others
//! need a question to QEMU or a try.

use super::observer::{Observer, Seen};
use super::subject::Subject;
use super::watch::{alarm, panic};
use super::{Condition, Plan, Waited, Watch, guest};
use crate::Error;
use crate::error::Usage;
use crate::events::{self, Told};
use crate::sys::deadline;
use crate::vm::{self, EventLog, History, VmError, awaited};
use crate::wait::WaitError;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use std::time::Duration;
use tokio::time::Instant;

/// How long QEMU may take to list its events, while the wait for them goes on.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a try may take if each condition is tried only once.
const ONE_TRY: Duration = Duration::from_secs(20);

/// The longest time from QEMU's first line in the log to its first event.
const COMING_UP: Duration = Duration::from_secs(1);

/// A condition that is being asked for or tried, by its index; false if it is not met.
type Probe<'a> = BoxFuture<'a, (usize, Result<bool, Error>)>;

/// All conditions of a plan, and which of them are met.
struct Standing<'a> {
    /// First those of `fail_on`, then the others.
    conditions: Vec<&'a Condition>,
    held: Vec<bool>,
    /// How many belong to `fail_on`.
    failing: usize,
}

impl<'a> Standing<'a> {
    fn of(plan: &'a Plan) -> Standing<'a> {
        let conditions: Vec<_> = plan.fail_on.iter().chain(&plan.conditions).collect();
        Standing { held: vec![false; conditions.len()], failing: plan.fail_on.len(), conditions }
    }

    fn failed(&self) -> Option<&Condition> {
        let at = self.held[..self.failing].iter().position(|held| *held)?;
        Some(self.conditions[at])
    }

    fn is_enough(&self, any: bool) -> bool {
        let held = &self.held[self.failing..];
        if any { held.contains(&true) } else { !held.contains(&false) }
    }

    /// The names of the conditions waited for that are met, or that are not.
    fn names(&self, held: bool) -> Vec<String> {
        let all = self.conditions.iter().zip(&self.held).skip(self.failing);
        let chosen = all.filter(|(_, is_held)| **is_held == held);
        chosen.map(|(condition, _)| condition.to_string()).collect()
    }

    /// The conditions that are not met yet, with their indices.
    fn open(&self) -> Vec<(usize, &'a Condition)> {
        let all = self.conditions.iter().zip(&self.held).enumerate();
        all.filter(|(_, (_, held))| !**held).map(|(at, (condition, _))| (at, *condition)).collect()
    }

    /// Reports the conditions that are not met yet.
    fn tell(&self, subject: &Subject<'_>) {
        awaited::tell(subject.instance, &self.names(false).join(", "));
    }

    /// Takes in what was seen; returns whether a condition is now met.
    fn see(&mut self, seen: &Seen) -> bool {
        let mut is_news = false;
        for (at, condition) in self.open() {
            self.held[at] = match (condition, seen) {
                (Condition::Event(name), Seen::Event(event)) => event.name == *name,
                (Condition::Serial(regex), Seen::Line(line)) => {
                    !line.is_empty() && regex.is_match(line)
                }
                (Condition::Stopped, Seen::Ended) => true,
                _ => false,
            };
            is_news |= self.held[at];
        }
        is_news
    }

    /// Takes in the VM's state. If the log does not tell it, returns the questions that do.
    fn see_state<'s>(&mut self, history: &History, subject: &'s Subject<'_>) -> Vec<Probe<'s>> {
        let open = self.open().into_iter();
        let about_state = open.filter_map(|(at, condition)| Some((at, condition.state()?)));
        let about_state: Vec<_> = about_state.collect();
        if about_state.is_empty() {
            return Vec::new();
        }
        match history.state(&subject.vm.dir) {
            Some(state) => {
                about_state.iter().for_each(|(at, wanted)| self.held[*at] = state.is(wanted));
                Vec::new()
            }
            None => about_state.into_iter().map(|(at, wanted)| ask(subject, at, wanted)).collect(),
        }
    }
}

impl Watch<'_> {
    /// Waits as planned, and makes a bundle if the VM dies or never comes up; the caller began to
    /// wait for the VM at `begun`.
    ///
    /// # Errors
    /// The time is over, the VM ends, an alarm is raised, or a condition of `fail_on` is met.
    pub async fn hold(&mut self, begun: Instant, plan: &Plan) -> Result<Waited, Error> {
        let result = self.until_held(plan).await;
        self.bundled(begun, result).await
    }

    async fn until_held(&mut self, plan: &Plan) -> Result<Waited, Error> {
        let Watch { subject, observer, alarms } = self;
        if alarms.panic && vm::panic_seen(&subject.vm.dir, &observer.history).is_some() {
            return Err(panic(observer, subject).await?);
        }
        let deadline = match plan.is_once() {
            true => deadline::within(ONE_TRY),
            false => deadline::after(plan.since, plan.timeout),
        };
        let mut standing = Standing::of(plan);
        if plan.since_start {
            see_history(&mut standing, subject)?;
        }
        let mut probes: FuturesUnordered<Probe> = FuturesUnordered::new();
        let open = standing.open().into_iter();
        match plan.is_once() {
            // A guest that does not run answers nothing.
            true if !stands_still(observer, subject) => {
                probes.extend(open.filter_map(|(at, condition)| once(subject, at, condition)));
            }
            true => {}
            false => {
                probes.extend(open.filter_map(|(at, condition)| probe(subject, at, condition)))
            }
        }
        probes.extend(standing.see_state(&observer.history, subject));
        standing.tell(subject);
        // The past counts first, however little time there is.
        let mut has_caught_up = false;
        loop {
            if let Some(condition) = standing.failed() {
                let (vm, condition) = (subject.name().to_owned(), condition.to_string());
                return Err(WaitError::Failed { vm, condition }.into());
            }
            if standing.is_enough(plan.any) {
                let (name, held) = (subject.name().to_owned(), standing.names(true));
                return Ok(Waited { name, held, seconds: plan.since.elapsed().as_secs_f64() });
            }
            let ready = if has_caught_up { None } else { observer.next_now(subject)? };
            has_caught_up = ready.is_none();
            if has_caught_up && plan.is_once() && probes.is_empty() {
                return Err(timed_out(subject, &observer.history, plan, &standing).await);
            }
            let seen = match ready {
                Some(seen) => seen,
                None => tokio::select! {
                    biased;
                    () = tokio::time::sleep_until(deadline) => {
                        return Err(timed_out(subject, &observer.history, plan, &standing).await);
                    }
                    seen = observer.next(subject) => seen?,
                    Some((at, holds)) = probes.next() => {
                        standing.held[at] |= holds?;
                        standing.tell(subject);
                        continue;
                    }
                },
            };
            if standing.see(&seen) {
                standing.tell(subject);
            }
            let is_over = standing.failed().is_some() || standing.is_enough(plan.any);
            if !is_over && let Some(error) = alarm(observer, subject, *alarms, &seen).await? {
                return Err(error);
            }
            if matches!(seen, Seen::Event(_) | Seen::Gap) {
                probes.extend(standing.see_state(&observer.history, subject));
            }
        }
    }
}

/// Whether the event log tells that the guest does not run.
fn stands_still(observer: &Observer, subject: &Subject<'_>) -> bool {
    let state = observer.history.state(&subject.vm.dir);
    state.is_some_and(|state| state.standstill(subject.name()).is_some())
}

/// Takes in the events since the VM's start.
fn see_history(standing: &mut Standing<'_>, subject: &Subject<'_>) -> Result<(), Error> {
    let mut log = EventLog::open(&subject.vm.dir)?;
    while let Some(log) = &mut log
        && let Some(line) = log.next_line()?
    {
        if let Some(Told::Event(event)) = Told::of(&line) {
            standing.see(&Seen::Event(event));
        }
    }
    Ok(())
}

/// Asks for or tries a condition that no log shows, or finds that it can't be met.
fn probe<'s>(subject: &'s Subject<'_>, at: usize, condition: &'s Condition) -> Option<Probe<'s>> {
    let holds = async move || match condition {
        Condition::Port(port) => guest::port_accepts(subject, port).await,
        Condition::Ssh => subject.log_in().await.map(drop),
        Condition::File(path) => guest::file_exists(&subject.log_in().await?, path).await,
        Condition::Event(name) => Err(has_no_event(subject, name).await),
        _ => Ok(()),
    };
    let is_asked = condition.needs_guest() && !matches!(condition, Condition::Serial(_));
    let is_event = matches!(condition, Condition::Event(_));
    let probe = async move { (at, still(subject, holds().await.map(|()| true)).await) };
    (is_asked || is_event).then(|| Box::pin(probe) as Probe<'s>)
}

/// Tries a condition once, if only the guest can answer it.
fn once<'s>(subject: &'s Subject<'_>, at: usize, condition: &'s Condition) -> Option<Probe<'s>> {
    let holds = async move || match condition {
        Condition::Port(port) => guest::port_accepts_now(subject, port).await,
        Condition::Ssh => Ok(subject.log_in_now().await?.is_some()),
        Condition::File(path) => match subject.log_in_now().await? {
            Some(session) => guest::has_file(&session, path).await,
            None => Ok(false),
        },
        _ => Ok(false),
    };
    let probe = async move { (at, still(subject, holds().await).await) };
    condition.needs_answer().then(|| Box::pin(probe) as Probe<'s>)
}

/// Asks QEMU for the state.
fn ask<'s>(subject: &'s Subject<'_>, at: usize, wanted: &'static str) -> Probe<'s> {
    let holds = async || Ok(vm::ask_state(&subject.vm).await?.is(wanted));
    Box::pin(async move { (at, still(subject, holds().await).await) })
}

/// The result, unless QEMU is about to end. Its connections break before its end can be seen, and
/// then the wait as a whole reports the end.
async fn still(subject: &Subject<'_>, result: Result<bool, Error>) -> Result<bool, Error> {
    let broken = result.as_ref().err().and_then(Error::get);
    match broken {
        Some(VmError::Qmp { .. } | VmError::NotRunning { .. }) if subject.is_ending().await => {
            std::future::pending().await
        }
        _ => result,
    }
}

/// Returns when QEMU turns out to have no such event.
async fn has_no_event(subject: &Subject<'_>, name: &str) -> Error {
    if events::check(&subject.vm).is_err() {
        // QEMU may still be coming up.
        tokio::time::sleep(COMING_UP).await;
        if let Err(error) = events::check(&subject.vm) {
            return error;
        }
    }
    let Some(nearest) = events::is_unknown(&subject.vm, name, PATIENCE).await else {
        return std::future::pending().await;
    };
    let hint = nearest.map(|near| format!("did you mean `{near}`?"));
    let message = format!("VM `{}`: its QEMU has no event `{name}`", subject.name());
    Error::from(Usage { message, hint })
}

async fn timed_out(
    subject: &Subject<'_>,
    history: &History,
    plan: &Plan,
    standing: &Standing<'_>,
) -> Error {
    let state = vm::state_of(&subject.vm, history).await.ok();
    let standstill = state.and_then(|state| state.standstill(subject.name()));
    let excerpt = vm::excerpt(&subject.vm.dir);
    let missing = standing.open().into_iter().filter(|(at, _)| *at >= standing.failing);
    let missing: Vec<_> = missing.map(|(_, condition)| condition).collect();
    let known = || {
        let unreachable = missing.iter().any(|condition| condition.needs_session());
        let mut known = vec![subject.obstacle(unreachable)];
        if excerpt.is_empty() && missing.iter().any(|condition| condition.needs_guest()) {
            known.push("the guest has written nothing to its serial port".to_owned());
        }
        known.retain(|fact| !fact.is_empty());
        known.join("; ")
    };
    Error::from(WaitError::Timeout {
        vm: subject.name().to_owned(),
        waited: plan.timeout,
        missing: standing.names(false).join(", "),
        held: standing.names(true).join(", "),
        detail: standstill.unwrap_or_else(known),
        excerpt,
    })
}
