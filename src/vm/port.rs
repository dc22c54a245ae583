//! Ports of the host: picks free ones for a VM, and finds the owner of one that is taken.

use crate::config::{DIR_PREFIX, Ports, WantedPorts};
use crate::sys::process::{self, Identity};
use procfs::net::TcpState;
use procfs::process::{FDTarget, Process};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

/// The ports of a VM. For each `auto`, a port on which no process listens, on any of the host's
/// IPv4 addresses.
///
/// # Errors
/// No port is free.
pub fn choose(wanted: &WantedPorts) -> io::Result<Ports> {
    // All are held until the last is picked, so that no two are the same.
    let mut held = Vec::new();
    wanted.choose(|| {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let port = listener.local_addr()?.port();
        held.push(listener);
        Ok(port)
    })
}

/// The process that listens on a port; shown as a VM's name or as a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The process, unless it is another user's.
    pub pid: Option<u32>,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => f.write_str(&describe(pid)),
            None => f.write_str("another user's process"),
        }
    }
}

/// Who listens on a TCP port.
pub fn owner(port: u16) -> Option<Owner> {
    let tables = [procfs::net::tcp(), procfs::net::tcp6()].into_iter().flatten().flatten();
    let listeners =
        tables.filter(|it| it.local_address.port() == port && it.state == TcpState::Listen);
    let inodes: Vec<_> = listeners.map(|socket| socket.inode).collect();
    if inodes.is_empty() {
        return None;
    }
    let has_one = |process: &Process| {
        let mut open = process.fd().into_iter().flatten().flatten();
        open.any(|fd| matches!(fd.target, FDTarget::Socket(inode) if inodes.contains(&inode)))
    };
    let processes = procfs::process::all_processes().into_iter().flatten().flatten();
    let holders =
        processes.filter(has_one).filter_map(|process| Identity::of(process.pid().cast_unsigned()));
    // A server's workers share its socket, and so do its forks until exec(2).
    let eldest = holders.min_by_key(|process| process.started);
    Some(Owner { pid: eldest.map(|process| process.pid) })
}

/// A process in words: the VM's name if it is one of qqmgr's, or else the program.
pub fn describe(pid: u32) -> String {
    let argv = process::command_line(pid);
    let pidfile = argv.iter().position(|arg| arg == "-pidfile").and_then(|at| argv.get(at + 1));
    let dir = pidfile.and_then(|path| Path::new(path).parent()?.file_name()?.to_str());
    match dir.and_then(|dir| dir.strip_prefix(DIR_PREFIX)) {
        Some(vm) => format!("VM `{vm}` (pid {pid})"),
        None => {
            let program =
                argv.first().map_or("?", |program| program.rsplit('/').next().unwrap_or("?"));
            format!("`{program}` (pid {pid})")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_who_listens() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let owner = owner(port).unwrap().to_string();
        assert!(owner.ends_with(&format!("(pid {})", std::process::id())), "{owner}");
    }

    #[test]
    fn a_free_port_has_no_owner() {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        assert_eq!(owner(port), None);
    }
}
