//! Checks names that QEMU must know: options, machines, CPUs, accelerators, devices, properties.

use super::ask::Question;
use super::finding::{Code, Finding};
use super::subject::Subject;
use super::table;
use crate::qemu_args::{Arg, Properties};
use crate::text::suggest;
use futures_util::future::join_all;
use std::collections::HashSet;
use tokio::join;

/// Properties of `-machine` that `-machine NAME,help` does not list: QEMU passes the first five on
/// (QEMU, softmmu/vl.c), and a machine only has the others once it is made (hw/i386/pc.c).
const UNLISTED: [&str; 13] = [
    "type",
    "accel",
    "igd-passthru",
    "kernel-irqchip",
    "kvm-shadow-mem",
    "cxl",
    "cxl-fmw",
    "hmat",
    "nvdimm",
    "nvdimm-persistence",
    "pcspk-audiodev",
    "pflash0",
    "pflash1",
];

/// Properties of `-device` that belong to no device.
const OF_ANY_DEVICE: [&str; 3] = ["driver", "id", "bus"];

/// Network cards of PCs, besides those that QEMU lists.
const UNLISTED_NICS: [&str; 3] = ["virtio", "ne2k_isa", "help"];

fn question(option: &str, value: &str) -> Question {
    vec![option.to_owned(), value.to_owned()]
}

/// A machine or a device whose properties are checked.
struct Named<'a> {
    arg: &'a Arg,
    name: String,
    properties: Properties,
}

/// The differences between machines and devices.
struct Kind {
    what: &'static str,
    option: &'static str,
    spellings: &'static [&'static str],
    key: &'static str,
    unknown: Code,
}

const MACHINE: Kind = Kind {
    what: "machine",
    option: "-machine",
    spellings: &["machine", "M"],
    key: "type",
    unknown: Code::UnknownMachine,
};

const DEVICE: Kind = Kind {
    what: "device",
    option: "-device",
    spellings: &["device"],
    key: "driver",
    unknown: Code::UnknownDevice,
};

/// The faults of the names.
pub async fn findings(subject: &Subject<'_>) -> Vec<Finding> {
    if subject.table.is_empty() {
        return vec![no_table(subject).await];
    }
    let accelerators = accelerators(subject);
    let lists = [
        (cpus(subject), question("-cpu", "help"), Code::UnknownCpu, "CPU model"),
        (accelerators, question("-accel", "help"), Code::UnknownAccelerator, "accelerator"),
        (nics(subject), question("-nic", "model=help"), Code::UnknownNic, "network card"),
    ];
    let lists = lists.map(|(names, list, code, what)| listed(subject, names, list, code, what));
    let (machines, devices, lists) =
        join!(MACHINE.findings(subject), DEVICE.findings(subject), join_all(lists));
    [options(subject), machines, devices, lists.concat()].concat()
}

/// Checks names against one of QEMU's lists.
async fn listed(
    subject: &Subject<'_>,
    names: Vec<(&Arg, String)>,
    list: Question,
    code: Code,
    what: &str,
) -> Vec<Finding> {
    if names.is_empty() {
        return Vec::new();
    }
    let Ok(list) = subject.ask(list).await else { return Vec::new() };
    let known = listed_names(&list.stdout);
    let unknown = |(arg, name): (&Arg, String)| {
        if !list.success || known.is_empty() || known.contains(name.as_str()) {
            return None;
        }
        let message = format!("QEMU has no {what} `{name}`");
        let nearest = suggest::nearest(&name, known.iter().copied());
        Some(subject.about(code, arg, &name, message).did_you_mean(nearest))
    };
    names.into_iter().filter_map(unknown).collect()
}

/// The finding for a binary that does not answer, or not as QEMU does.
async fn no_table(subject: &Subject<'_>) -> Finding {
    let bin = &subject.program.bin;
    let finding = match subject.ask(table::question()).await {
        Err(why) => subject
            .finding(Code::QemuNotRun, format!("can't run `{bin}`: {why}"))
            .hint("is it installed and in $PATH?"),
        Ok(_) => subject.finding(
            Code::QemuUnknown,
            format!("`{bin} -help` lists no options: names were not checked"),
        ),
    };
    Finding { place: crate::vm::place_of_bin(subject.config, subject.vm), ..finding }
}

fn options(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    for opt in &subject.options {
        match (subject.table.takes_value(opt.name), opt.value) {
            (None, _) => {
                let nearest = suggest::nearest(opt.name, subject.table.names());
                let message = format!("QEMU has no option `{}`", opt.arg.text);
                let finding = subject.about(Code::UnknownOption, opt.arg, "", message);
                findings.push(finding.did_you_mean(nearest.map(|n| format!("-{n}")).as_deref()));
            }
            (Some(true), None) => {
                let message = format!("`{}` needs a value", opt.arg.text);
                findings.push(subject.about(Code::MissingValue, opt.arg, "", message));
            }
            _ => {}
        }
    }
    findings
}

