//! The layout of help: the verbs of `qqmgr`, grouped by purpose, and a verb's own options before
//! the global ones.

use clap::Command;
use std::fmt::Write as _;

/// Every visible verb, in one group. A verb that is not built in is not shown.
pub const GROUPS: [(&str, &[&str]); 5] = [
    ("Run VMs", &["start", "stop", "restart", "kill", "run", "wait", "gc"]),
    ("See", &["list", "status", "serial", "stdout", "stderr", "events", "timeline"]),
    ("Reach", &["ssh", "put", "get", "ssh-config"]),
    (
        "Drive",
        &[
            "pause",
            "resume",
            "screenshot",
            "sendkey",
            "type",
            "blocks",
            "device",
            "throttle",
            "eject",
            "insert",
            "console",
            "monitor",
            "qmp",
            "gdb",
        ],
    ),
    ("Set up", &["init", "check", "schema", "completions", "man"]),
];

/// The heading of the options of every verb.
pub const GLOBAL: &str = "Global options";

/// The command with our layout of help; clap itself has no headings for verbs.
pub fn laid_out(mut command: Command) -> Command {
    command.build();
    let header = *command.get_styles().get_header();
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{}\
         {header}{GLOBAL}:{header:#}\n{{options}}{{after-help}}",
        verbs(&command),
    );
    command.mut_subcommands(one_layout).help_template(template)
}

fn verbs(command: &Command) -> String {
    let header = command.get_styles().get_header();
    let literal = command.get_styles().get_literal();
    let width = GROUPS.iter().flat_map(|(_, verbs)| *verbs).map(|verb| verb.len()).max();
    let width = width.unwrap_or_default();
    let mut verbs = String::new();
    for (title, names) in GROUPS {
        // Writing to a String can't fail.
        let _ = writeln!(verbs, "{header}{title}:{header:#}");
        for verb in names.iter().filter_map(|name| command.find_subcommand(name)) {
            let name = verb.get_name();
            let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(verbs, "  {literal}{name:width$}{literal:#}  {about}");
        }
        verbs.push('\n');
    }
    verbs
}

/// A verb whose `-h` and `--help` print the same. By default, clap changes the layout if a command
/// has a long description.
fn one_layout(mut verb: Command) -> Command {
    if let Some(long) = verb.get_long_about().cloned() {
        verb = verb.about(long);
    }
    if verb.get_arguments().any(|arg| arg.get_id() == "help") {
        verb = verb.mut_arg("help", |help| help.help("Print help").help_heading(GLOBAL));
    }
    let help = verb.render_help();
    verb.override_help(help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory;

    #[test]
    fn every_verb_is_in_one_group() {
        let mut command = Cli::command().disable_help_subcommand(true);
        command.build();
        for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let name = verb.get_name();
            let groups = GROUPS.iter().filter(|(_, verbs)| verbs.contains(&name)).count();
            assert_eq!(groups, 1, "{name}");
        }
    }

    #[test]
    fn every_verb_has_examples() {
        let mut command = Cli::command().disable_help_subcommand(true);
        command.build();
        for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let after = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains("Examples:\n  "), "{}", verb.get_name());
        }
    }
}
