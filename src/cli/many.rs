//! Verbs for several VMs: side by side, one line each; the worst exit code is the verb's.

use super::args::{Controlled, Vms};
use super::interrupt::unless_interrupted;
use super::{Context, output, progress};
use crate::Error;
use crate::config::{Config, Instance, Kind};
use crate::sys::descriptors;
use crate::target::Target;
use crate::vm::{Registry, find_running, is_pattern};
use futures_util::stream::{self, Stream, StreamExt};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Display;
use std::pin::pin;
use std::process::ExitCode;
use std::rc::Rc;

/// How many descriptors it takes to start or stop a VM with a keeper.
const DESCRIPTORS: usize = 8;

/// The VMs that a verb is for.
pub struct Targets {
    instances: Vec<Instance>,
    /// The user named exactly one, so its result is the verb's.
    single: bool,
}

impl Targets {
    /// The VMs of the config that the user selected, to be started.
    ///
    /// # Errors
    /// A name or pattern matches no VM, or a directory can't be read.
    pub fn startable(config: &Config, vms: &Vms) -> Result<Targets, Error> {
        let registry = Registry::of(config);
        let mut instances = match vms.all {
            true => config.vms(),
            false => registry.matching(&vms.names, |name| registry.startable(name))?,
        };
        instances.retain(|instance| instance.kind == Kind::Defined);
        match (vms.names.as_slice(), instances.as_slice()) {
            ([pattern, ..], []) => Err(config.unknown(pattern).into()),
            _ => Ok(Targets::new(vms, instances)),
        }
    }

    /// The VMs that the user selected, even if the config does not define them.
    ///
    /// # Errors
    /// As [`Targets::startable`].
    pub fn existing(registry: &Registry<'_>, vms: &Vms) -> Result<Targets, Error> {
        let instances = match vms.all {
            true => registry.all()?,
            false => registry.matching(&vms.names, |name| registry.get(name))?,
        };
        Ok(Targets::new(vms, instances))
    }

    fn new(vms: &Vms, instances: Vec<Instance>) -> Targets {
        let single = matches!(vms.names.as_slice(), [name] if !is_pattern(name));
        Targets { instances, single }
    }

    /// Runs the work for each VM, all at once as far as descriptors suffice, and prints each result
    /// as it comes; with `--json` all of them in one list at the end.
    pub async fn each<T: Serialize + Display>(
        &self,
        context: &Context,
        work: impl AsyncFn(&Instance) -> Result<T, Error>,
    ) -> Result<ExitCode, Error> {
        let results = self.side_by_side(work).buffer_unordered(at_once());
        self.watched(context, tell(context, &self.names(), self.single, results, |_| 0)).await
    }

    /// As [`Targets::each`], but prints the results in the order of the VMs; `code` returns a
    /// result's exit code.
    pub async fn each_in_order<T: Serialize + Display>(
        &self,
        context: &Context,
        work: impl AsyncFn(&Instance) -> Result<T, Error>,
        code: impl Fn(&T) -> u8,
    ) -> Result<ExitCode, Error> {
        let results = self.side_by_side(work).buffered(at_once());
        self.watched(context, tell(context, &self.names(), self.single, results, code)).await
    }

    fn names(&self) -> Vec<String> {
        self.instances.iter().map(|instance| instance.name.clone()).collect()
    }

    /// Shows the progress of the work, and after a signal the VMs that are left running.
    async fn watched<T>(&self, context: &Context, work: impl Future<Output = T>) -> T {
        unless_interrupted(context, &self.instances, progress::shown(context, work)).await
    }

    fn side_by_side<T>(
        &self,
        work: impl AsyncFn(&Instance) -> Result<T, Error>,
    ) -> impl Stream<Item = impl Future<Output = (usize, Result<T, Error>)>> {
        let work = Rc::new(work);
        stream::iter(self.instances.iter().enumerate()).map(move |(at, instance)| {
            let work = work.clone();
            async move {
                let result = work(instance).await;
                progress::done(instance);
                (at, result)
            }
        })
    }
}

/// Runs the work for each control target, a VM or another QEMU, all at once as far as descriptors
/// suffice, and prints each result as it comes; with `--json` all of them in one list at the end.
///
/// # Errors
/// There is none of one of the names, or a single one's own error.
pub async fn control<T: Serialize + Display>(
    context: &Context,
    args: &Controlled,
    work: impl AsyncFn(&Target) -> Result<T, Error>,
) -> Result<ExitCode, Error> {
    let targets = targets(context, args)?;
    let names: Vec<_> = targets.iter().map(Target::name).collect();
    let single = matches!(args.targets.as_slice(), [name] if !is_pattern(name));
    let work = &work;
    let results = stream::iter(targets.iter().enumerate())
        .map(async |(at, target)| (at, work(target).await))
        .buffer_unordered(at_once());
    tell(context, &names, single, results, |_| 0).await
}

/// What a control verb is for. The config is only needed for its VMs.
fn targets(context: &Context, args: &Controlled) -> Result<Vec<Target>, Error> {
    let others = args.targets.iter().map(|text| Ok(Target::other(text)?.ok_or(text)));
    let others: Vec<_> = others.collect::<Result<_, Error>>()?;
    let names = others.iter().filter_map(|other| other.as_ref().err());
    let names: Vec<_> = names.map(|name| (*name).clone()).collect();
    let mut targets: Vec<_> = others.into_iter().filter_map(Result::ok).collect();
    if args.all || !names.is_empty() {
        let config = context.load()?;
        let registry = Registry::of(&config);
        let instances = match args.all {
            true => running(registry.all()?)?,
            false => registry.matching(&names, |name| registry.get(name))?,
        };
        targets.extend(instances.into_iter().map(Target::Vm));
    }
    Ok(targets)
}

/// Those that run: of all VMs, the others can't be controlled.
fn running(instances: Vec<Instance>) -> Result<Vec<Instance>, Error> {
    let lives = |instance: Instance| Ok(find_running(&instance)?.map(|_| instance));
    instances.into_iter().filter_map(|instance| lives(instance).transpose()).collect()
}

async fn tell<T: Serialize + Display>(
    context: &Context,
    names: &[String],
    single: bool,
    results: impl Stream<Item = (usize, Result<T, Error>)>,
    code: impl Fn(&T) -> u8,
) -> Result<ExitCode, Error> {
    let mut results = pin!(results);
    let mut documents = vec![Value::Null; names.len()];
    let mut worst = 0;
    while let Some((at, result)) = results.next().await {
        if single {
            let report = result?;
            output::report(&report, context.json);
            return Ok(ExitCode::from(code(&report)));
        }
        worst = worst.max(result.as_ref().map_or_else(Error::exit_code, &code));
        if context.json {
            documents[at] = document(&names[at], &result);
            continue;
        }
        match result {
            Ok(report) => {
                output::text(report);
            }
            Err(error) => output::error_of(&names[at], &error),
        }
    }
    if context.json {
        output::document(&documents);
    }
    Ok(ExitCode::from(worst))
}

/// How many VMs are worked on at once.
fn at_once() -> usize {
    descriptors::at_once(DESCRIPTORS)
}

/// A result in the list: the verb's report of a VM, or the VM's name and the error.
fn document<T: Serialize>(name: &str, result: &Result<T, Error>) -> Value {
    match result {
        Ok(report) => serde_json::to_value(report).unwrap_or_default(),
        Err(error) => json!({ "name": name, "error": output::error_document(error) }),
    }
}
