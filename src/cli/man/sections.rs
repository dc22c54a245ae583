//! The sections that verbs' pages share: files, variables, exit codes, other pages.

use crate::cli::{exit, help};
use clap::Command;
use clap_mangen::roff::{Roff, bold, roman};

/// A file or variable, its text, and the verbs whose pages have it; if none is named, all pages.
type Entry = (&'static str, &'static str, &'static [&'static str]);

const FILES: [Entry; 8] = [
    (
        "qqmgr.toml",
        "The config: the nearest one, in the current directory or a parent. See qqmgr.toml(5).",
        &[],
    ),
    ("~/.config/qqmgr/conf.toml", "The user's own config, if there is no qqmgr.toml.", &[]),
    (".qqmgr/vm.NAME/", "A VM's files, next to its qqmgr.toml.", &[]),
    (".qqmgr/vm.NAME/serial", "What the guest wrote to its serial port.", &["serial", "console"]),
    (".qqmgr/vm.NAME/stdout, .qqmgr/vm.NAME/stderr", "QEMU's own output.", &["stdout", "stderr"]),
    (".qqmgr/vm.NAME/events.out", "QEMU's events, as QEMU itself writes them.", &["events"]),
    (".qqmgr/vm.NAME/crashes/", "The newest five crash bundles.", &["start", "wait", "run"]),
    (
        ".qqmgr/vm.NAME/ssh.conf",
        "The generated OpenSSH config.",
        &["ssh", "put", "get", "ssh-config"],
    ),
];

const ENVIRONMENT: [Entry; 7] = [
    ("QQMGR_CONFIG", "The config file, unless -c names one.", &[]),
    ("QQMGR_RUNTIME_DIR", "The runtime directory, instead of .qqmgr next to the config.", &[]),
    ("XDG_CONFIG_HOME", "The directory of the user's own config, instead of ~/.config.", &[]),
    ("NO_COLOR", "If set, output has no colours.", &[]),
    (
        "XDG_RUNTIME_DIR",
        "The directory of the socket of a VM's shared SSH connection, instead of /tmp.",
        &["ssh", "put", "get", "run", "ssh-config"],
    ),
    ("MANPAGER, PAGER", "The pager of man(1); without man, PAGER shows plain text.", &["man"]),
    (
        "SSH_AUTH_SOCK",
        "The agent that OpenSSH asks for keys.",
        &["ssh", "put", "get", "run", "wait", "start"],
    ),
];

/// Pages of other programs, by the verb that refers to them.
const ELSEWHERE: [(&str, &[&str]); 7] = [
    ("qqmgr", &["qemu-system-x86_64(1)", "qemu-img(1)", "ssh(1)"]),
    ("start", &["qemu-system-x86_64(1)"]),
    ("ssh", &["ssh(1)", "ssh_config(5)"]),
    ("put", &["scp(1)"]),
    ("get", &["scp(1)"]),
    ("ssh-config", &["ssh_config(5)"]),
    ("gdb", &["gdb(1)"]),
];

/// FILES, ENVIRONMENT and EXIT STATUS of a verb's page.
pub fn common(roff: &mut Roff, verb: &str) {
    for (title, entries) in [("FILES", &FILES[..]), ("ENVIRONMENT", &ENVIRONMENT[..])] {
        roff.control("SH", [title]);
        let entries =
            entries.iter().filter(|(.., verbs)| verbs.is_empty() || verbs.contains(&verb));
        for (name, text, _) in entries {
            define(roff, name, text);
        }
    }
    roff.control("SH", ["EXIT STATUS"]);
    for (code, text) in exit::CODES {
        define(roff, &code.to_string(), text);
    }
    roff.control("PP", []).text([roman(exit::PASSED_ON)]);
}

/// The verbs of `qqmgr`, in the groups of its help.
pub fn verbs(roff: &mut Roff, root: &Command) {
    roff.control("SH", ["COMMANDS"]);
    for (title, names) in help::GROUPS {
        roff.control("SS", [title]);
        for verb in names.iter().filter_map(|name| root.find_subcommand(name)) {
            let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
            define(roff, &format!("qqmgr-{}(1)", verb.get_name()), &about);
        }
    }
}

/// SEE ALSO: the verbs of the same group, the config, and other programs.
pub fn see_also(roff: &mut Roff, verb: &str) {
    let group = help::GROUPS.iter().find(|(_, verbs)| verbs.contains(&verb));
    let others = group.into_iter().flat_map(|(_, verbs)| *verbs).filter(|other| **other != verb);
    let mut pages: Vec<_> = others.map(|other| format!("qqmgr-{other}(1)")).collect();
    if verb != "qqmgr" {
        pages.insert(0, "qqmgr(1)".to_owned());
    }
    pages.push("qqmgr.toml(5)".to_owned());
    let elsewhere = ELSEWHERE.iter().filter(|(name, _)| *name == verb);
    pages.extend(elsewhere.flat_map(|(_, pages)| *pages).map(|page| (*page).to_owned()));
    roff.control("SH", ["SEE ALSO"]).text([roman(pages.join(", "))]);
}

fn define(roff: &mut Roff, term: &str, text: &str) {
    roff.control("TP", []).text([bold(term)]).text([roman(text)]);
}
