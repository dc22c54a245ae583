//! Prints reports as text or JSON, and errors with their place in the config.

use super::stderr::{CYAN, RED, YELLOW, styled};
use super::{exit, stdout};

use crate::Error;
use crate::config::{Diagnostic, Instance, Location, Source};
use crate::error::Usage;
use crate::vm;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use clap::error::ErrorKind;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

pub use super::stderr::{failure, note, say};

/// Prints a verb's report as JSON or text; false if that failed.
pub fn report(report: &(impl Serialize + Display), json: bool) -> bool {
    if json { document(report) } else { text(report) }
}

/// Prints text to standard output; with colours if the terminal or the user wants them.
pub fn text(text: impl Display) -> bool {
    stdout::write(&line(text))
}

/// Prints one JSON document to standard output.
pub fn document(value: &impl Serialize) -> bool {
    json_line(value).is_some_and(|line| stdout::write(&line))
}

/// Prints one JSON document that may not fit into memory.
pub fn long_document(value: &impl Serialize) -> bool {
    let mut stdout = BufWriter::with_capacity(64 << 10, stdout::stream());
    let written = serde_json::to_writer(&mut stdout, value).map_err(io::Error::from);
    let written = written.and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush());
    written.map_err(stdout::failed).is_ok()
}

/// A text as a line for standard output, with a line break.
pub fn line(text: impl Display) -> Vec<u8> {
    styled(&io::stdout(), text)
}

/// A document as a line of JSON.
pub fn json_line(value: &impl Serialize) -> Option<Vec<u8>> {
    let json = serde_json::to_vec(value);
    let json = json.map_err(|error| stdout::failed(error.into())).ok()?;
    Some([json, b"\n".into()].concat())
}

/// Tells that the guest of a VM does not run, if so, and what helps.
pub async fn standstill(instance: &Instance) {
    if let Some(text) = vm::standstill(instance).await {
        note(format_args!("{}: {text}", instance.name));
    }
}

#[derive(Serialize)]
struct JsonError<'a> {
    error: JsonErrorBody<'a>,
}

#[derive(Serialize)]
struct JsonErrorBody<'a> {
    code: &'a str,
    message: String,
    hint: Option<String>,
    location: Option<Location>,
    #[serde(skip_serializing_if = "Option::is_none")]
    excerpt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle_error: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<JsonDiagnostic>,
}

/// One of several errors in a config file.
#[derive(Serialize)]
struct JsonDiagnostic {
    message: String,
    hint: Option<String>,
    location: Location,
}

/// Prints an error: as JSON on standard output, or as text on standard error.
pub fn error(error: &Error, json: bool) {
    match json {
        true => drop(json_error(error).is_some_and(|line| stdout::write(&line))),
        false => tell(error, str::to_owned),
    }
}

/// An error as a line of JSON.
pub fn json_error(error: &Error) -> Option<Vec<u8>> {
    json_line(&JsonError { error: json_body(error) })
}

/// Prints the error of one VM among others as text: its message names the VM.
pub fn error_of(vm: &str, error: &Error) {
    let vm = format!("VM `{vm}`");
    tell(error, |message| match message.contains(&vm) {
        true => message.to_owned(),
        false => format!("{vm}: {message}"),
    });
}

fn tell(error: &Error, worded: impl Fn(&str) -> String) {
    match error.diagnostics() {
        Some((source, mut diagnostics)) => {
            for diagnostic in &mut diagnostics {
                diagnostic.message = worded(&diagnostic.message);
            }
            errors(&source, &diagnostics);
        }
        None => {
            let hint = error.hint().map(|hint| format!("\n{CYAN}hint{CYAN:#}: {hint}"));
            let message = worded(&error.to_string());
            let excerpt = error.excerpt().map(|(title, text)| format!("\n{title}\n{text}"));
            let more = excerpt.unwrap_or_default() + &hint.unwrap_or_default();
            say(format_args!("{RED}error{RED:#}: {message}{more}"));
        }
    }
    bundle(error.bundle(), error.bundle_error().map(Error::to_string).as_deref());
}

/// Prints the path of a failure's crash bundle, or why it was not written.
pub fn bundle(bundle: Option<&Path>, failure: Option<&str>) {
    if let Some(bundle) = bundle {
        say(format_args!("crash bundle: {}", bundle.display()));
    }
    if let Some(failure) = failure {
        say(format_args!("no crash bundle was written: {failure}"));
    }
}

/// Prints a warning on standard error; the verb goes on.
pub fn warning(error: &Error) {
    match error.diagnostics() {
        Some((source, diagnostics)) => snippets(&source, &diagnostics, Level::WARNING, note),
        None => note(format_args!("{YELLOW}warning{YELLOW:#}: {error}")),
    }
}

