//! Warns of VMs that can't run at the same time: they use one port of the host, or write to one
//! file.

use super::files::local_files;
use super::finding::{Code, Finding};
use super::listens::Listen;
use super::subject::Subject;
use crate::config::PortUse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;

/// A port or a file that only one VM at a time can use.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Thing {
    Port { is_udp: bool, port: u16 },
    File { device: u64, inode: u64 },
}

/// A VM's use of it, and the warning if another VM uses it too.
pub struct Claim {
    thing: Thing,
    /// The address of a port.
    address: Option<IpAddr>,
    finding: Finding,
}

impl Claim {
    /// Whether no finding says that it is in use already.
    pub fn is_free(&self, findings: &[Finding]) -> bool {
        let place = |finding: &Finding| finding.place.as_ref().map(|place| place.span.clone());
        let taken =
            |finding: &&Finding| matches!(finding.code, Code::PortUnavailable | Code::ImageLocked);
        !findings.iter().filter(taken).any(|finding| place(finding) == place(&self.finding))
    }

    fn collides(&self, other: &Claim) -> bool {
        let (Some(one), Some(two)) = (self.address, other.address) else { return true };
        one == two || one.is_unspecified() || two.is_unspecified()
    }
}

/// The ports and files that a VM uses alone.
pub fn claims(subject: &Subject, listens: &[Listen]) -> Vec<Claim> {
    let ports = listens.iter().filter_map(|listen| port(subject, listen));
    ports.chain(files(subject)).collect()
}

fn port(subject: &Subject, listen: &Listen) -> Option<Claim> {
    let Listen { arg, part, is_udp, address, port } = listen;
    let port_use = subject.vm.ports().use_of(*port);
    let wanted = subject.config.wanted_ports(&subject.vm.instance).ok()?;
    if wanted.is_auto(&port_use) {
        return None;
    }
    let message =
        format!("port {port} of the host is shared: only one of these VMs can run at a time");
    let hint = match port_use {
        PortUse::Ssh => "let each start pick a free one: `port = \"auto\"`",
        PortUse::Named(_) => "let each start pick a free one: write \"auto\" for the number",
        PortUse::Other => {
            "let each start pick a free one: `NAME = \"auto\"` in [vm.VM.ports], and {{.vm.ports.NAME}} here"
        }
    };
    let finding = subject.about(Code::PortShared, arg, part, message).hint(hint);
    let thing = Thing::Port { is_udp: *is_udp, port: *port };
    Some(Claim { thing, address: Some(*address), finding })
}

fn files(subject: &Subject) -> Vec<Claim> {
    let mut claims = Vec::new();
    for named in local_files(subject) {
        let Some(image) = named.image.as_ref().filter(|image| !image.read_only) else { continue };
        let path = subject.vm.config_dir.join(&named.path);
        // The hint is to copy the image, and a device can't be copied.
        let Some(file) = path.metadata().ok().filter(std::fs::Metadata::is_file) else { continue };
        let why = match image.is_flash {
            true => "the VMs overwrite each other's boot options",
            false if image.locking => "only one of these VMs can run at a time",
            false => "if two VMs write to it at the same time, they corrupt it",
        };
        let message = format!("{} is shared: {why}", path.display());
        let finding = subject.about(Code::ImageShared, named.arg, &named.path, message);
        let finding = finding.hint("give each VM a copy, or make it read-only with `readonly=on`");
        let thing = Thing::File { device: file.dev(), inode: file.ino() };
        claims.push(Claim { thing, address: None, finding });
    }
    claims
}

/// A warning for each thing that several VMs use, at the first of these VMs.
pub fn findings(claims: Vec<Claim>) -> Vec<Finding> {
    let mut shared: Vec<Claim> = Vec::new();
    let mut known: HashMap<Thing, Vec<usize>> = HashMap::new();
    for claim in claims {
        let earlier = known.entry(claim.thing.clone()).or_default();
        match earlier.iter().find(|at| shared[**at].collides(&claim)) {
            Some(at) => shared[*at].finding.share(claim.finding.vm),
            None => {
                earlier.push(shared.len());
                shared.push(claim);
            }
        }
    }
    let found = shared.into_iter().map(|claim| claim.finding);
    found.filter(|finding| !finding.others.is_empty()).collect()
}
