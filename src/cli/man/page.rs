//! The manual page of a command, made from the texts of its help.

use super::sections;
use clap::{Arg, ArgAction, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};
use regex::Regex;
use std::io;

/// The examples of the page about all commands.
const FIRST_STEPS: &str = "\
  qqmgr init deb                           write a qqmgr.toml for the image or kernel in this directory
  qqmgr check                              tell what would fail
  qqmgr start deb --wait                   start the VM, and wait until an SSH login works
  qqmgr ssh deb uname -r
  qqmgr run deb --put test.sh:/tmp/ -- sh /tmp/test.sh
  qqmgr stop deb
";

/// The name of the manual, for the pages' header.
pub const MANUAL: &str = "Quick QEMU Manager";

/// An empty argument in roff; without it, the next one would be the date.
pub const NO_DATE: &str = "\"\"";

/// The program and its version, for the pages' footer.
pub fn source(root: &Command) -> String {
    format!("{} {}", root.get_name(), root.get_version().unwrap_or_default())
}

/// The name of the page.
pub fn title(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// The page in roff(7).
pub fn of(root: &Command, command: &Command) -> io::Result<String> {
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (notes, examples) = after.split_once("Examples:\n").unwrap_or((&after, ""));
    let is_root = command.has_subcommands();
    let examples = if is_root { FIRST_STEPS } else { examples };
    let command = &without_help(command.clone());
    let man = Man::new(command.clone()).date(NO_DATE).source(source(root)).manual(MANUAL);

    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    section(&mut page, |roff| synopsis(roff, command))?;
    man.render_description_section(&mut page)?;
    if !is_root {
        section(&mut page, |roff| paragraphs(roff, notes))?;
    }
    man.render_options_section(&mut page)?;
    section(&mut page, |roff| {
        if is_root {
            sections::verbs(roff, command);
        }
        sections::common(roff, command.get_name());
    })?;
    let mut text = with_bold_words(&String::from_utf8_lossy(&page));
    let mut end = Roff::new();
    if !examples.is_empty() {
        end.control("SH", ["EXAMPLES"]).control("nf", []);
        for line in examples.lines() {
            end.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
        end.control("fi", []);
    }
    sections::see_also(&mut end, command.get_name());
    text += &end.render();
    Ok(text)
}

fn section(page: &mut Vec<u8>, write: impl FnOnce(&mut Roff)) -> io::Result<()> {
    let mut roff = Roff::new();
    write(&mut roff);
    roff.to_writer(page)
}

fn paragraphs(roff: &mut Roff, text: &str) {
    for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        roff.control("PP", []).text([roman(paragraph.trim())]);
    }
}

/// The command without `--help`, which the reader of a page does not need.
fn without_help(command: Command) -> Command {
    command.mut_args(|arg| if arg.get_id() == "help" { arg.hide(true) } else { arg })
}

/// Makes words in backticks bold.
fn with_bold_words(page: &str) -> String {
    match Regex::new("`([^`\n]+)`") {
        Ok(words) => words.replace_all(page, r"\fB$1\fR").into_owned(),
        Err(_) => page.to_owned(),
    }
}

/// Every option with its value, and `...` if it can be repeated: clap_mangen leaves both out.
fn synopsis(roff: &mut Roff, command: &Command) {
    roff.control("SH", ["SYNOPSIS"]);
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    if let Some(usage) = command.get_overridden_usage() {
        roff.text([roman(usage.to_string())]);
        return;
    }
    let mut line = vec![bold(name)];
    let options = command.get_arguments().filter(|arg| !arg.is_positional() && !arg.is_hide_set());
    let (global, own): (Vec<_>, Vec<_>) = options.partition(|arg| arg.is_global_set());
    for arg in own.into_iter().chain(global) {
        line.push(roman(" "));
        option(&mut line, arg);
    }
    for arg in command.get_positionals() {
        line.push(roman(" "));
        positional(&mut line, arg);
    }
    if command.has_subcommands() {
        line.extend([roman(" "), italic("COMMAND"), roman(" ["), italic("ARGS"), roman("]...")]);
    }
    roff.text(line);
}

fn option(line: &mut Vec<Inline>, arg: &Arg) {
    let name = match (arg.get_long(), arg.get_short()) {
        (Some(long), _) => format!("--{long}"),
        (None, Some(short)) => format!("-{short}"),
        (None, None) => return,
    };
    let required = arg.is_required_set();
    if !required {
        line.push(roman("["));
    }
    line.push(bold(name));
    if arg.get_action().takes_values() {
        line.extend([roman(" "), italic(values(arg))]);
    }
    if !required {
        line.push(roman("]"));
    }
    if matches!(arg.get_action(), ArgAction::Append | ArgAction::Count) {
        line.push(roman("..."));
    }
}

fn positional(line: &mut Vec<Inline>, arg: &Arg) {
    let (open, close) = if arg.is_required_set() { ("", "") } else { ("[", "]") };
    line.push(roman(open));
    if arg.is_last_set() {
        line.push(roman("-- "));
    }
    line.extend([italic(values(arg)), roman(close)]);
    if arg.get_num_args().is_some_and(|values| values.max_values() > 1) {
        line.push(roman("..."));
    }
}

fn values(arg: &Arg) -> String {
    match arg.get_value_names() {
        Some(names) => names.join(" "),
        None => arg.get_id().as_str().to_uppercase(),
    }
}
