//! From a definition to a [`Vm`]: expands every variable, and refuses options that qqmgr sets
//! itself.

use super::Config;
use super::expand::Expander;
use super::file::{Definition, Entry, SshOption};
use super::lookup::{Builtins, Scope};
use super::{Error, Instance, Ports, ssh_value};
use crate::qemu_args::Arg;
use crate::text::source::{Diagnostic, Source, Text};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A VM with all its variables expanded.
#[derive(Clone, Debug, Serialize)]
pub struct Vm {
    /// Its identity.
    pub instance: Instance,
    /// QEMU's working directory: the config file's.
    pub config_dir: PathBuf,
    /// The QEMU binary.
    pub bin: String,
    /// The image tool.
    pub img: String,
    /// Variables for QEMU's environment.
    pub env: Vec<(String, String)>,
    /// The user's arguments.
    pub args: Vec<Arg>,
    /// How much of its serial log is kept, in bytes.
    pub serial_limit: Option<u64>,
    /// Its named ports on the host.
    pub ports: BTreeMap<String, u16>,
    /// How to reach it.
    pub ssh: Ssh,
}

impl Vm {
    /// Its ports on the host.
    pub fn ports(&self) -> Ports {
        Ports { ssh: self.ssh.port, named: self.ports.clone() }
    }
}

/// How SSH reaches a VM.
#[derive(Clone, Debug, Serialize)]
pub struct Ssh {
    /// The port on the host.
    pub port: u16,
    /// The port in the guest.
    pub vm_port: u16,
    /// Options for OpenSSH: a keyword and its values, a line each.
    pub options: Vec<(String, Vec<String>)>,
}

/// OpenSSH options that lead to another place than the port on the host.
const ELSEWHERE: [&str; 3] = ["HostName", "ProxyCommand", "ProxyJump"];

impl Ssh {
    /// The values of an option; none if the option is not set.
    pub fn values(&self, keyword: &str) -> &[String] {
        let option = self.options.iter().find(|(own, _)| own.eq_ignore_ascii_case(keyword));
        option.map_or(&[], |(_, values)| values)
    }

    /// The value of an option that has only one: ssh uses the first.
    pub fn value(&self, keyword: &str) -> Option<&str> {
        self.values(keyword).first().map(String::as_str)
    }

    /// Whether SSH reaches the guest by another way than the port on the host.
    pub fn leads_elsewhere(&self) -> bool {
        let leads = |keyword: &str| ELSEWHERE.iter().any(|k| k.eq_ignore_ascii_case(keyword));
        // The value `none` turns a proxy off (ssh_config(5)).
        let is_set = |values: &[String]| values.iter().any(|value| value != "none");
        self.options.iter().any(|(keyword, values)| leads(keyword) && is_set(values))
    }
}

/// Options that qqmgr sets itself, and what to use instead.
const OURS: [(&str, &str); 5] = [
    ("pidfile", "qqmgr keeps it in {{.vm.dir}}/pid"),
    (
        "monitor",
        "the monitor is at {{.vm.dir}}/monitor.socket; to add another, use -chardev with -mon",
    ),
    (
        "qmp",
        "QMP is at {{.vm.dir}}/qmp.socket; to add another, use -chardev with -mon ...,mode=control",
    ),
    (
        "serial",
        "the first serial port's output is in {{.vm.dir}}/serial; to add another, use -chardev with -device",
    ),
    ("daemonize", "`qqmgr start` runs QEMU in the background"),
];

/// The hint for an argument that only qqmgr may set.
pub fn reserved_option(arg: &str) -> Option<&'static str> {
    let name = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-'))?;
    OURS.iter().find(|(option, _)| *option == name).map(|(_, hint)| *hint)
}

/// Whether a word names a program of QEMU, with or without a path.
fn is_qemu(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or(word);
    name.strip_prefix("qemu-system-").is_some_and(|arch| !arch.contains('.')) || name == "qemu-kvm"
}

impl Config {
    /// Expands every variable of a VM, with its ports on the host.
    ///
    /// # Errors
    /// Every variable that can't be expanded, and every option that qqmgr sets itself.
    pub fn resolve(&self, instance: &Instance, ports: &Ports) -> Result<Vm, Error> {
        self.expand(instance, ports, |resolver, definition| Vm {
            instance: instance.clone(),
            config_dir: self.dir.clone(),
            bin: resolver.text(definition.bin.as_ref().unwrap_or(&self.file.qemu.bin)),
            img: resolver.text(&self.file.qemu.img),
            env: resolver.env(definition),
            args: resolver.args(definition),
            serial_limit: definition.serial_limit,
            ports: ports.named.clone(),
            ssh: resolver.ssh(definition, &self.file.ssh, ports.ssh),
        })
    }

    /// How SSH reaches a VM that has these ports. Errors in the rest of the definition do not
    /// matter, so that a running VM can still be reached.
    ///
    /// # Errors
    /// Every error in its SSH options.
    pub fn resolve_ssh(&self, instance: &Instance, ports: &Ports) -> Result<Ssh, Error> {
        self.expand(instance, ports, |resolver, definition| {
            resolver.ssh(definition, &self.file.ssh, ports.ssh)
        })
    }

