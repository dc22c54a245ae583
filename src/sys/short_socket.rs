//! Short paths for sockets whose own path would be too long, in a private directory of the user's.

use crate::Error;
use crate::error::cant;
use crate::sys::private_dir;
use rustix::fs::Access;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The longest path of a socket, in bytes (unix(7)).
pub const LONGEST_PATH: usize = 107;

/// The longest directory that leaves room for a name, the part for a user's name (33) and the
/// suffix of 17 under which OpenSSH first binds its sockets.
const LONGEST_DIR: usize = LONGEST_PATH - 17 - 33 - 17;

/// The short path for the socket at `long`.
///
/// # Errors
/// The directory can't be made or written, or the user does not own it.
pub fn path(long: &Path) -> Result<PathBuf, Error> {
    Ok(place(&made()?, long))
}

/// The short path for one of several sockets at `long`: the one for `purpose`.
///
/// # Errors
/// As [`path`].
pub fn path_for(long: &Path, purpose: &str) -> Result<PathBuf, Error> {
    Ok(made()?.join(format!("{}{:08x}", family(long), short(purpose.as_bytes()))))
}

/// The sockets that exist for `long`, for any purpose.
pub fn all(long: &Path) -> Vec<PathBuf> {
    let parent = directory();
    let Ok(Some(_)) = private_dir::open(&parent) else {
        return Vec::new();
    };
    let family = family(long);
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| entry.file_name().as_bytes().starts_with(family.as_bytes()));
    ours.map(|entry| entry.path()).collect()
}

/// Removes the socket for `long`.
pub fn remove(long: &Path) {
    // It may not exist.
    let _ = std::fs::remove_file(place(&directory(), long));
}

fn place(parent: &Path, long: &Path) -> PathBuf {
    parent.join(format!("{:016x}", fnv1a(long.as_os_str().as_bytes())))
}

/// The prefix of the names of all sockets for `long`.
fn family(long: &Path) -> String {
    format!("{:08x}", short(long.as_os_str().as_bytes()))
}

/// The directory; made if it is missing.
///
/// # Errors
/// As [`path`].
pub fn made() -> Result<PathBuf, Error> {
    let parent = directory();
    private_dir::make(&parent)?;
    private_dir::open(&parent)?;
    let writable = rustix::fs::access(&parent, Access::WRITE_OK | Access::EXEC_OK);
    writable.map_err(|error| cant("write to", &parent)(error.into()))?;
    Ok(parent)
}

fn directory() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    // OpenSSH and shells read the path, and other characters have a meaning for them.
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+:@,=".contains(byte);
    let usable = |dir: &PathBuf| {
        dir.is_absolute() && dir.is_dir() && dir.as_os_str().as_bytes().iter().all(is_plain)
    };
    let own = runtime.filter(usable).map(|dir| dir.join("qqmgr"));
    own.filter(|dir| dir.as_os_str().len() <= LONGEST_DIR).unwrap_or_else(|| {
        let user = rustix::process::geteuid().as_raw();
        Path::new("/tmp").join(format!("qqmgr-{user}"))
    })
}

/// Half as many bits, by folding.
fn short(bytes: &[u8]) -> u64 {
    let hash = fnv1a(bytes);
    (hash >> 32) ^ (hash & 0xffff_ffff)
}

/// A short name for a long path: FNV-1a, 64 bits.
fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_the_definition_says() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
