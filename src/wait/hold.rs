//! Conditions as futures, each of which ends when its condition holds, and a plan of them.

use super::crash::AFTERMATH;
use super::serial::SerialLog;
use super::{Condition, Plan, Waited, Watch, guest};
use crate::events::EventStream;
use crate::qmp::Client;
use crate::vm;
use crate::{Error, deadline, error, events, suggest};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

/// How long QEMU may take to answer a question.
const PATIENCE: Duration = Duration::from_secs(2);

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

impl Watch<'_> {
    /// Waits as planned, and for nothing else.
    ///
    /// # Errors
    /// The time is over, the VM ends, or something holds that must not.
    pub async fn hold(&self, plan: &Plan) -> Result<Waited, Error> {
        let deadline = deadline::after(plan.since, plan.timeout);
        let mut pending = self.pending(&plan.conditions);
        let mut failing = self.pending(&plan.fail_on);
        let mut held = vec![false; plan.conditions.len()];
        let ends = plan.conditions.iter().any(|condition| matches!(condition, Condition::Stopped));
        while !is_enough(&held, plan.any) {
            tokio::select! {
                biased;
                index = failing.next() => {
                    let condition = plan.fail_on[index?].to_string();
                    return Err(Error::WaitFailed { vm: self.name().to_owned(), condition });
                }
                index = pending.next() => held[index?] = true,
                error = self.ended_for_good(ends) => return Err(error),
                () = tokio::time::sleep_until(deadline) => {
                    return Err(self.timed_out(plan, &held).await);
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
                match self.is_ending().await {
                    true => std::future::pending().await,
                    false => Err(error),
                }
            }
            result => result,
        }
    }

    async fn comes_true(&self, condition: &Condition) -> Result<(), Error> {
        match condition {
            Condition::Running => self.state_is("running").await,
            Condition::Paused => self.state_is("paused").await,
            Condition::Stopped => {
                self.vm.process.ended().await.map_err(|error| self.unwatched(error))
            }
            Condition::Serial(regex) => SerialLog::open(&self.vm.dir)?.matches(regex).await,
            Condition::Event(name) => tokio::select! {
                seen = self.event(|event| event == name) => seen,
                error = self.has_no_event(name) => Err(error),
            },
            Condition::Port(port) => guest::port_accepts(self, *port).await,
            Condition::Ssh => self.log_in().await.map(drop),
            Condition::File(path) => guest::file_exists(&self.log_in().await?, path).await,
        }
    }

    /// What keeps the guest from going on, if something does, and what would help.
    pub async fn standstill(&self) -> Option<String> {
        let status = self.vm.qmp(PATIENCE, async |client| client.query_status().await).await;
        let state = status.ok()?.status;
        let remedy = match state.as_str() {
            "running" => return None,
            "paused" | "prelaunch" | "io-error" => ("cont", "resumes"),
            "suspended" => ("system_wakeup", "wakes"),
            _ => return Some(format!("its state is `{state}`")),
        };
        let (command, does) = remedy;
        let vm = self.name();
        Some(format!("its state is `{state}`; `qqmgr monitor {vm} {command}` {does} it"))
    }

    /// Waits for a run state: asks first, then again at each event that changes it, and where one
    /// may have been missed.
    async fn state_is(&self, state: &str) -> Result<(), Error> {
        loop {
            // Before it is asked, so that nothing falls between.
            let mut events = events::subscribe(self.instance).await?;
            let status = self.vm.qmp(PATIENCE, async |client| client.query_status().await).await?;
            if status.status == state {
                return Ok(());
            }
            match state_changes(&mut events).await {
                Ok(()) | Err(Error::EventsLost { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns when it turns out that this QEMU has no such event.
    async fn has_no_event(&self, name: &str) -> Error {
        let question = async |client: &mut Client| client.execute("query-qmp-schema", None).await;
        // Where QEMU does not tell, it may have it.
        let schema = self.vm.qmp(PATIENCE, question).await.unwrap_or_default();
        let entities = schema.as_array().into_iter().flatten();
        let events = entities.filter(|entity| entity["meta-type"] == "event");
        let names: Vec<_> = events.filter_map(|event| event["name"].as_str()).collect();
        if names.is_empty() || names.contains(&name) {
            return std::future::pending().await;
        }
        let hint = suggest::nearest(name, names).map(|near| format!("did you mean `{near}`?"));
        let message = format!("VM `{}`: its QEMU has no event `{name}`", self.name());
        Error::Usage { message, hint }
    }

    pub(super) async fn event(&self, wanted: impl Fn(&str) -> bool) -> Result<(), Error> {
        let mut events = events::subscribe(self.instance).await?;
        while let Some(event) = events.next().await? {
            if wanted(&event.name) {
                return Ok(());
            }
        }
        // The VM has ended, which is for the waiting as a whole to say.
        std::future::pending().await
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

    async fn timed_out(&self, plan: &Plan, held: &[bool]) -> Error {
        let names = |wanted: bool| {
            let zipped = plan.conditions.iter().zip(held).filter(|(_, held)| **held == wanted);
            let names: Vec<_> = zipped.map(|(condition, _)| condition.to_string()).collect();
            names.join(", ")
        };
        let reason = self.standstill().await.unwrap_or_else(|| self.last_ssh.borrow().clone());
        let serial = error::log_end(&vm::last_lines(&self.vm.dir, "serial"));
        Error::WaitTimeout {
            vm: self.name().to_owned(),
            waited: plan.timeout,
            missing: names(false),
            held: names(true),
            detail: error::colon(&reason) + &serial,
        }
    }
}

async fn state_changes(events: &mut EventStream) -> Result<(), Error> {
    while let Some(event) = events.next().await? {
        if matches!(event.name.as_str(), "STOP" | "RESUME" | "SUSPEND" | "WAKEUP") {
            break;
        }
    }
    Ok(())
}

fn is_enough(held: &[bool], any: bool) -> bool {
    if any { held.contains(&true) } else { !held.contains(&false) }
}
