//! The connection that a VM's sessions share: where its socket is, and ending it.
//!
//! OpenSSH binds the socket under a longer name first and unix socket paths end at 107, so it
//! can't live in the VM's directory.

use super::config;
use crate::vm::VmDir;
use crate::{Error, private_dir};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// The longest directory that leaves room for the name and OpenSSH's suffix of 17.
const LONGEST_DIR: usize = 107 - 17 - 17;

/// How long the master may take to be told to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// The socket for the shared connection of the VM in `dir`.
///
/// # Errors
/// The directory of such sockets can't be made, or is not the user's own.
pub fn socket(dir: &VmDir) -> Result<PathBuf, Error> {
    let parent = directory();
    private_dir::make(&parent)?;
    private_dir::open(&parent)?;
    let name = fnv1a(dir.file("").as_os_str().as_bytes());
    Ok(parent.join(format!("{name:016x}")))
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

/// Whether the VM has a shared connection.
pub fn is_there(dir: &VmDir) -> bool {
    socket(dir).is_ok_and(|socket| UnixStream::connect(socket).is_ok())
}

/// Ends the shared connection of a VM, if it was ever reached and there is one.
pub async fn close(vm: &str, dir: &VmDir) {
    let config_file = dir.file(config::FILE);
    if !config_file.exists() {
        return;
    }
    let mut command = tokio::process::Command::new("ssh");
    command.arg("-F").arg(config_file).args(["-O", "exit", vm]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    // Mostly there is no master, and ssh says so; one that can't be told ends with the VM's port.
    let _ = tokio::time::timeout(PATIENCE, command.status()).await;
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
