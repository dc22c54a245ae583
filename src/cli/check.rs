//! `qqmgr check`.

use super::args::setup::CheckArgs;
use super::{Context, output};
use crate::check::{self, Code, Finding, Severity};
use crate::config::{Diagnostic, Location};
use crate::vm::Registry;
use crate::{Error, Exit};
use annotate_snippets::Level;
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use std::fmt;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Serialize)]
struct Report {
    findings: Vec<JsonFinding>,
    errors: usize,
    warnings: usize,
    vms: usize,
    #[serde(skip)]
    found: Vec<Finding>,
    #[serde(skip)]
    file: PathBuf,
}

#[derive(Serialize)]
struct JsonFinding {
    vm: String,
    others: Vec<String>,
    severity: Severity,
    code: &'static str,
    message: String,
    hint: Option<String>,
    location: Option<Location>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let coloured = std::io::stdout().is_terminal();
        for finding in &self.found {
            writeln!(f, "{}\n", text(finding, coloured))?;
        }
        let vms = count(self.vms, "VM");
        match (self.errors, self.warnings) {
            _ if self.vms == 0 => write!(f, "{} defines no VMs", self.file.display()),
            (0, 0) => write!(f, "{vms} checked: no problems found"),
            (errors, warnings) => {
                let (errors, warnings) = (count(errors, "error"), count(warnings, "warning"));
                write!(f, "{vms} checked: {errors}, {warnings}")
            }
        }
    }
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The VMs that a finding is about.
fn names(finding: &Finding) -> String {
    let Finding { vm, others, .. } = finding;
    match others.as_slice() {
        [] => format!("VM `{vm}`"),
        [other] => format!("VMs `{vm}` and `{other}`"),
        [second, third] => format!("VMs `{vm}`, `{second}` and `{third}`"),
        more => format!("VM `{vm}` and {} others", more.len()),
    }
}

/// A finding as text: with the config's line, if it is about one.
fn text(finding: &Finding, coloured: bool) -> String {
    let message = format!("{}: {}", names(finding), finding.message);
    let (level, word, colour) = match finding.severity() {
        Severity::Error => (Level::ERROR, "error", AnsiColor::Red),
        Severity::Warning => (Level::WARNING, "warning", AnsiColor::Yellow),
    };
    let code = finding.code.name();
    let Some(place) = &finding.place else {
        let style = if coloured { colour.on_default().bold() } else { Style::new() };
        let hint = finding.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
        return format!("{style}{word}[{code}]{style:#}: {message}{hint}");
    };
    let diagnostic = Diagnostic { message, hint: finding.hint.clone(), span: place.span.clone() };
    output::snippet(&place.source, &diagnostic, level, Some(code), coloured)
}

pub async fn run(context: &Context, args: CheckArgs) -> Result<ExitCode, Error> {
    let config = context.load()?;
    let registry = Registry::of(&config);
    let instances = match args.vms.as_slice() {
        [] => config.vms(),
        names => registry.matching(names, |name| registry.get(name))?,
    };
    let found = check::check(&config, &instances).await?;
    let errors = found.iter().filter(|finding| finding.severity() == Severity::Error).count();
    let warnings = found.len() - errors;
    let code = match found.iter().any(|finding| finding.code == Code::ConfigInvalid) {
        true => Exit::Config as u8,
        false => u8::from(errors > 0 || args.strict && warnings > 0),
    };
    let findings = found.iter().map(json).collect();
    let vms = instances.len();
    let file = config.file.source.path.clone();
    output::report(&Report { findings, errors, warnings, vms, found, file }, context.json);
    Ok(ExitCode::from(code))
}

fn json(finding: &Finding) -> JsonFinding {
    JsonFinding {
        vm: finding.vm.clone(),
        others: finding.others.clone(),
        severity: finding.severity(),
        code: finding.code.name(),
        message: finding.message.clone(),
        hint: finding.hint.clone(),
        location: finding.place.as_ref().map(|place| place.source.location(place.span.start)),
    }
}
