//! Checks what a VM needs from its host: KVM, ports, short socket paths, a port for SSH.

use super::finding::{Code, Finding};
use super::listens::Listen;
use super::names::accelerators;
use super::subject::Subject;
use crate::config::Port;
use crate::error::plain;
use crate::qemu_args::Arg;
use crate::qemu_args::{Forward, Properties, forwards};
use crate::sys::kvm;
use crate::sys::short_socket::LONGEST_PATH;
use crate::vm::port_owner;
use std::io;
use std::net::{TcpListener, UdpSocket};

/// Options whose value may be a character device, `unix:PATH` among others.
const CHARACTER_DEVICES: [&str; 5] = ["parallel", "debugcon", "gdb", "vnc", "incoming"];

/// Properties that name a socket, by their option.
const SOCKETS: [(&str, &str); 5] = [
    ("chardev", "path"),
    ("netdev", "addr.path"),
    ("netdev", "local.path"),
    ("netdev", "remote.path"),
    ("virtfs", "socket"),
];

/// What the host can't provide, and ports that it opens too widely.
pub fn findings(subject: &Subject, listens: &[Listen]) -> Vec<Finding> {
    let forwarded: Vec<_> = subject
        .with_value(&["netdev", "nic", "net"])
        .flat_map(|(_, arg)| forwards([arg.text.as_str()]).into_iter().map(move |f| (arg, f)))
        .collect();
    let mut findings: Vec<_> = kvm(subject).into_iter().chain(sockets(subject)).collect();
    findings.extend(listens.iter().filter_map(|listen| port(subject, listen)));
    findings.extend(forwarded.iter().filter_map(|(arg, rule)| open_to_all(subject, arg, rule)));
    findings.extend(ssh(subject, forwarded.iter().map(|(_, forward)| forward)));
    findings
}

fn kvm(subject: &Subject) -> Option<Finding> {
    let asked = accelerators(subject);
    let (arg, _) = asked.first()?;
    // If another accelerator may follow, KVM is not required.
    if asked.iter().any(|(_, name)| name != "kvm") {
        return None;
    }
    let (action, error) = kvm::try_kvm().err()?;
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => "join the group that owns /dev/kvm, often `kvm`",
        _ => "enable virtualization, or write `accel=kvm:tcg` to allow emulation",
    };
    let message = format!("KVM is not available: can't {action}: {}", plain(error));
    Some(subject.about(Code::KvmUnavailable, arg, "kvm", message).hint(hint))
}

fn port(subject: &Subject, listen: &Listen) -> Option<Finding> {
    let Listen { arg, part, is_udp, address, port } = listen;
    let bound = match is_udp {
        true => UdpSocket::bind((*address, *port)).map(drop),
        false => TcpListener::bind((*address, *port)).map(drop),
    };
    let error = bound.err()?;
    let owner = port_owner(*port).filter(|_| error.kind() == io::ErrorKind::AddrInUse);
    let is_own = |pid| subject.pid() == Some(pid);
    // The owner of a UDP port can't be found, so a running VM's own UDP ports count as free.
    if owner.as_ref().and_then(|owner| owner.pid).is_some_and(is_own)
        || *is_udp && subject.process.is_some()
    {
        return None;
    }
    let why = match owner {
        Some(owner) => format!("is in use by {owner}"),
        None => format!("can't be used: {}", plain(error)),
    };
    let message = format!("port {port} of the host {why}");
    Some(subject.about(Code::PortUnavailable, arg, part, message))
}

fn open_to_all(subject: &Subject, arg: &Arg, forward: &Forward) -> Option<Finding> {
    let Forward { protocol, host_address, host_port, guest_port } = forward;
    if !matches!(host_address.as_str(), "" | "0.0.0.0" | "::" | "[::]") {
        return None;
    }
    let message = format!(
        "{protocol} port {host_port} of the host is open to the network, not only to this host"
    );
    let hint = format!("write `hostfwd={protocol}:127.0.0.1:{host_port}-:{guest_port}`");
    let part = format!("{host_address}:{host_port}");
    Some(subject.about(Code::HostfwdOpen, arg, &part, message).hint(hint))
}

fn sockets(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    for opt in &subject.options {
        let Some(arg) = opt.value else { continue };
        let properties = Properties::parse(&arg.text);
        let is_socket = |key: &&str| {
            opt.name != "chardev"
                || *key != "path"
                || properties.implied("backend") == Some("socket")
        };
        let named = SOCKETS.iter().filter(|(option, _)| *option == opt.name).map(|(_, key)| *key);
        let named = named.filter(is_socket).filter_map(|key| properties.get(key));
        let device = CHARACTER_DEVICES.contains(&opt.name).then(|| properties.get(""));
        let device = device.flatten().and_then(|device| device.strip_prefix("unix:"));
        for path in named.chain(device).filter(|path| path.len() > LONGEST_PATH) {
            let message = format!(
                "the socket's path has {} characters; a unix socket's has at most {LONGEST_PATH}",
                path.len()
            );
            let hint = "write it relative to the config file's directory, where QEMU runs";
            findings.push(subject.about(Code::SocketPathTooLong, arg, path, message).hint(hint));
        }
    }
    findings
}

fn ssh<'a>(subject: &Subject, mut forwards: impl Iterator<Item = &'a Forward>) -> Option<Finding> {
    let ssh = &subject.vm.ssh;
    let leads_there = |forward: &Forward| {
        (forward.host_port, forward.guest_port) == (ssh.port, ssh.vm_port)
            && forward.protocol == "tcp"
    };
    if forwards.any(leads_there) || ssh.leads_elsewhere() {
        return None;
    }
    let port = match subject.vm.instance.port {
        Port::Fixed(port) => format!(" {port}"),
        Port::Auto => String::new(),
    };
    let vm_port = ssh.vm_port;
    let message = format!("the SSH port{port} is not forwarded to port {vm_port} of the guest");
    let hint = "add `hostfwd=tcp:127.0.0.1:{{.vm.ssh.port}}-:{{.vm.ssh.vm_port}}` to a `-netdev user`, \
                or say where the guest is with `HostName`";
    Some(subject.about_all(Code::SshNotForwarded, message).hint(hint))
}
