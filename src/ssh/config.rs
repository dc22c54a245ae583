//! Writes the `ssh.conf` of a VM. The user's options come first, because OpenSSH keeps the first
//! value that it finds (ssh_config(5)); qqmgr's own fill the gaps.

use super::key;
use crate::Error;
use crate::config::{Ssh, is_path};
use crate::sys::short_socket;
use crate::vm::{VmDir, files};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The file's name in the VM's directory.
pub const FILE: &str = "ssh.conf";

/// How a VM is reached.
pub struct Way {
    /// All options except the path of the shared connection.
    options: String,
    /// The beginning of the path of the shared connection's socket; `None` if the user sets it.
    control_path: Result<Option<PathBuf>, Error>,
}

impl Way {
    /// The way to the VM in `dir`.
    pub fn of(vm: &str, ssh: &Ssh, dir: &VmDir) -> Way {
        let options = render(vm, ssh, &dir.file(files::KNOWN_HOSTS));
        let control_path = match ssh.value("ControlPath") {
            Some(_) => Ok(None),
            // Other options need another connection.
            None => short_socket::path_for(&dir.file(""), &options).map(Some),
        };
        Way { options, control_path }
    }

    /// Whether sessions share a connection that qqmgr makes.
    pub fn shares(&self) -> bool {
        matches!(self.control_path, Ok(Some(_)))
    }

    /// Why they can't: there is no private directory for its socket.
    pub fn obstacle(&self) -> Option<String> {
        self.control_path.as_ref().err().map(Error::to_string)
    }

    /// Writes the VM's `ssh.conf`, unless it is already up to date.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&self, vm: &str, dir: &VmDir) -> Result<PathBuf, Error> {
        let path = dir.file(FILE);
        let shared = self.control_path().map(|line| format!("  {line}\n")).unwrap_or_default();
        let options = &self.options;
        let text = format!("# Written by qqmgr for VM {vm}; changes are lost.\n{options}{shared}");
        if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            return Ok(path);
        }
        dir.write(FILE, text.as_bytes())
    }

    /// A block for the user's own file. When ssh reads it, the shared connection's directory may be
    /// gone, or another user may have made one with its name.
    pub fn block(&self, vm: &str) -> String {
        let mut text = self.options.clone();
        let socket = self.control_path.as_ref().ok().and_then(Option::as_ref);
        if let (Some(dir), Some(line)) =
            (socket.and_then(|path| path.parent()), self.control_path())
        {
            let dir = dir.display();
            let make = format!("mkdir -m 700 {dir} 2>/dev/null");
            let test =
                format!("test -d {dir} && test ! -L {dir} && test -O {dir} && test -w {dir}");
            let test = format!("Match originalhost {vm} exec \"sh -c '{make}; {test}'\"");
            // Writing to a String can't fail.
            let _ = writeln!(text, "{test}\n  {line}");
        }
        text
    }

    fn control_path(&self) -> Option<String> {
        let path = escape(self.control_path.as_ref().ok()?.as_ref()?);
        // ssh's own command line may name another user.
        Some(format!("ControlPath {}", quote(&format!("{path}-%r"))))
    }
}

/// The block without the path of the shared connection, which depends on everything else in it.
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
        // An agent may have so many keys that the server refuses more tries (`MaxAuthTries`).
        line("IdentitiesOnly", "yes");
    }
    line("HostName", "127.0.0.1");
    // A host key proves nothing on our own loopback port, and a guest that is rebuilt or generates
    // its key at boot has another key each time.
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

/// A value unchanged, except that a path with spaces is quoted to stay one argument.
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

/// Whether OpenSSH would expand an environment variable in a path: it has no escape for that.
fn is_expanded(path: &Path) -> bool {
    path.to_string_lossy().contains("${")
}

/// A path of qqmgr's, escaped so that OpenSSH expands nothing in it.
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
