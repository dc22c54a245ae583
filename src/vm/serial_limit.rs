//! Keeps the serial log of a VM with a `serial_limit` from filling the disk: a helper process frees
//! the disk space of the log's old part.

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

/// How long the helper rests after a check: a guest that writes without end must not keep it busy.
const REST: Duration = Duration::from_millis(500);

/// Holes consist of whole blocks of this size, in bytes.
const BLOCK: u64 = 4096;

/// Starts the helper of a running VM.
///
/// # Errors
/// It can't be executed.
pub fn limit(instance: &Instance, limit: u64) -> io::Result<()> {
    let mut command = tokio::process::Command::from(helper::command(LIMITER, &instance.dir));
    // The helper ends with the VM's process; if qqmgr still runs then, tokio waits for it.
    command.arg(limit.to_string()).stdin(Stdio::null()).spawn().map(drop)
}

/// Runs the helper until the VM's process ends.
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

/// Makes all but the last `limit` bytes a hole, if the log uses a quarter more than that.
fn cut(log: &File, limit: u64) -> io::Result<()> {
    let metadata = log.metadata()?;
    // A block has 512 bytes here (inode(7)).
    let used = metadata.blocks() * 512;
    if used > limit + limit / 4 {
        let end = metadata.len().saturating_sub(limit) / BLOCK * BLOCK;
        holes::punch(log, 0..end);
    }
    Ok(())
}