/// Prints errors at places in the config to standard error.
pub fn errors(source: &Source, diagnostics: &[Diagnostic]) {
    snippets(source, diagnostics, Level::ERROR, say);
}

fn snippets(source: &Source, diagnostics: &[Diagnostic], level: Level<'static>, tell: fn(String)) {
    let coloured = io::stderr().is_terminal();
    for diagnostic in diagnostics {
        tell(snippet(source, diagnostic, level.clone(), None, coloured));
    }
}

/// An error as part of a larger document.
pub fn error_document(error: &Error) -> serde_json::Value {
    serde_json::to_value(json_body(error)).unwrap_or_default()
}

fn json_body(error: &Error) -> JsonErrorBody<'_> {
    let errors = error.diagnostics().map(|(source, diagnostics)| {
        let place = |diagnostic: Diagnostic| JsonDiagnostic {
            location: source.location(diagnostic.span.start),
            message: diagnostic.message,
            hint: diagnostic.hint,
        };
        diagnostics.into_iter().map(place).collect()
    });
    JsonErrorBody {
        code: error.code(),
        message: error.to_string(),
        hint: error.hint(),
        location: error.location(),
        excerpt: error.excerpt().map(|(_, excerpt)| excerpt),
        ended: error.ended(),
        bundle: error.bundle(),
        bundle_error: error.bundle_error().map(Error::to_string),
        errors: errors.unwrap_or_default(),
    }
}

/// The message with the config's line and a caret under the place; `coloured` if wanted.
pub fn snippet(
    source: &Source,
    diagnostic: &Diagnostic,
    level: Level<'_>,
    code: Option<&str>,
    coloured: bool,
) -> String {
    let path = source.path.to_string_lossy();
    let place = AnnotationKind::Primary.span(diagnostic.span.clone());
    let shown = Snippet::source(source.text.as_str()).path(path).annotation(place);
    let mut title = level.primary_title(diagnostic.message.as_str());
    if let Some(code) = code {
        title = title.id(code);
    }
    let mut group = Group::with_title(title).element(shown);
    if let Some(hint) = &diagnostic.hint {
        group = group.element(Level::HELP.message(hint.as_str()));
    }
    let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group])
}

/// Prints what ends clap's parsing: help, the version, or an error in the command line.
pub fn clap_answer(answer: &clap::Error) -> ExitCode {
    let asked = matches!(answer.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let json = std::env::args_os().any(|arg| arg == "--json");
    if asked || !json {
        let shown = answer.render().ansi().to_string();
        let shown = shown.strip_suffix('\n').unwrap_or(&shown);
        match answer.use_stderr() {
            true => say(shown),
            false => _ = text(shown),
        }
    } else {
        let text = answer.to_string();
        let mut lines = text.lines().map(str::trim);
        // clap lists the missing arguments on their own lines, up to an empty line.
        let said: Vec<_> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        let message = said.join(" ").trim_start_matches("error: ").to_owned();
        let tip = lines.find_map(|line| line.strip_prefix("tip: ")).map(str::to_owned);
        let hint = tip.or_else(|| Some("see `qqmgr --help`".to_owned()));
        document(&JsonError { error: json_body(&Error::from(Usage { message, hint })) });
    }
    stdout::checked(ExitCode::from(if asked { 0 } else { 2 }), exit::of_loss(false))
}

/// A time in the user's time zone, `2026-03-01 14:03:05.123`.
pub fn local_time(since_epoch: Duration) -> Option<String> {
    let moment = Timestamp::from_duration(since_epoch.try_into().ok()?).ok()?;
    Some(moment.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S.%3f").to_string())
}

/// A duration for people: `4.2s`, `3m 20s`, `2h 5m`, `3d 4h`.
pub fn seconds(seconds: f64) -> String {
    // Truncation is wanted: fractions of a second are left out.
    match seconds.max(0.0) as u64 {
        0..60 => format!("{seconds:.1}s"),
        whole => whole_seconds(whole),
    }
}

/// A duration for people, in whole seconds: `4s`, `3m 20s`.
pub fn whole_seconds(whole: u64) -> String {
    match whole {
        0..60 => format!("{whole}s"),
        60..3600 => format!("{}m {}s", whole / 60, whole % 60),
        3600..86400 => format!("{}h {}m", whole / 3600, whole / 60 % 60),
        _ => format!("{}d {}h", whole / 86400, whole / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn writes_times_for_people() {
        for (value, text) in [
            (0.04, "0.0s"),
            (59.94, "59.9s"),
            (200.0, "3m 20s"),
            (7500.0, "2h 5m"),
            (273_700.0, "3d 4h"),
        ] {
            assert_eq!(seconds(value), text);
        }
    }
}
