//! `qqmgr start`.

use super::args::life::StartArgs;
use super::many::Targets;
use super::{Context, output};
use crate::config::{Config, Instance};
use crate::lease;
use crate::sys::process::Identity;
use crate::text::quote::quote;
use crate::vm::{self, Lease, LeaseStatus, StartOptions, Started};
use crate::wait::{Alarms, Condition, Plan, Watch};
use crate::{Error, bundle};
use serde::Serialize;
use std::fmt;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::Instant;

#[derive(Serialize)]
pub struct Report {
    #[serde(flatten)]
    started: Started,
    /// The lease that it has now.
    lease: Option<LeaseStatus>,
    /// Whether it was running before, and has that lease only now.
    #[serde(skip)]
    is_leased_anew: bool,
    /// What was waited for and holds.
    held: Vec<String>,
    seconds: f64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Started { name, pid, already_running, ssh_port, .. } = &self.started;
        let what = if *already_running { "is running already" } else { "started" };
        write!(f, "{name}: {what} (pid {pid}), SSH on port {ssh_port}")?;
        match &self.lease {
            Some(lease) if self.is_leased_anew => write!(f, "; from now on it {lease}")?,
            Some(lease) => write!(f, "; {lease}")?,
            None => {}
        }
        match self.held.as_slice() {
            [] => Ok(()),
            held => write!(f, "; after {:.1}s: {}", self.seconds, held.join(", ")),
        }
    }
}

pub async fn run(context: &Context, args: StartArgs) -> Result<ExitCode, Error> {
    let config = context.load()?;
    let find = |name: &str| startable(&config, name);
    let targets = Targets::new(&args.vms, args.all.then(|| config.vms()), find)?;
    if args.dry_run {
        return dry_run(context, &config, &args).await;
    }
    let lease = lease(&args)?;
    let request = Request {
        options: StartOptions { extra: args.extra, timeout: args.timeout, die_with_us: false },
        conditions: match args.conditions {
            conditions if conditions.is_empty() && args.wait => vec![Condition::Ssh],
            conditions => conditions,
        },
        lease,
    };
    let start = async |instance: &_| request.start(context, &config, instance).await;
    targets.each(context, start).await
}

/// The VM called `name`. A throwaway instance ends with its first life, and its keeper with it.
pub fn startable(config: &Config, name: &str) -> Result<Instance, Error> {
    let instance = config.instance(name)?;
    if instance.is_run() {
        let message = format!("`{name}` is a throwaway instance, which can't be started again");
        let hint = Some(format!("start another one: qqmgr run {}", instance.definition));
        return Err(Error::Usage { message, hint });
    }
    Ok(instance)
}

/// What is asked of each VM.
struct Request {
    options: StartOptions,
    conditions: Vec<Condition>,
    lease: Option<Lease>,
}

impl Request {
    /// Starts a VM, with a keeper if it has a lease, and waits for what it is to wait for. What
    /// is known of a VM that does not come up goes into a bundle.
    async fn start(
        &self,
        context: &Context,
        config: &Config,
        instance: &Instance,
    ) -> Result<Report, Error> {
        let begun = Instant::now();
        let started = match self.launch(config, instance).await {
            Ok(started) => started,
            Err(error) => return Err(bundle::of_start(config, instance, error).await),
        };
        if !context.json {
            tell(&started);
        }
        let is_news = started.already_running || !self.conditions.is_empty();
        if is_news && !context.json {
            output::standstill(instance).await;
        }
        let is_leased_anew = started.already_running && self.lease.is_some();
        let (conditions, timeout) = (self.conditions.clone(), self.options.timeout);
        let since_start = !started.already_running;
        let waiting = Waiting { conditions, timeout, begun, since: begun, since_start };
        let report = waiting.report(config, instance, started).await?;
        Ok(Report { is_leased_anew, ..report })
    }

    async fn launch(&self, config: &Config, instance: &Instance) -> Result<Started, Error> {
        let start = vm::start(config, instance, &self.options);
        lease::while_starting(instance, self.lease.clone(), start, |started| started).await
    }
}

