//! Finds faults of a VM before it is launched, without launching it.
//!
//! QEMU itself answers `-help`, `-device NAME,help` and the like, and exits. The check opens no
//! image for writing, keeps no port and starts no machine.

mod access;
mod ask;
mod boot;
mod files;
mod finding;
mod host;
mod images;
mod listens;
mod lock;
mod login;
mod names;
mod remedy;
mod restart;
mod runtime;
mod shared;
mod subject;
mod table;

pub use finding::{Code, Finding, Severity};
pub use restart::{WouldFail, before_restart};

use crate::config::{self, Config, Diagnostic, Instance, Vm};
use crate::error::SystemError;
use crate::qemu_args::{Opt, options};
use crate::ssh::Doubts;
use crate::vm::{VmDir, VmError};
use crate::{Error, Place};
use ask::{Program, Qemus};
use futures_util::future::{OptionFuture, try_join_all};
use listens::listens;
use login::Opinions;
use shared::Claim;
use std::collections::HashSet;
use subject::Subject;
use table::Table;
use tokio::join;

/// Checks VMs and returns their faults, for each VM in the order of the file. First come variables
/// that can't be expanded: they keep a VM from being checked. A fault of several VMs is returned
/// once.
///
/// # Errors
/// A VM's directory is refused.
pub async fn check(config: &Config, instances: &[Instance]) -> Result<Vec<Finding>, Error> {
    let (vms, mut found) = resolve(config, instances)?;
    found.extend(runtime::finding(config, instances));
    let qemus = Qemus::default();
    let mut opinions = Opinions::default();
    let mut subjects = Vec::with_capacity(vms.len());
    for vm in &vms {
        let doubts = opinions.doubts(config, vm).await;
        subjects.push(look(config, vm, doubts, &qemus, true));
    }
    let (of_each, claims): (Vec<_>, Vec<_>) = try_join_all(subjects).await?.into_iter().unzip();
    found.extend(of_each.into_iter().flatten());
    found.extend(shared::findings(claims.into_iter().flatten().collect()));
    Ok(finding::merge(found))
}

/// Drops the options that a later one of the same name overrides, such as an appended `-kernel`.
fn drop_overridden(options: &mut Vec<Opt>) {
    const LAST_COUNTS: [&str; 4] = ["kernel", "initrd", "dtb", "bios"];
    let mut seen = HashSet::new();
    options.reverse();
    options.retain(|opt| !LAST_COUNTS.contains(&opt.name) || seen.insert(opt.name));
    options.reverse();
}

/// Checks one VM, and returns its claims too. Without `asks_names`, the names that QEMU knows are
/// not checked.
async fn look(
    config: &Config,
    vm: &Vm,
    doubts: Doubts,
    qemus: &Qemus,
    asks_names: bool,
) -> Result<(Vec<Finding>, Vec<Claim>), Error> {
    let opened = match VmDir::open(&vm.instance) {
        // That is a finding about all VMs.
        Err(_) if runtime::is_refused(config) => None,
        opened => opened?,
    };
    let process = match opened {
        Some(dir) => match dir.process() {
            Err(error) if matches!(error.get(), Some(VmError::Foreign { .. })) => None,
            process => process?,
        },
        None => None,
    };
    let program = Program::of(vm);
    let table = match asks_names {
        true => Table::of(qemus, &program, &vm.args).await,
        false => Table::default(),
    };
    let mut options = options(&vm.args, |name| table.takes_value(name));
    drop_overridden(&mut options);
    let subject = Subject { config, vm, program, qemus, table, options, doubts, process };
    let names = OptionFuture::from(asks_names.then(|| names::findings(&subject)));
    let (names, files, tool) = join!(names, access::findings(&subject), images::tool(&subject));
    let mut findings = names.unwrap_or_default();
    findings.extend(files);
    findings.extend(tool);
    let listens = listens(&subject);
    findings.extend(host::findings(&subject, &listens));
    findings.extend(login::findings(&subject));
    findings.extend(boot::finding(&subject, &findings));
    findings.sort_by_key(|finding| finding.place.as_ref().map(|place| place.span.start));
    let claims = shared::claims(&subject, &listens).into_iter();
    let claims = claims.filter(|claim| claim.is_free(&findings)).collect();
    Ok((findings, claims))
}

/// Expands the variables of all VMs, and returns every fault.
fn resolve(config: &Config, instances: &[Instance]) -> Result<(Vec<Vm>, Vec<Finding>), Error> {
    let mut vms = Vec::with_capacity(instances.len());
    let mut wrong: Vec<(&str, Diagnostic)> = Vec::new();
    for instance in instances {
        let ports = crate::vm::choose_ports(&config.wanted_ports(instance)?);
        let ports = ports.map_err(|error| SystemError::Runtime { error })?;
        match config.resolve(instance, &ports) {
            Ok(vm) => vms.push(vm),
            Err(config::Error::Invalid { diagnostics, .. }) => {
                wrong.extend(diagnostics.into_iter().map(|it| (instance.name.as_str(), it)));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let finding = |(vm, Diagnostic { message, hint, span }): (&str, _)| Finding {
        vm: vm.to_owned(),
        others: Vec::new(),
        code: Code::ConfigInvalid,
        message,
        hint,
        place: Some(Place { source: config.file.source.clone(), span }),
    };
    Ok((vms, wrong.into_iter().map(finding).collect()))
}
