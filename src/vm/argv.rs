//! QEMU's command line: the user's arguments, then qqmgr's, then those of this start.

use super::dir::socket_argument;
use super::files;
use crate::config::Vm;
use crate::qemu_args::{Arg, escape};
use std::path::Path;

/// The id of the character device of the first serial port.
pub const SERIAL_CHARDEV: &str = "qqmgr-serial";

/// A command line, every argument with its origin.
#[derive(Clone, Debug)]
pub struct CommandLine {
    /// The program.
    pub bin: String,
    /// Its arguments.
    pub args: Vec<Arg>,
}

impl CommandLine {
    /// The whole command line for a VM; `extra` is appended.
    pub fn new(vm: &Vm, extra: &[String]) -> CommandLine {
        let ours = injected(&vm.instance.dir, &vm.config_dir);
        let added = ours.into_iter().chain(extra.iter().cloned());
        let added = added.map(|text| Arg { text, span: None });
        CommandLine { bin: vm.bin.clone(), args: vm.args.iter().cloned().chain(added).collect() }
    }

    /// All words, the program first.
    pub fn words(&self) -> Vec<String> {
        let args = self.args.iter().map(|arg| arg.text.clone());
        std::iter::once(self.bin.clone()).chain(args).collect()
    }
}

/// The arguments that let qqmgr control a VM: its pidfile, its monitor, QMP for one client at a
/// time, a serial port with a log, and the event log (QEMU manual, "Invocation", "Character device
/// options" and "Debug/Expert options").
fn injected(dir: &Path, working_dir: &Path) -> Vec<String> {
    let socket = |name: &str| escape(&socket_argument(&dir.join(name), working_dir));
    let log = escape(&dir.join(files::SERIAL));
    [
        "-pidfile",
        &dir.join(files::PID).display().to_string(),
        "-monitor",
        &format!("unix:{},server=on,wait=off", socket(files::MONITOR_SOCKET)),
        "-qmp",
        &format!("unix:{},server=on,wait=off", socket(files::QMP_SOCKET)),
        "-chardev",
        &format!(
            "socket,id={SERIAL_CHARDEV},path={},server=on,wait=off,logfile={log}",
            socket(files::SERIAL_SOCKET)
        ),
        "-serial",
        &format!("chardev:{SERIAL_CHARDEV}"),
        "-chardev",
        &format!("pipe,id=qqmgr-events,path={}", escape(&dir.join(files::EVENTS))),
        "-mon",
        "chardev=qqmgr-events,mode=control",
    ]
    .map(str::to_owned)
    .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What QEMU's `qemu_opts_parse` makes of a list of properties.
    fn properties(list: &str) -> Vec<String> {
        let marked = list.replace(",,", "\0");
        marked.split(',').map(|property| property.replace('\0', ",")).collect()
    }

    proptest! {
        #[test]
        fn any_path_survives_qemus_parser(name in "[a-z,=: ']{1,30}") {
            let dir = Path::new("/r").join(&name);
            let args = injected(&dir, Path::new("/r"));
            let value = |option: &str| {
                let at = args.iter().position(|arg| arg == option).unwrap();
                args[at + 1].clone()
            };
            prop_assert_eq!(value("-pidfile"), dir.join("pid").display().to_string());
            let qmp = properties(&value("-qmp"));
            prop_assert_eq!(&qmp[0], &format!("unix:{}", dir.join("qmp.socket").display()));
            prop_assert_eq!(&qmp[1..], ["server=on", "wait=off"]);
            let serial = properties(&value("-chardev"));
            prop_assert_eq!(&serial[2], &format!("path={}", dir.join("serial.socket").display()));
            prop_assert_eq!(&serial[5], &format!("logfile={}", dir.join("serial").display()));
        }
    }
}