/// Tells at once what is to be known of a start that worked: it may be long until the waiting is
/// over.
pub fn tell(started: &Started) {
    let name = &started.name;
    if !started.ignored_args.is_empty() {
        let args = shlex::try_join(started.ignored_args.iter().map(String::as_str));
        let args = args.unwrap_or_default();
        output::note(format_args!("{name}: goes on without `{args}`; stop it first"));
    }
    for warning in &started.warnings {
        output::note(format_args!("{name}: {warning}"));
    }
}

/// What a VM that was started is waited for.
pub struct Waiting {
    pub conditions: Vec<Condition>,
    pub timeout: Duration,
    /// When the command began.
    pub begun: Instant,
    /// When its time begins to run.
    pub since: Instant,
    /// Whether all events of the VM's life count.
    pub since_start: bool,
}

impl Waiting {
    /// Waits until all of it holds, and returns what that was.
    pub async fn hold(self, config: &Config, instance: &Instance) -> Result<Vec<String>, Error> {
        if self.conditions.is_empty() {
            return Ok(Vec::new());
        }
        let alarms = Alarms { panic: true, ..Alarms::default() };
        let watch = Watch::open(config, instance, alarms)?;
        let mut watch = watch.ok_or_else(|| vm::died(instance))?;
        let plan = Plan {
            conditions: self.conditions,
            any: false,
            fail_on: Vec::new(),
            since_start: self.since_start,
            timeout: self.timeout,
            since: self.since,
        };
        Ok(watch.hold(self.begun, &plan).await?.held)
    }

    /// Waits, and tells what came of the start.
    pub async fn report(
        self,
        config: &Config,
        instance: &Instance,
        started: Started,
    ) -> Result<Report, Error> {
        let begun = self.begun;
        let held = self.hold(config, instance).await?;
        let lease = Lease::current(instance)?.map(|lease| lease.status());
        let seconds = begun.elapsed().as_secs_f64();
        Ok(Report { started, lease, is_leased_anew: false, held, seconds })
    }
}

fn lease(args: &StartArgs) -> Result<Option<Lease>, Error> {
    if args.ttl.is_none() && args.owner_pid.is_none() {
        return Ok(None);
    }
    let owner = match args.owner_pid.map(|pid| (pid, Identity::of(pid))) {
        Some((pid, None)) => {
            return Err(Error::Usage { message: format!("there is no process {pid}"), hint: None });
        }
        owner => owner.and_then(|(_, owner)| owner),
    };
    let ttl = args.ttl.map(|ttl| ttl.max(Duration::from_secs(1)));
    Ok(Some(Lease { ttl, owner, ..Lease::default() }))
}

/// Prints the command lines that would be executed. They can be pasted: the directory that
/// their sockets are to live in is made, if it can be, and what QEMU does not make itself.
async fn dry_run(context: &Context, config: &Config, args: &StartArgs) -> Result<ExitCode, Error> {
    let [name] = args.vms.as_slice() else {
        let message = "--dry-run shows one VM".to_owned();
        return Err(Error::Usage { message, hint: Some("name it".to_owned()) });
    };
    let instance = config.instance(name)?;
    let (vm, line) = vm::plan(config, &instance, &args.extra)?;
    let _ = prepare(&instance).await;
    let words = line.words();
    if context.json {
        output::document(&words);
        return Ok(ExitCode::SUCCESS);
    }
    let env = vm.env.iter().map(|(name, value)| format!("{name}={}", quote(value)));
    let words = words.iter().map(|word| quote(word));
    output::text(env.chain(words).collect::<Vec<_>>().join(" "));
    if std::env::current_dir().is_ok_and(|dir| dir != vm.config_dir) {
        output::note(format_args!("note: QEMU's working directory is {}", vm.config_dir.display()));
    }
    Ok(ExitCode::SUCCESS)
}

async fn prepare(instance: &Instance) -> Result<(), Error> {
    let dir = vm::VmDir::create(instance)?;
    let _lock = dir.lock(&instance.name, Instant::now()).await?;
    if dir.process()?.is_none() {
        dir.begin_event_log()?;
    }
    Ok(())
}
