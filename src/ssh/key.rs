//! Private keys that ssh will not use, whatever the guest says.

use crate::error::plain;
use rustix::fs::OFlags;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Why ssh can't use a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// It is not there.
    Missing,
    /// Others can read it, so that ssh takes it for known to them.
    Open,
    /// It can't be read.
    Unreadable,
}

/// How the file of a private key begins (RFC 7468; PROTOCOL.key of OpenSSH).
const PRIVATE: &[u8] = b"-----BEGIN ";

/// What is certainly wrong with a key, in words, and what to do about it.
pub fn fault(key: &str, home: &str) -> Option<(KeyFault, String, Option<String>)> {
    let path = expand(key, home)?;
    match is_open(&path) {
        Ok(false) => None,
        Ok(true) => {
            let path = path.display().to_string();
            let hint = shlex::try_quote(&path).ok().map(|path| format!("chmod 600 {path}"));
            Some((KeyFault::Open, "is open to others, so that ssh ignores it".to_owned(), hint))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Some((KeyFault::Missing, "is not there".to_owned(), unexpanded(key)))
        }
        Err(error) => {
            Some((KeyFault::Unreadable, format!("can't be read: {}", plain(error)), None))
        }
    }
}

/// The path of a key, unless that is ssh's to tell.
fn expand(key: &str, home: &str) -> Option<PathBuf> {
    let key = key.trim_matches('"');
    match key.strip_prefix("~/") {
        Some(rest) => Some(Path::new(home).join(rest)),
        // Other people's homes, tokens and variables are ssh's to expand.
        None if key.starts_with('~') || key.contains('%') || key.contains("${") => None,
        None if key == "none" => None,
        None => Some(Path::new(key).to_owned()),
    }
}

/// What to write for a variable that neither qqmgr nor ssh expands.
fn unexpanded(key: &str) -> Option<String> {
    let (_, rest) = key.split_once('$')?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    let name = &rest[..end];
    (end > 0).then(|| {
        format!("`${name}` is not expanded: write {{{{.{name}}}}}, or {{{{.env.{name}}}}} for the environment's")
    })
}

/// Whether the modes of a private key of the user's own let others at it (OpenSSH, authfile.c,
/// `sshkey_perm_ok`). A public key, which an agent has the other half of, may be open to all.
fn is_open(path: &Path) -> io::Result<bool> {
    let mut options = File::options();
    // A pipe must not keep us waiting.
    options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    let is_own = metadata.uid() == rustix::process::getuid().as_raw();
    if !metadata.is_file() || !is_own || metadata.mode() & 0o077 == 0 {
        return Ok(false);
    }
    let mut start = Vec::new();
    file.take(PRIVATE.len() as u64).read_to_end(&mut start)?;
    Ok(start == PRIVATE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_certainly_not_there() {
        let found = |key, home| fault(key, home).map(|(fault, ..)| fault);
        assert_eq!(found("/nowhere/key", "/"), Some(KeyFault::Missing));
        assert_eq!(found("~/key", "/nowhere"), Some(KeyFault::Missing));
        assert_eq!(found("\"/no where/key\"", "/"), Some(KeyFault::Missing));
        assert_eq!(found("$img/key", "/"), Some(KeyFault::Missing));
        assert_eq!(found("/dev/null/key", "/"), Some(KeyFault::Unreadable));
        for key in ["/dev/null", "~/null", "none", "~user/key", "/nowhere/%h", "${KEY}"] {
            assert_eq!(found(key, "/dev"), None, "{key}");
        }
    }
}
