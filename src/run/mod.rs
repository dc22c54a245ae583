//! Runs one command in a throwaway instance of a VM.

mod job;
mod keep;
mod outcome;
mod protect;
mod steps;

pub use job::{Copy, Job, Said};
pub use keep::{Keep, SerialTo};
pub use outcome::{EndedBy, Ran};

use crate::config::{self, Config, Instance};
use crate::error::SystemError;
use crate::lease::Keeper;
use crate::sys::signals::Signals;
use crate::vm::{self, StartOptions, awaited};
use crate::wait::{Alarms, Condition, Plan, Subject, WaitError, Watch};
use crate::{Error, bundle};
use outcome::End;
use steps::Progress;
use tokio::signal::unix::SignalKind;
use tokio::time::Instant;

/// Boots a throwaway instance, runs the job in it, and throws it away.
///
/// # Errors
/// The run can't even begin: the config is wrong, a local file does not exist, or the keeper can't
/// be started.
pub async fn run(config: &Config, vm: &str, job: &Job) -> Result<Ran, Error> {
    let started = Instant::now();
    let mut instance = new_instance(config, vm)?;
    instance.port = protect::check(config, &instance)?;
    job.prepare()?;
    vm::prepare(&instance)?;
    // These signals end us, and the instance with us.
    let kinds = [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::terminate()];
    let mut signals =
        Signals::catch(&kinds).map_err(|error| Error::from(SystemError::Runtime { error }))?;
    let keeper = Keeper::of_run(&instance).await?;
    let progress = Progress::default();
    let end = tokio::select! {
        // Ctrl-C at a terminal also ends the command, which must not count as its failure.
        biased;
        number = signals.next() => End::Signal(number),
        result = work(config, &instance, job, started, &progress) => match result {
            Ok(()) => End::Done,
            Err(error) => End::Failure(error),
        },
    };
    let end = match end {
        End::Failure(error) if error.get::<config::Error>().is_some() => {
            keeper.finish().await;
            return Err(error);
        }
        end => end,
    };
    // After a signal, for example from a cancelled CI job, no user will inspect the instance.
    let may_stay = job.keep_on_failure && !matches!(end, End::Signal(_));
    let unkept = job.keep.save(&instance).await;
    let mut ran = end.report(&instance, &progress, &unkept);
    awaited::tell(&instance, "its end");
    if may_stay && ran.exit_code != 0 && keeper_stays(&instance) {
        if keeper.stay().await.is_ok() {
            ran.kept = Some(instance.name);
        }
    } else {
        keeper.finish().await;
    }
    ran.seconds = started.elapsed().as_secs_f64();
    Ok(ran)
}

fn new_instance(config: &Config, vm: &str) -> Result<Instance, Error> {
    let mut random = [0; 4];
    let flags = rustix::rand::GetRandomFlags::empty();
    rustix::rand::getrandom(&mut random, flags)
        .map_err(|error| Error::from(SystemError::Runtime { error: error.into() }))?;
    let instance = config.instance(vm)?.run(&format!("{:08x}", u32::from_ne_bytes(random)));
    Ok(instance)
}

/// Whether an instance is left that can keep running.
fn keeper_stays(instance: &Instance) -> bool {
    vm::VmDir::open(instance).ok().flatten().is_some_and(|dir| matches!(dir.process(), Ok(Some(_))))
}

/// Starts the instance and runs the job; if the instance dies, a bundle keeps what is known.
async fn work(
    config: &Config,
    instance: &Instance,
    job: &Job,
    started: Instant,
    progress: &Progress,
) -> Result<(), Error> {
    let extra = vec!["-snapshot".to_owned()];
    // An instance that may be kept must outlive us; if we are killed, its keeper ends it anyway.
    let die_with_us = !job.keep_on_failure;
    let options = StartOptions { extra, timeout: job.timeout, die_with_us };
    if let Err(error) = vm::start(config, instance, &options).await {
        return Err(bundle::of_start(config, instance, error).await);
    }
    let alarms = Alarms { panic: true, io_error: true, reset: false };
    let watch = Watch::open(config, instance, alarms)?;
    let mut watch = watch.ok_or_else(|| vm::died(instance))?;
    let plan = Plan {
        conditions: vec![Condition::Ssh],
        any: false,
        fail_on: Vec::new(),
        since_start: true,
        timeout: job.timeout,
        since: started,
    };
    watch.hold(started, &plan).await?;
    let left = job.timeout.saturating_sub(started.elapsed());
    // A reset loses everything that has begun in the guest, and ssh would notice that late.
    let alarms = Alarms { reset: true, ..alarms };
    let work = async |subject: &Subject<'_>| {
        let steps = steps::steps(subject, job, progress);
        let result = tokio::time::timeout(left, steps).await;
        result.unwrap_or_else(|_| Err(overdue(instance, job, progress)))
    };
    watch.beside(started, alarms, work).await
}

fn overdue(instance: &Instance, job: &Job, progress: &Progress) -> Error {
    Error::from(WaitError::Timeout {
        vm: instance.name.clone(),
        waited: job.timeout,
        missing: progress.awaited().to_owned(),
        held: "".into(),
        detail: "".into(),
        excerpt: "".into(),
    })
}
