//! Checks that the runtime directory can have the VMs' directories, and sockets in them.

use super::finding::{Code, Finding};
use crate::Place;
use crate::config::{Config, Instance};
use crate::error::plain;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// The fault of the runtime directory, once for all VMs.
pub fn finding(config: &Config, instances: &[Instance]) -> Option<Finding> {
    let mut names = instances.iter().map(|instance| instance.name.clone());
    let vm = names.next()?;
    let (dir, why) = refused(&config.runtime)?;
    let of_key = config.file.runtime_dir.as_ref();
    let place =
        of_key.map(|text| Place { source: config.file.source.clone(), span: text.span.clone() });
    let message = format!("the runtime directory can't be used: {}: {why}", dir.display());
    let hint =
        "set another one: `runtime_dir = \"...\"` at the top of the config, or $QQMGR_RUNTIME_DIR";
    let code = Code::RuntimeDirUnusable;
    Some(Finding { vm, others: names.collect(), code, message, hint: Some(hint.to_owned()), place })
}

/// Whether [`finding`] has something to say.
pub fn is_refused(config: &Config) -> bool {
    refused(&config.runtime).is_some()
}

/// The part of the path that can't be used, and why.
fn refused(runtime: &Path) -> Option<(PathBuf, String)> {
    let there = runtime.ancestors().find(|dir| dir.exists())?;
    let owner = there.metadata().ok()?.uid();
    let found = if there == runtime && owner != rustix::process::geteuid().as_raw() {
        Some(format!("it belongs to another user (id {owner})"))
    } else {
        try_socket(there).err().map(plain)
    };
    found.map(|why| (there.to_owned(), why))
}

/// Makes a socket in a directory, and removes it.
fn try_socket(dir: &Path) -> io::Result<()> {
    // The directory's own path may be too long for a socket.
    let fd = std::fs::File::open(dir)?;
    let short = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let mut builder = tempfile::Builder::new();
    let bind = |path: &Path| {
        // exFAT by FUSE makes a file, and only then refuses to make it a socket.
        UnixListener::bind(path).inspect_err(|_| drop(std::fs::remove_file(path)))
    };
    builder.prefix(".qqmgr-check").make_in(short, bind).map(drop)
}
