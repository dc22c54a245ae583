//! QEMU's options, from its own help: their names, and which of them take a value.

use super::ask::{Program, Qemus, Question};
use crate::qemu_args::{Arg, option_name};
use futures_util::future::join_all;
use std::collections::BTreeMap;

/// The column of the descriptions in the help (QEMU, qemu-options.hx).
const DESCRIPTION: usize = 16;

/// The options that a binary knows, and whether each takes a value.
#[derive(Clone, Debug, Default)]
pub struct Table {
    options: BTreeMap<String, bool>,
}

/// The question whose answer a table is made from.
pub fn question() -> Question {
    vec!["-help".to_owned()]
}

/// Asks whether an option exists that the help does not list: QEMU checks the names of all options
/// before it obeys the first, and then prints its version.
fn confirmation(arg: &str) -> Question {
    vec!["-version".to_owned(), arg.to_owned()]
}

impl Table {
    /// The options of a binary, with those of `args` that it knows but does not list, such as `-M`.
    /// Empty if it does not answer as QEMU does.
    pub async fn of(qemus: &Qemus, program: &Program, args: &[Arg]) -> Table {
        let help = qemus.answer(program, question()).await;
        let mut table = help.map_or_else(|_| Table::default(), |help| Table::parse(&help.stdout));
        let confirm = |arg| async move { (arg, qemus.answer(program, confirmation(arg)).await) };
        for (arg, answer) in join_all(table.unlisted(args).into_iter().map(confirm)).await {
            let Ok(answer) = answer else { continue };
            let takes_value = answer.stderr.contains("requires an argument");
            if let Some(name) = option_name(arg).filter(|_| answer.success || takes_value) {
                table.options.insert(name.to_owned(), takes_value);
            }
        }
        table
    }

    fn parse(help: &str) -> Table {
        Table { options: help.lines().flat_map(entries).collect() }
    }

    /// Arguments that look like options but are not in the help.
    fn unlisted<'a>(&self, args: &'a [Arg]) -> Vec<&'a str> {
        let is_unlisted =
            |text: &&str| option_name(text).is_some_and(|name| !self.options.contains_key(name));
        let args = args.iter().map(|arg| arg.text.as_str()).filter(is_unlisted);
        args.filter(|_| !self.is_empty()).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.options.is_empty()
    }

    pub fn takes_value(&self, name: &str) -> Option<bool> {
        self.options.get(name).copied()
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.options.keys().map(String::as_str)
    }
}

/// The options of one line of the help: `-kernel bzImage use ...`, `-hda/-hdb file  use ...`,
/// `-h or -help     display ...`, `-usb            enable ...`.
fn entries(line: &str) -> Vec<(String, bool)> {
    if !line.starts_with('-') {
        return Vec::new();
    }
    let (names, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    if let Some(other) = rest.strip_prefix("or -") {
        return [names, other].into_iter().flat_map(|names| entries(&first_word(names))).collect();
    }
    let blanks = rest.len() - rest.trim_start().len() + 1;
    let column = names.len() + blanks;
    let described = column == DESCRIPTION || column > DESCRIPTION && blanks > 1;
    let takes_value = !rest.trim().is_empty() && !described;
    names.split('/').filter_map(|name| Some((option_name(name)?.to_owned(), takes_value))).collect()
}

/// The first word of a line, as an option.
fn first_word(line: &str) -> String {
    let word = line.split_whitespace().next().unwrap_or_default();
    format!("-{}", word.trim_start_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_qemus_help() {
        let help = "\
QEMU emulator version 7.2.22
usage: qemu-system-x86_64 [options] [disk_image]

-h or -help     display this help and exit
-machine [type=]name[,prop[=value][,...]]
                property accel=accel1[:accel2[:...]] selects accelerator
-k language     use keyboard layout (for example 'fr' for French)
-hda/-hdb file  use 'file' as hard disk 0/1 image
-dtb    file    use 'file' as device tree image
-usb            enable on-board USB host controller (if not enabled by default)
-xen-domid-restrict     restrict set of available xen operations
--preconfig     pause QEMU before machine is initialized (experimental)
-watchdog-action reset|shutdown|poweroff|inject-nmi|pause|debug|none
-async-teardown enable asynchronous teardown
-no-user-config
-vnc <display>  shorthand for -display vnc=<display>
";
        let shown: Vec<_> = Table::parse(help)
            .options
            .iter()
            .map(|(name, value)| format!("{name}{}", if *value { " VALUE" } else { "" }))
            .collect();
        assert_eq!(
            shown,
            [
                "async-teardown",
                "dtb VALUE",
                "h",
                "hda VALUE",
                "hdb VALUE",
                "help",
                "k VALUE",
                "machine VALUE",
                "no-user-config",
                "preconfig",
                "usb",
                "vnc VALUE",
                "watchdog-action VALUE",
                "xen-domid-restrict",
            ]
        );
    }
}
