//! Finds out whether another process uses a disk image, by the locks that QEMU takes on it.
//!
//! One byte of the image stands for each thing that a process does (from 100), and for each that it
//! forbids others to do (from 200). A process that does or forbids it holds a read lock on the byte
//! (QEMU, block/file-posix.c).

use crate::sys::process;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{F_UNLCK, F_WRLCK, SEEK_SET, flock};
use std::fs::{DirEntry, File};
use std::io;
use std::os::unix::fs::MetadataExt;

const DOES: i64 = 100;
const FORBIDS: i64 = 200;

/// Offsets of the permissions (QEMU, include/block/block-common.h: `BLK_PERM_...`).
const READ: i64 = 0;
const WRITE: i64 = 1;
const RESIZE: i64 = 3;

/// Whether another process's locks keep QEMU from opening the image.
///
/// # Errors
/// The file's locks can't be queried.
pub fn is_locked(image: &File, read_only: bool) -> io::Result<bool> {
    // Every user of an image reads it and forbids others to write; a writer also writes.
    let mut bytes = vec![DOES + WRITE, DOES + RESIZE, FORBIDS + READ];
    if !read_only {
        bytes.push(FORBIDS + WRITE);
    }
    for byte in bytes {
        if has_holder(image, byte)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether another open file description, of any process, has a lock on the byte.
fn has_holder(image: &File, byte: i64) -> io::Result<bool> {
    let mut lock =
        flock { l_type: F_WRLCK as _, l_whence: SEEK_SET as _, l_start: byte, l_len: 1, l_pid: 0 };
    fcntl(image, FcntlArg::F_OFD_GETLK(&mut lock))?;
    Ok(i32::from(lock.l_type) != F_UNLCK)
}

/// The visible processes that have the file open: a lock of an open file description names no
/// process.
pub fn users(image: &File) -> Vec<u32> {
    let Ok(wanted) = image.metadata() else { return Vec::new() };
    let is_it = |entry: DirEntry| {
        let stat = std::fs::metadata(entry.path());
        stat.is_ok_and(|stat| (stat.dev(), stat.ino()) == (wanted.dev(), wanted.ino()))
    };
    let has_it = |pid: &u32| process::descriptors(*pid).any(is_it);
    process::pids().filter(|pid| *pid != std::process::id()).filter(has_it).collect()
}
