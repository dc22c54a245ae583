//! The `ssh.conf` of a VM: its options first, because OpenSSH keeps the first value that it
//! finds (ssh_config(5)), then what we add where they are silent.

use super::key;
use crate::Error;
use crate::config::{Ssh, is_path};
use crate::sys::short_socket;
use crate::vm::{VmDir, files};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The file's name in the VM's directory.
pub const FILE: &str = "ssh.conf";

/// Writes the VM's `ssh.conf`, unless it says the same already.
///
/// # Errors
/// It can't be written, or there is no private place for the shared connection's socket.
pub fn write(vm: &str, ssh: &Ssh, dir: &VmDir) -> Result<PathBuf, Error> {
    let path = dir.file(FILE);
    let block = block(vm, ssh, dir)?;
    let text = format!("# Written by qqmgr for VM {vm}; changes are lost.\n{block}");
    if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
        return Ok(path);
    }
    dir.write(FILE, text.as_bytes())
}

/// The `Host` block that reaches the VM.
///
/// # Errors
/// There is no private place for the shared connection's socket.
pub fn block(vm: &str, ssh: &Ssh, dir: &VmDir) -> Result<String, Error> {
    let mut text = render(vm, ssh, &dir.file(files::KNOWN_HOSTS));
    let control_path = escape(&control_path(dir, &text)?);
    // The user may be another one on ssh's own command line.
    let _ = writeln!(text, "  ControlPath {}", quote(&format!("{control_path}-%r")));
    Ok(text)
}

/// How the path begins of the sockets for shared connections of the VM in `dir` that are made by
/// this `config`.
///
/// # Errors
/// The directory of such sockets can't be made, or is not the user's own.
fn control_path(dir: &VmDir, config: &str) -> Result<PathBuf, Error> {
    short_socket::path_for(&dir.file(""), config)
}

/// The block but for where the shared connection is, which depends on all the rest.
fn render(vm: &str, ssh: &Ssh, known_hosts: &Path) -> String {
    let mut text = format!("Host {vm}\n");
    let mut line = |keyword: &str, value: &str| {
        // Writing to a String can't fail.
        let _ = writeln!(text, "  {keyword} {value}");
    };
    line("Port", &ssh.port.to_string());
    for (keyword, values) in &ssh.options {
        for value in values {
            line(keyword, &argument(keyword, value));
        }
    }
    if key::is_named(ssh) {
        // An agent with many keys would use up the server's patience first (`MaxAuthTries`).
        line("IdentitiesOnly", "yes");
    }
    line("HostName", "127.0.0.1");
    // The key of a guest behind our own loopback port says nothing, and a guest that is rebuilt
    // or generates its key at boot has another one each time.
    line("NoHostAuthenticationForLocalhost", "yes");
    let known_hosts = match is_expanded(known_hosts) {
        true => Path::new("/dev/null"),
        false => known_hosts,
    };
    line("UserKnownHostsFile", &quote(&escape(known_hosts)));
    line("StrictHostKeyChecking", "no");
    line("LogLevel", "ERROR");
    line("ControlMaster", "auto");
    line("ControlPersist", "60");
    text
}

/// A value as it is, except that a path with spaces in it is one argument.
pub fn argument(keyword: &str, value: &str) -> String {
    let has_quotes = value.starts_with('"') || value.replace("\\\"", "").contains('"');
    match is_path(keyword) && value.contains([' ', '\t', '#']) && !has_quotes {
        true => format!("\"{value}\""),
        false => value.to_owned(),
    }
}

fn quote(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Whether OpenSSH takes part of a path for an environment variable, which nothing can keep it from.
fn is_expanded(path: &Path) -> bool {
    path.to_string_lossy().contains("${")
}

/// A path of ours, with nothing in it for OpenSSH to expand.
pub fn escape(path: &Path) -> String {
    path.display().to_string().replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_options_come_first() {
        let ssh = Ssh {
            port: 2089,
            vm_port: 22,
            options: vec![
                ("User".into(), vec!["root".into()]),
                ("IdentityFile".into(), vec!["/a b/k".into(), "/c".into()]),
                ("hostname".into(), vec!["::1".into()]),
            ],
        };
        let text = render("a", &ssh, Path::new("/d%/known_hosts"));
        assert_eq!(
            text,
            "Host a\n\
             \x20 Port 2089\n\
             \x20 User root\n\
             \x20 IdentityFile \"/a b/k\"\n\
             \x20 IdentityFile /c\n\
             \x20 hostname ::1\n\
             \x20 HostName 127.0.0.1\n\
             \x20 NoHostAuthenticationForLocalhost yes\n\
             \x20 UserKnownHostsFile \"/d%%/known_hosts\"\n\
             \x20 StrictHostKeyChecking no\n\
             \x20 LogLevel ERROR\n\
             \x20 ControlMaster auto\n\
             \x20 ControlPersist 60\n"
        );
    }
}
