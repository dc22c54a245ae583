//! Holes in files: the old part of a long log becomes a hole, which frees disk space and which
//! readers skip.

use rustix::fs::{FallocateFlags, SeekFrom, fallocate};
use std::fs::File;
use std::ops::Range;
use std::os::fd::AsFd;

/// Frees the disk space of these bytes; the file keeps its length (fallocate(2)).
pub fn punch(file: impl AsFd, range: Range<u64>) {
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    // If the file system can't do this, the file stays big.
    let _ = fallocate(file, hole, range.start, range.end.saturating_sub(range.start));
}

/// The offset of the first byte from `start` on that is not in a hole (lseek(2), `SEEK_DATA`).
pub fn data_from(file: &File, start: u64) -> u64 {
    // This fails behind the end, and if the file system can't do it.
    rustix::fs::seek(file, SeekFrom::Data(start)).unwrap_or(start)
}
