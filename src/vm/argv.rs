//! QEMU's command line: the user's arguments, then ours, then those of this start.

use super::dir::socket_argument;
use super::event_log;
use super::properties::Properties;
use crate::config::{Arg, Vm};
use std::path::Path;

/// A command line, every argument with its origin.
#[derive(Clone, Debug)]
pub struct CommandLine {
    /// The program.
    pub bin: String,
    /// Its arguments.
    pub args: Vec<Arg>,
}

impl CommandLine {
    /// The whole of it for a VM; `extra` is appended.
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

/// A word as a shell takes it, control characters by their codes: a terminal obeys them or eats
/// them, and what it eats can't be pasted (POSIX.1-2024, Shell Command Language, 2.2.4).
pub fn quote(word: &str) -> String {
    let is_eaten = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !word.contains(is_eaten) {
        // What it refuses is a NUL, which no word has.
        return shlex::try_quote(word).map_or_else(|_| word.to_owned(), |word| word.into_owned());
    }
    let mut quoted = "$'".to_owned();
    for c in word.chars() {
        match c {
            '\'' | '\\' => quoted.extend(['\\', c]),
            _ if is_eaten(c) => {
                for byte in c.to_string().bytes() {
                    quoted += &format!("\\{byte:03o}");
                }
            }
            _ => quoted.push(c),
        }
    }
    quoted + "'"
}

/// The arguments that keep a VM in our hands: its pidfile, its monitor, QMP for one client at a
/// time, a serial port with a log, and the log of its events (QEMU manual, "Invocation", "Character
/// device options" and "Debug/Expert options").
fn injected(dir: &Path, working_dir: &Path) -> Vec<String> {
    let socket = |name: &str| escape(&socket_argument(&dir.join(name), working_dir));
    let log = escape(&dir.join("serial"));
    [
        "-pidfile",
        &dir.join("pid").display().to_string(),
        "-monitor",
        &format!("unix:{},server=on,wait=off", socket("monitor.socket")),
        "-qmp",
        &format!("unix:{},server=on,wait=off", socket("qmp.socket")),
        "-chardev",
        &format!(
            "socket,id=qqmgr-serial,path={},server=on,wait=off,logfile={log}",
            socket("serial.socket")
        ),
        "-serial",
        "chardev:qqmgr-serial",
        "-chardev",
        &format!("pipe,id=qqmgr-events,path={}", escape(&dir.join(event_log::CHARDEV))),
        "-mon",
        "chardev=qqmgr-events,mode=control",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// A path in a list of QEMU properties, where a comma is written twice.
fn escape(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

/// A port of the host that QEMU's user network forwards into the guest.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Forward {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The host's address; empty for all.
    pub host_address: String,
    /// The host's port.
    pub host_port: u16,
    /// The guest's port.
    pub guest_port: u16,
}

impl Forward {
    /// Reads a rule, `[tcp|udp]:[ADDR]:PORT-[ADDR]:PORT`.
    pub(super) fn parse(rule: &str) -> Option<Forward> {
        let (protocol, rest) = rule.split_once(':')?;
        let (host, guest) = rest.rsplit_once('-')?;
        let (host_address, host_port) = host.rsplit_once(':')?;
        let (_, guest_port) = guest.rsplit_once(':')?;
        Some(Forward {
            protocol: if protocol.is_empty() { "tcp" } else { protocol }.to_owned(),
            host_address: host_address.to_owned(),
            host_port: host_port.parse().ok()?,
            guest_port: guest_port.parse().ok()?,
        })
    }

    /// Where it listens; whoever connects to all addresses reaches the host itself.
    pub fn address(&self) -> (&str, u16) {
        match self.host_address.trim_matches(['[', ']']) {
            "" => ("0.0.0.0", self.host_port),
            address => (address, self.host_port),
        }
    }
}

/// The ports that a command line forwards: `hostfwd=RULE` of `-netdev user` and `-nic user` (QEMU
/// manual, "Network options"), or in JSON `"hostfwd": [{"str": RULE}]`.
pub fn forwards<'a>(args: impl IntoIterator<Item = &'a str>) -> Vec<Forward> {
    let with_rules = args.into_iter().filter(|arg| arg.contains("hostfwd"));
    let properties = with_rules.flat_map(|arg| Properties::parse(arg).0);
    let rules = properties.filter(|(key, _)| key == "hostfwd" || key.starts_with("hostfwd."));
    rules.filter_map(|(_, rule)| Forward::parse(&rule)).collect()
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

    #[test]
    fn reads_forwarded_ports() {
        let args = [
            "-netdev",
            "user,id=n,hostfwd=tcp::2089-:22,hostfwd=udp:127.0.0.1:53-10.0.2.15:5353,hostfwd=bad",
            "-nic",
            "user,hostfwd=:[::1]:80-:8080",
            r#"{"type":"user","id":"j","hostfwd":[{"str":"tcp::81-:81"},{"str":"bad"}]}"#,
        ];
        let found: Vec<_> = forwards(args)
            .iter()
            .map(|f| {
                format!("{} {:?} {} {}", f.protocol, f.host_address, f.host_port, f.guest_port)
            })
            .collect();
        assert_eq!(
            found,
            [
                "tcp \"\" 2089 22",
                "udp \"127.0.0.1\" 53 5353",
                "tcp \"[::1]\" 80 8080",
                "tcp \"\" 81 81"
            ]
        );
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
