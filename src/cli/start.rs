//! `qqmgr start`.

use super::args::life::StartArgs;
use super::many::Targets;
use super::{Context, output};
use crate::Error;
use crate::config::{Config, Instance};
use crate::error::Usage;
use crate::ops::{self, Up, UpReport};
use crate::sys::process::Identity;
use crate::text::quote::quote;
use crate::vm::{self, Lease, Registry, StartOptions, Started};
use crate::wait::Condition;
use std::fmt;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::Instant;

impl fmt::Display for UpReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Started { name, pid, already_running, ssh_port, .. } = &self.started;
        let what = if *already_running { "is already running" } else { "started" };
        write!(f, "{name}: {what} (pid {pid}), SSH on port {ssh_port}")?;
        for (name, port) in &self.started.ports {
            write!(f, ", {name} on {port}")?;
        }
        match &self.lease {
            Some(lease) if self.is_leased_anew => write!(f, "; it now {lease}")?,
            Some(lease) => write!(f, "; {lease}")?,
            None if self.is_leased_anew => write!(f, "; it now has no lease")?,
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
    let targets = Targets::startable(&config, &args.vms)?;
    if args.dry_run {
        return dry_run(context, &config, &args).await;
    }
    let up = Up {
        lease: lease(&args)?,
        options: StartOptions { extra: args.extra, timeout: args.timeout, die_with_us: false },
        conditions: match args.conditions {
            conditions if conditions.is_empty() && args.wait => vec![Condition::Ssh],
            conditions => conditions,
        },
    };
    let start = async |instance: &Instance| {
        let tell = async |started: &Started| {
            if !context.json {
                tell(started);
                if started.already_running || !up.conditions.is_empty() {
                    output::standstill(instance).await;
                }
            }
        };
        ops::up(&config, instance, &up, tell).await
    };
    targets.each(context, start).await
}

/// Prints the result of a successful start at once: the wait after it may be long.
pub fn tell(started: &Started) {
    let name = &started.name;
    if !started.ignored_args.is_empty() {
        let args = shlex::try_join(started.ignored_args.iter().map(String::as_str));
        let args = args.unwrap_or_default();
        output::note(format_args!(
            "{name}: runs without `{args}`; to use them: qqmgr restart {name} -- {args}"
        ));
    }
    for warning in &started.warnings {
        output::note(format_args!("{name}: {warning}"));
    }
}

fn lease(args: &StartArgs) -> Result<Option<Lease>, Error> {
    if args.ttl.is_none() && args.owner_pid.is_none() {
        return Ok(None);
    }
    let owner = match args.owner_pid.and_then(|limit| limit.0).map(|pid| (pid, Identity::of(pid))) {
        Some((pid, None)) => {
            return Err(Usage { message: format!("there is no process {pid}"), hint: None }.into());
        }
        owner => owner.and_then(|(_, owner)| owner),
    };
    let ttl = args.ttl.and_then(|limit| limit.0).map(|ttl| ttl.max(Duration::from_secs(1)));
    Ok(Some(Lease { ttl, owner, ..Lease::default() }))
}

/// Prints the command lines that a start would execute. They can be pasted: this makes the
/// directories of their sockets, if possible, and the files that QEMU does not make itself.
async fn dry_run(context: &Context, config: &Config, args: &StartArgs) -> Result<ExitCode, Error> {
    let [name] = args.vms.names.as_slice() else {
        let message = "--dry-run takes one VM".to_owned();
        return Err(Usage { message, hint: Some("name it".to_owned()) }.into());
    };
    let instance = Registry::of(config).get(name)?;
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
