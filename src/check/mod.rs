//! What can be known of a VM before it is launched, without launching it.
//!
//! QEMU itself is asked what it knows: it answers `-help`, `-device NAME,help` and the like and
//! exits. Nothing here opens an image for writing, keeps a port or starts a machine.

mod ask;
mod files;
mod finding;
mod host;
mod images;
mod lock;
mod login;
mod named;
mod names;
mod subject;
mod table;

pub use finding::{Code, Finding, Severity};

use crate::config::{self, Config, Diagnostic, Instance, Port, Vm};
use crate::error::SystemError;
use crate::qemu_args::options;
use crate::vm::VmDir;
use crate::{Error, Place};
use ask::{Program, Qemus};
use login::Opinions;
use std::collections::HashSet;
use subject::Subject;
use table::Table;

/// Looks at VMs and tells what is wrong with them, in the order of the file for each VM. First
/// comes what keeps VMs from being looked at: their variables can't be put in.
///
/// # Errors
/// A VM's directory is refused.
pub async fn check(config: &Config, instances: &[Instance]) -> Result<Vec<Finding>, Error> {
    let (vms, mut found) = resolve(config, instances)?;
    let mut qemus = Qemus::default();
    let programs: Vec<_> = vms.iter().map(Program::of).collect();
    qemus.ask(programs.iter().map(|program| (program, table::question()))).await;
    let tables: Vec<_> = programs.iter().map(|program| Table::new(&qemus, program)).collect();
    let unlisted = |at: usize| {
        let questions = tables[at].unlisted(&vms[at].args).map(table::confirmation);
        questions.map(move |question| (at, question)).collect::<Vec<_>>()
    };
    let questions: Vec<_> = (0..vms.len()).flat_map(unlisted).collect();
    qemus.ask(questions.into_iter().map(|(at, question)| (&programs[at], question))).await;

    let mut opinions = Opinions::default();
    let mut subjects = Vec::with_capacity(vms.len());
    for ((vm, program), mut table) in vms.iter().zip(programs).zip(tables) {
        table.learn(&qemus, &program, &vm.args);
        let process = match VmDir::open(&vm.instance)? {
            Some(dir) => dir.process()?,
            None => None,
        };
        let options = options(&vm.args, |name| table.takes_value(name));
        let doubts = opinions.doubts(config, vm).await;
        let image_tool = Program::image_tool(vm);
        subjects.push(Subject { config, vm, program, image_tool, table, options, doubts, process });
    }
    for round in [names::questions, files::questions, names::questions_about_unknown] {
        let questions: Vec<_> =
            subjects.iter().map(|subject| (subject, round(subject, &qemus))).collect();
        let questions = questions.into_iter().flat_map(|(subject, questions)| {
            questions.into_iter().map(|question| (&subject.program, question))
        });
        qemus.ask(questions).await;
    }
    let of_images = |subject| images::questions(subject).into_iter();
    let questions = subjects
        .iter()
        .flat_map(|subject| of_images(subject).map(|question| (&subject.image_tool, question)));
    qemus.ask(questions).await;
    found.extend(subjects.iter().flat_map(|subject| findings(subject, &qemus)));
    Ok(found)
}

fn findings(subject: &Subject, qemus: &Qemus) -> Vec<Finding> {
    let mut findings = names::findings(subject, qemus);
    findings.extend(files::findings(subject, qemus));
    findings.extend(images::tool(subject, qemus));
    findings.extend(host::findings(subject));
    findings.extend(login::findings(subject));
    findings.sort_by_key(|finding| finding.place.as_ref().map(|place| place.span.start));
    findings
}

/// Puts the variables of all VMs in, and tells everything that is wrong with any; of several that
/// share it, with the first.
fn resolve(config: &Config, instances: &[Instance]) -> Result<(Vec<Vm>, Vec<Finding>), Error> {
    let mut vms = Vec::with_capacity(instances.len());
    let mut wrong: Vec<(&str, Diagnostic)> = Vec::new();
    for instance in instances {
        let port = match instance.port {
            Port::Fixed(port) => port,
            Port::Auto => crate::vm::free_port()
                .map_err(|error| Error::from(SystemError::Runtime { error }))?,
        };
        match config.resolve(instance, port) {
            Ok(vm) => vms.push(vm),
            Err(config::Error::Invalid { diagnostics, .. }) => {
                wrong.extend(diagnostics.into_iter().map(|it| (instance.name.as_str(), it)));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mut told = HashSet::new();
    wrong.retain(|(_, it)| told.insert((it.span.clone(), it.message.clone())));
    let finding = |(vm, Diagnostic { message, hint, span }): (&str, _)| Finding {
        vm: vm.to_owned(),
        code: Code::ConfigInvalid,
        message,
        hint,
        place: Some(Place { source: config.file.source.clone(), span }),
    };
    Ok((vms, wrong.into_iter().map(finding).collect()))
}