impl Kind {
    fn in_use<'a>(&self, subject: &'a Subject) -> Vec<Named<'a>> {
        let named = subject.with_value(self.spellings).filter_map(|(_, arg)| {
            let properties = Properties::parse(&arg.text);
            let name = properties.implied(self.key)?.to_owned();
            Some(Named { arg, name, properties })
        });
        named.filter(|named| !matches!(named.name.as_str(), "help" | "?")).collect()
    }

    async fn findings(&self, subject: &Subject<'_>) -> Vec<Finding> {
        let in_use = self.in_use(subject);
        join_all(in_use.iter().map(|named| self.finding(subject, named))).await.concat()
    }

    async fn finding(&self, subject: &Subject<'_>, named: &Named<'_>) -> Vec<Finding> {
        let help = question(self.option, &format!("{},help", named.name.replace(',', ",,")));
        // The exit code does not tell whether QEMU knows it.
        let titles = ["options:", "There are no options"];
        match subject.ask(help).await {
            Ok(help) if titles.iter().any(|title| help.stdout.contains(title)) => {
                self.properties(subject, &help.stdout, named)
            }
            _ => {
                let names = vec![(named.arg, named.name.clone())];
                listed(subject, names, question(self.option, "help"), self.unknown, self.what).await
            }
        }
    }

    fn properties(&self, subject: &Subject, help: &str, named: &Named) -> Vec<Finding> {
        let listed: HashSet<_> =
            help.lines().filter_map(|line| line.trim().split_once("=<").map(|(k, _)| k)).collect();
        if listed.is_empty() {
            return Vec::new();
        }
        let keys = named.properties.0.iter().map(|(key, _)| key.as_str());
        let unknown = keys.filter(|key| !self.has_property(&listed, key));
        let finding = |key: &str| {
            let message = format!("{} `{}` has no property `{key}`", self.what, named.name);
            let unlisted = UNLISTED.iter().filter(|_| self.option == MACHINE.option);
            let nearest = suggest::nearest(key, listed.iter().chain(unlisted).copied());
            subject.about(Code::UnknownProperty, named.arg, key, message).did_you_mean(nearest)
        };
        unknown.map(finding).collect()
    }

    fn has_property(&self, listed: &HashSet<&str>, key: &str) -> bool {
        // A dot leads into a property; an array's elements only exist once they are set.
        let key = key.split(['.', '[']).next().unwrap_or_default();
        let is = |name: &str| listed.contains(name);
        // `nofoo` is the old form of `foo=off`.
        let known = is(key) || key.is_empty() || key.strip_prefix("no").is_some_and(is);
        match self.option {
            option if option == MACHINE.option => {
                let dashed = key.replace('_', "-");
                known || is(&dashed) || UNLISTED.contains(&dashed.as_str())
            }
            _ => known || OF_ANY_DEVICE.contains(&key) || key.starts_with("len-"),
        }
    }
}

fn cpus<'a>(subject: &'a Subject) -> Vec<(&'a Arg, String)> {
    let model = |arg: &Arg| arg.text.split(',').next().unwrap_or_default().to_owned();
    let cpus = subject.with_value(&["cpu"]).map(|(_, arg)| (arg, model(arg)));
    cpus.filter(|(_, model)| !matches!(model.as_str(), "help" | "?" | "")).collect()
}

/// The accelerators in the options, in the order in which QEMU tries them.
pub fn accelerators<'a>(subject: &'a Subject) -> Vec<(&'a Arg, String)> {
    let mut accelerators = Vec::new();
    for opt in &subject.options {
        let Some(value) = opt.value else {
            if opt.name == "enable-kvm" {
                accelerators.push((opt.arg, "kvm".to_owned()));
            }
            continue;
        };
        let properties = Properties::parse(&value.text);
        let names = match opt.name {
            "accel" => properties.implied("accel"),
            "machine" | "M" => properties.get("accel"),
            _ => None,
        };
        let names = names.into_iter().flat_map(|names| names.split(':'));
        accelerators.extend(names.map(|name| (value, name.to_owned())));
    }
    accelerators
}

/// The network cards of PCs; other boards have some that QEMU does not list.
fn nics<'a>(subject: &'a Subject) -> Vec<(&'a Arg, String)> {
    let machines = MACHINE.in_use(subject);
    if !machines
        .iter()
        .any(|machine| machine.name.starts_with("pc") || machine.name.starts_with("q35"))
    {
        return Vec::new();
    }
    let models = subject.with_value(&["nic", "net"]).filter_map(|(_, arg)| {
        let model = Properties::parse(&arg.text).get("model")?.to_owned();
        Some((arg, model))
    });
    models.filter(|(_, model)| !UNLISTED_NICS.contains(&model.as_str())).collect()
}

/// The names in one of QEMU's lists. A name begins a line, follows the architecture's name, or is
/// quoted after `name` and `alias`; extra words only make the check milder.
fn listed_names(help: &str) -> HashSet<&str> {
    let words = |line| str::split_whitespace(line).take(2);
    let quoted = help.split('"').skip(1).step_by(2).filter(|text| !text.contains(' '));
    let plain = help.lines().filter(|line| !line.starts_with("name ")).flat_map(words);
    plain.chain(quoted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_qemus_lists() {
        let devices = "Network devices:\nname \"virtio-blk-pci\", bus PCI, alias \"virtio-blk\"\n";
        assert!(listed_names(devices).contains("virtio-blk"));
        assert!(listed_names(devices).contains("virtio-blk-pci"));
        let cpus = "Available CPUs:\nx86 486          (alias)\n  max\n";
        assert!(listed_names(cpus).contains("486"));
        assert!(listed_names(cpus).contains("max"));
        assert!(!listed_names(cpus).contains("host"));
    }
}
