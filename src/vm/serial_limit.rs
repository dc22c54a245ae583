//! Keeps a serial log from filling the disk, for VMs with a `serial_limit`: a helper process gives the
//! disk back what lies further back.

use super::dir::VmDir;
use super::files;
use crate::Error;
use crate::config::Instance;
use crate::error::cant;
use crate::sys::changes::Changes;
use crate::sys::{helper, holes};
use inotify::WatchMask;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// The name under which the helper is executed.
pub const LIMITER: &str = "qqmgr-serial";

/// How long the helper rests after a look: a guest that writes without end must not keep it busy.
const REST: Duration = Duration::from_millis(500);

/// A log has holes of whole blocks, in bytes.
const BLOCK: u64 = 4096;

/// Starts the helper of a VM that runs.
///
/// # Errors
/// It can't be executed.
pub fn limit(instance: &Instance, limit: u64) -> io::Result<()> {
    let mut command = tokio::process::Command::from(helper::command(LIMITER, &instance.dir));
    // It ends with the VM's process; tokio waits for it, if this process lives then.
    command.arg(limit.to_string()).stdin(Stdio::null()).spawn().map(drop)
}

/// Lives the helper's life, until the VM's process ends.
///
/// # Errors
/// The VM's directory can't be used.
pub async fn keep_limit(dir: &Path, limit: u64) -> Result<(), Error> {
    let Some(dir) = VmDir::at(dir)? else { return Ok(()) };
    let Some(process) = dir.process()? else { return Ok(()) };
    let path = dir.file(files::SERIAL);
    let failed = cant("watch", &path);
    let log = File::options().write(true).open(&path).map_err(failed)?;
    let mut changes = Changes::of(&[&path], WatchMask::MODIFY).map_err(failed)?;
    loop {
        cut(&log, limit).map_err(failed)?;
        tokio::select! {
            biased;
            ended = process.ended() => return ended.map_err(failed),
            changed = changes.next() => changed.map_err(failed)?,
        }
        tokio::select! {
            ended = process.ended() => return ended.map_err(failed),
            () = tokio::time::sleep(REST) => {}
        }
    }
}

/// Makes a hole of what lies further back than `limit`, once that is a quarter more.
fn cut(log: &File, limit: u64) -> io::Result<()> {
    let metadata = log.metadata()?;
    // Of 512 bytes each (inode(7)).
    let used = metadata.blocks() * 512;
    if used > limit + limit / 4 {
        let end = metadata.len().saturating_sub(limit) / BLOCK * BLOCK;
        holes::punch(log, 0..end);
    }
    Ok(())
}