    fn expand<T>(
        &self,
        instance: &Instance,
        ports: &Ports,
        resolve: impl FnOnce(&mut Resolver, &Definition) -> T,
    ) -> Result<T, Error> {
        let definition = self.definition(&instance.definition)?;
        let source = &self.file.source;
        let mut resolver = Resolver {
            source,
            dir: &self.dir,
            expander: Expander::new(Scope {
                source,
                vars: &self.file.vars,
                vm: definition,
                builtins: Builtins {
                    name: instance.name.clone(),
                    dir: instance.dir.display().to_string(),
                    ports: ports.clone(),
                    vm_port: definition.ssh.vm_port,
                    config_dir: self.dir.display().to_string(),
                },
            }),
        };
        let resolved = resolve(&mut resolver, definition);
        match resolver.expander.into_diagnostics() {
            diagnostics if diagnostics.is_empty() => Ok(resolved),
            diagnostics => Err(self.invalid(diagnostics)),
        }
    }
}

struct Resolver<'a> {
    source: &'a Source,
    dir: &'a Path,
    expander: Expander<'a>,
}

impl Resolver<'_> {
    fn text(&mut self, text: &Text) -> String {
        self.expander.text(text)
    }

    fn env(&mut self, definition: &Definition) -> Vec<(String, String)> {
        let variables = definition.env.iter();
        variables.map(|(name, value)| (name.clone(), self.text(value))).collect()
    }

    fn args(&mut self, definition: &Definition) -> Vec<Arg> {
        let mut args = Vec::new();
        for (index, entry) in definition.cmd.iter().enumerate() {
            let start = args.len();
            match entry {
                Entry::Line(text) => {
                    args.extend(self.expander.words(text).into_iter().map(|(word, range)| Arg {
                        text: word,
                        span: Some(self.source.within(text, &range)),
                    }));
                }
                Entry::Words(words) => args.extend(
                    words
                        .iter()
                        .map(|text| Arg { text: self.text(text), span: Some(text.span.clone()) }),
                ),
            }
            for arg in &args[start..] {
                self.refuse_ours(arg, &definition.name, index + 1);
            }
        }
        self.refuse_program(&args, &definition.name);
        args
    }

    /// Refuses the program's name in `cmd`: QEMU would take it for a disk image.
    fn refuse_program(&mut self, args: &[Arg], vm: &str) {
        let mut words = args.iter().take_while(|arg| !arg.text.starts_with('-'));
        let Some(Arg { text, span }) = words.find(|arg| is_qemu(&arg.text)) else { return };
        let message =
            format!("`{text}` is a program, but `cmd` in [vm.{vm}] takes only its options");
        let hint = format!("write it as `bin = {text:?}` in [vm.{vm}], or in [qemu] for all VMs");
        self.expander.note(Diagnostic::new(span.clone().unwrap_or_default(), message).hint(hint));
    }

    fn refuse_ours(&mut self, arg: &Arg, vm: &str, entry: usize) {
        if let Some(hint) = reserved_option(&arg.text) {
            let message =
                format!("entry {entry} of `cmd` in [vm.{vm}]: qqmgr sets `{}` itself", arg.text);
            let span = arg.span.clone().unwrap_or_default();
            self.expander.note(Diagnostic::new(span, message).hint(hint));
        }
    }

    /// The VM's own options, then the global options that it does not set itself.
    fn ssh(&mut self, definition: &Definition, global: &[SshOption], port: u16) -> Ssh {
        let own = &definition.ssh.options;
        let is_own = |keyword: &str| own.iter().any(|o| o.keyword.eq_ignore_ascii_case(keyword));
        let inherited = global.iter().filter(|option| !is_own(&option.keyword));
        let mut options = Vec::new();
        for option in own.iter().chain(inherited) {
            let values = option.values.iter().map(|value| self.ssh_value(&option.keyword, value));
            options.push((option.keyword.clone(), values.collect()));
        }
        Ssh { port, vm_port: definition.ssh.vm_port, options }
    }

    /// Expands the value of an SSH option. ssh reads a variable's value as plain text, and relative
    /// paths begin at the config's directory, as QEMU's do.
    fn ssh_value(&mut self, keyword: &str, value: &Text) -> String {
        let mut is_expanded = false;
        let mut known = |text: Option<String>| {
            is_expanded |= text.is_none();
            text.unwrap_or_default()
        };
        let put_in = |text: &str| known(ssh_value::literal(keyword, text));
        let mut text = self.expander.text_with(value, put_in);
        if ssh_value::is_relative(keyword, &text) {
            text = known(ssh_value::absolute(keyword, &text, self.dir));
        }
        let mut refuse = |message, hint: Option<&str>| {
            let diagnostic = Diagnostic::new(value.span.clone(), message);
            self.expander.note(Diagnostic { hint: hint.map(str::to_owned), ..diagnostic });
        };
        if is_expanded {
            let message = format!("`{keyword}` contains `${{`, which ssh always expands");
            refuse(message, Some("use a path without `${`"));
        }
        if text.contains(['\n', '\r']) {
            refuse(format!("`{keyword}` contains a line break"), None);
        }
        text
    }
}
