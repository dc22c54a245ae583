//! The VM that is checked, and the wording of its findings.

use super::ask::{Program, Qemus, Question, Told};
use super::finding::{Code, Finding};
use super::table::Table;
use crate::Place;
use crate::config::{Config, Vm};
use crate::qemu_args::{Arg, Opt};
use crate::ssh::Doubts;
use crate::sys::process::Process;

/// The VM that is checked.
pub struct Subject<'a> {
    pub config: &'a Config,
    pub vm: &'a Vm,
    pub program: Program,
    pub qemus: &'a Qemus,
    pub table: Table,
    pub options: Vec<Opt<'a>>,
    /// The faults of its SSH options.
    pub doubts: Doubts,
    /// The VM's own process: the ports and images that it uses are not taken.
    pub process: Option<Process>,
}

impl Subject<'_> {
    /// A finding about the VM.
    pub fn finding(&self, code: Code, message: String) -> Finding {
        let vm = self.vm.instance.name.clone();
        Finding { vm, others: Vec::new(), code, message, hint: None, place: None }
    }

    /// A finding about the VM as a whole, at the place of its name.
    pub fn about_all(&self, code: Code, message: String) -> Finding {
        let definition = self.config.file.vm(&self.vm.instance.definition);
        let source = &self.config.file.source;
        let place = definition
            .map(|definition| Place { source: source.clone(), span: definition.span.clone() });
        Finding { place, ..self.finding(code, message) }
    }

    /// A finding about part of an argument; its place is that part, if the config contains it.
    pub fn about(&self, code: Code, arg: &Arg, part: &str, message: String) -> Finding {
        let source = &self.config.file.source;
        let place = arg.span.clone().map(|whole| {
            let shown = &source.text[whole.clone()];
            let span = match shown.find(part).filter(|_| !part.is_empty()) {
                Some(at) => whole.start + at..whole.start + at + part.len(),
                None => whole,
            };
            Place { source: source.clone(), span }
        });
        Finding { place, ..self.finding(code, message) }
    }

    /// The options with one of these names and a value.
    pub fn with_value<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = (&'a str, &'a Arg)> {
        let named = self.options.iter().filter(|opt| names.contains(&opt.name));
        named.filter_map(|opt| Some((opt.name, opt.value?)))
    }

    /// Asks its QEMU.
    pub async fn ask(&self, question: Question) -> Told {
        self.qemus.answer(&self.program, question).await
    }

    /// The VM's process, if it is running.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }
}
