//! Reads private keys: which of them ssh refuses to use, whatever the guest accepts, and which
//! select one of an agent's keys.

use super::agent::Agent;
use super::path::path;
use crate::config::Ssh;
use crate::error::plain;
use crate::sys::home::home;
use rustix::fs::OFlags;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Why ssh can't use a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// It does not exist.
    Missing,
    /// Other users can read it, so ssh considers it public.
    Open,
    /// It can't be read.
    Unreadable,
    /// It has a passphrase, and no agent has the key.
    Locked,
}

/// The fault of a key, in words, and a hint.
#[derive(Clone, Debug)]
pub struct Fault {
    pub kind: KeyFault,
    pub what: String,
    pub hint: Option<String>,
}

/// The beginning of a private key's file (RFC 7468; PROTOCOL.key of OpenSSH).
const PRIVATE: &[u8] = b"-----BEGIN ";

/// The beginning in OpenSSH's own format, which contains the public half. A key without a
/// passphrase continues with `openssh-key-v1`, the cipher `none` and the key derivation `none`, in
/// base64.
const OPENSSH: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const UNLOCKED: &str = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ";

/// How much of a key's file has to be read to know its kind, in bytes.
const START: u64 = 256;

/// The start of a key's file.
struct Start {
    text: String,
    is_open: bool,
}

/// The fault of the key that an option names, if ssh certainly can't use the key.
pub async fn fault(value: &str, agent: &Agent) -> Option<Fault> {
    let path = path(value)?;
    let fault = |kind, what: String, remedy: Option<&str>| {
        let word = shlex::try_quote(path.to_str()?).ok()?.into_owned();
        Some(Fault { kind, what, hint: remedy.map(|remedy| format!("{remedy} {word}")) })
    };
    match Start::of(&path) {
        Ok(Start { is_open: true, .. }) => {
            let what = "is open to other users, so ssh ignores it".to_owned();
            fault(KeyFault::Open, what, Some("chmod 600"))
        }
        Ok(start) if start.is_locked() && agent.lacks(&path).await => {
            let what = "has a passphrase, and no agent has the key".to_owned();
            fault(KeyFault::Locked, what, Some("ssh-add"))
        }
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let public = public(&path);
            if public.exists() && !agent.lacks(&public).await {
                return None;
            }
            let what = format!("does not exist{}", other_home(value));
            Some(Fault { kind: KeyFault::Missing, what, hint: unexpanded(value) })
        }
        Err(error) => fault(KeyFault::Unreadable, format!("can't be read: {}", plain(error)), None),
    }
}

/// The hint for a variable that neither qqmgr nor ssh expands.
fn unexpanded(key: &str) -> Option<String> {
    let (_, rest) = key.split_once('$')?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    let name = &rest[..end];
    (end > 0).then(|| {
        format!("`${name}` is not expanded: write {{{{.{name}}}}}, or {{{{.env.{name}}}}} for an environment variable")
    })
}

/// Names the home directory that ssh uses, if `$HOME` is another one.
fn other_home(value: &str) -> String {
    match (home(), std::env::var_os("HOME").map(PathBuf::from)) {
        (Some(home), Some(own)) if value.starts_with("~/") && home != own => {
            let (home, own) = (home.display(), own.display());
            format!(": to ssh, ~ is {home}, not $HOME ({own})")
        }
        _ => String::new(),
    }
}

/// Whether the options name a key whose public half ssh can read. Then ssh can offer this key
/// alone, whatever other keys its agent has.
pub fn is_named(ssh: &Ssh) -> bool {
    let is_known = |value: &String| match path(value) {
        Some(path) => {
            public(&path).exists() || Start::of(&path).is_ok_and(|start| start.tells_public())
        }
        None => value != "none",
    };
    ssh.values("IdentityFile").iter().any(is_known)
}

fn public(path: &Path) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(".pub");
    path.into()
}

impl Start {
    /// Reads the start of a key. Others must not have access to a private key that the user owns
    /// (OpenSSH, authfile.c, `sshkey_perm_ok`). A public key may be readable by all: an agent has
    /// its private half.
    fn of(path: &Path) -> io::Result<Start> {
        let mut options = File::options();
        // Opening a pipe must not block.
        options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        let file = options.open(path)?;
        let metadata = file.metadata()?;
        let mut start = Vec::new();
        if metadata.is_file() {
            file.take(START).read_to_end(&mut start)?;
        }
        let is_own = metadata.uid() == rustix::process::getuid().as_raw();
        let is_open = is_own && metadata.mode() & 0o077 != 0 && start.starts_with(PRIVATE);
        Ok(Start { text: String::from_utf8_lossy(&start).into_owned(), is_open })
    }

    fn is_locked(&self) -> bool {
        match self.text.strip_prefix(OPENSSH) {
            Some(body) => !body.trim_start().starts_with(UNLOCKED),
            None => {
                let is_private = self.text.as_bytes().starts_with(PRIVATE);
                is_private && self.text.contains("ENCRYPTED")
            }
        }
    }

    fn tells_public(&self) -> bool {
        self.text.starts_with(OPENSSH) || !self.is_locked()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keys_that_are_certainly_of_no_use() {
        let agent = Agent::Holds(Vec::new());
        for (key, kind) in [
            ("/nowhere/key", Some(KeyFault::Missing)),
            ("~/no/where/key", Some(KeyFault::Missing)),
            ("\"/no where/key\"", Some(KeyFault::Missing)),
            ("$img/key", Some(KeyFault::Missing)),
            ("/nowhere/%%", Some(KeyFault::Missing)),
            ("/dev/null/key", Some(KeyFault::Unreadable)),
            ("/dev/null", None),
            ("none", None),
            ("~user/key", None),
            ("/nowhere/%h", None),
            ("${KEY}", None),
        ] {
            assert_eq!(fault(key, &agent).await.map(|fault| fault.kind), kind, "{key}");
        }
    }

    #[test]
    fn keys_with_a_passphrase() {
        let start = |text: &str| Start { text: text.to_owned(), is_open: false };
        for (text, is_locked, tells_public) in [
            (format!("{OPENSSH}\n{UNLOCKED}AAAAEbm9uZQ"), false, true),
            (format!("{OPENSSH}\nb3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAG"), true, true),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----".to_owned(), true, false),
            ("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED".to_owned(), true, false),
            ("-----BEGIN RSA PRIVATE KEY-----\nMII".to_owned(), false, true),
            ("ssh-ed25519 AAAA ENCRYPTED".to_owned(), false, true),
        ] {
            let start = start(&text);
            assert_eq!(
                (start.is_locked(), start.tells_public()),
                (is_locked, tells_public),
                "{text}"
            );
        }
    }
}
