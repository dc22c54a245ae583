//! Holes in files: what lies far back in a long log is given back to the disk, and skipped by those
//! who read it.

use rustix::fs::{FallocateFlags, SeekFrom, fallocate};
use std::fs::File;
use std::ops::Range;
use std::os::fd::AsFd;

/// Gives the disk back these bytes of a file, which keeps its length (fallocate(2)).
pub fn punch(file: impl AsFd, range: Range<u64>) {
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    // Where the file system can't, the file is as big as it is.
    let _ = fallocate(file, hole, range.start, range.end.saturating_sub(range.start));
}

/// The offset of the first byte from `start` on that is in no hole (lseek(2), `SEEK_DATA`).
pub fn data_from(file: &File, start: u64) -> u64 {
    // Behind the end there is none, and a file system may not know.
    rustix::fs::seek(file, SeekFrom::Data(start)).unwrap_or(start)
}
