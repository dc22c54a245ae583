//! Lists paths in the guest, for a shell that completes them.

use super::{Session, copy, master};
use crate::Error;
use crate::config::{Config, Instance};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::process::Stdio;
use std::time::Duration;

/// How long the guest may take: the user has pressed a key and waits.
const PATIENCE: Duration = Duration::from_secs(2);

/// The paths with this beginning; directories end with a slash. None if there is no shared
/// connection yet: a login would take too long, and may ask for a passphrase.
///
/// # Errors
/// The VM is not running, or its SSH options can't be resolved.
pub async fn guest_paths(
    config: &Config,
    instance: &Instance,
    begin: &str,
) -> Result<Vec<String>, Error> {
    let session = Session::open(config, instance).await?;
    if !session.goes_on || !master::is_there(&session.dir) {
        return Ok(Vec::new());
    }
    let list = [b"ls -1dp ", &copy::word(begin.as_bytes())[..], b"*"].concat();
    let mut ssh = session.tool("ssh");
    ssh.args(["-n", "-o", "BatchMode=yes", "-o", "ControlMaster=no", "-o", "ConnectTimeout=1"]);
    ssh.arg(&session.name).arg(OsString::from_vec(list)).stderr(Stdio::null());
    let mut ssh = tokio::process::Command::from(ssh);
    let listed = tokio::time::timeout(PATIENCE, ssh.kill_on_drop(true).output()).await;
    let listed = listed.ok().and_then(Result::ok).map(|ssh| ssh.stdout).unwrap_or_default();
    Ok(String::from_utf8_lossy(&listed).lines().map(str::to_owned).collect())
}
