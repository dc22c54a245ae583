//! Short paths for sockets whose own place may be too deep for one, in a directory that is the
//! user's alone.

use crate::{Error, private_dir};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The longest path of a socket, in bytes (unix(7)).
pub const LONGEST_PATH: usize = 107;

/// The longest directory that leaves room for a name and the suffix of 17 under which OpenSSH
/// binds its sockets first.
const LONGEST_DIR: usize = LONGEST_PATH - 17 - 17;

/// The path for what belongs at `long`.
///
/// # Errors
/// The directory can't be made, or is not the user's own.
pub fn path(long: &Path) -> Result<PathBuf, Error> {
    let parent = directory();
    private_dir::make(&parent)?;
    private_dir::open(&parent)?;
    Ok(place(&parent, long))
}

/// Removes what is left at the path for `long`.
pub fn remove(long: &Path) {
    // What is not there needs no removing.
    let _ = std::fs::remove_file(place(&directory(), long));
}

fn place(parent: &Path, long: &Path) -> PathBuf {
    parent.join(format!("{:016x}", fnv1a(long.as_os_str().as_bytes())))
}

fn directory() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let usable = |dir: &PathBuf| dir.is_absolute() && dir.is_dir();
    let own = runtime.filter(usable).map(|dir| dir.join("qqmgr"));
    own.filter(|dir| dir.as_os_str().len() <= LONGEST_DIR).unwrap_or_else(|| {
        let user = rustix::process::geteuid().as_raw();
        Path::new("/tmp").join(format!("qqmgr-{user}"))
    })
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
