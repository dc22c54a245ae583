//! The log of a VM's QMP events, which QEMU itself writes, from the first event to the last.
//!
//! A QMP monitor sits on a `-chardev pipe` (QEMU manual, "Character device options"). It reads the
//! FIFO `events.in`, where its first commands wait before QEMU starts, and writes all output to
//! `events.out`, here a regular file. So no process of qqmgr has to run.

use super::dir::VmDir;
use super::files::{EVENTS_IN, EVENTS_OUT, EVENTS_PREVIOUS};
use crate::Error;
use crate::error::cant;
use crate::qmp::LineReader;
use crate::sys::holes;
use memchr::memchr;
use rustix::fs::{AtFlags, FallocateFlags, FlockOperation, Mode, OFlags, SeekFrom, flock};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

/// What QEMU is told: it sends no events before the first command ("QMP Protocol Specification",
/// "Capabilities Negotiation"). The second command makes it write down the state before the first
/// event.
pub const OPENING: &str =
    "{\"execute\":\"qmp_capabilities\"}\r\n{\"execute\":\"query-status\"}\r\n";

/// The disk space reserved for the log, in bytes, so that a full disk costs no event.
const RESERVED: u64 = 64 << 10;

/// The start of the log is kept: QEMU's version and its first state, in bytes.
const HEAD: u64 = 4096;

/// This much of what has been read stays on the disk, in bytes.
const KEPT: u64 = 8 << 20;

/// The same while there are other readers, which may be further behind.
const KEPT_FOR_OTHERS: u64 = 64 << 20;

/// Older parts are removed in pieces of this size, in bytes.
const PIECE: u64 = 1 << 20;

/// The size of one read, in bytes.
const CHUNK: usize = 64 << 10;

impl VmDir {
    /// Begins a new event log. QEMU's first commands wait in the FIFO as long as the returned
    /// descriptor, or QEMU's copy of it, is open. The old log becomes `events.previous`.
    ///
    /// # Errors
    /// A file can't be made or moved.
    pub fn begin_event_log(&self) -> Result<OwnedFd, Error> {
        let path = self.file(EVENTS_OUT);
        self.make_event_log().map_err(cant("begin", &path))
    }

    /// Whether the VM's latest life has an event log.
    pub fn has_event_log(&self) -> bool {
        self.file(EVENTS_OUT).exists()
    }

    fn make_event_log(&self) -> io::Result<OwnedFd> {
        let (old, input) = (self.file(EVENTS_OUT), self.file(EVENTS_IN));
        match std::fs::metadata(&old) {
            Ok(log) if log.len() > 0 => std::fs::rename(&old, self.file(EVENTS_PREVIOUS))?,
            // QEMU never wrote to it, so no life needs it.
            _ => remove(self, EVENTS_OUT)?,
        }
        let mut options = File::options();
        let log = options.create_new(true).write(true).mode(0o600).open(&old)?;
        // Some file systems can't do this.
        let _ = rustix::fs::fallocate(&log, FallocateFlags::KEEP_SIZE, 0, RESERVED);
        remove(self, EVENTS_IN)?;
        rustix::fs::mkfifoat(self, EVENTS_IN, Mode::RUSR | Mode::WUSR)?;
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fifo = rustix::fs::open(&input, flags, Mode::empty())?;
        rustix::io::write(&fifo, OPENING.as_bytes())?;
        Ok(fifo)
    }
}

fn remove(dir: &VmDir, name: &str) -> io::Result<()> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A line of the log.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// What QEMU wrote, without the line's end.
    Whole(&'a [u8]),
    /// Bytes that were removed from the log.
    Gap(u64),
}

/// The log, read from its beginning as it grows.
#[derive(Debug)]
pub struct EventLog {
    path: PathBuf,
    file: File,
    /// Where the next read begins.
    position: u64,
    lines: LineReader,
    /// At this position, the reader looks again for old parts to remove.
    next_look: u64,
    /// The bytes that are missing before the next line, with the rest of a line that was cut.
    missing: u64,
}

impl EventLog {
    /// Opens the log of the VM's current or latest life; `None` if there is none.
    ///
    /// # Errors
    /// It can't be opened.
    pub fn open(dir: &VmDir) -> Result<Option<EventLog>, Error> {
        EventLog::open_file(dir.file(EVENTS_OUT))
    }

    /// The same for a VM that has ended: an empty log is skipped, since QEMU never wrote to it.
    ///
    /// # Errors
    /// It can't be opened.
    pub fn open_last(dir: &VmDir) -> Result<Option<EventLog>, Error> {
        let is_empty = std::fs::metadata(dir.file(EVENTS_OUT)).is_ok_and(|log| log.len() == 0);
        EventLog::open_file(dir.file(if is_empty { EVENTS_PREVIOUS } else { EVENTS_OUT }))
    }

    fn open_file(path: PathBuf) -> Result<Option<EventLog>, Error> {
        let mut options = File::options();
        options.read(true).write(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        match options.open(&path) {
            Ok(file) => {
                let lines = LineReader::new();
                let (position, next_look, missing) = (0, KEPT, 0);
                let log = EventLog { path, file, position, lines, next_look, missing };
                log.share();
                Ok(Some(log))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(cant("read", &path)(error)),
        }
    }

    /// A path that leads to this file, also after another file has taken its name.
    pub fn own_path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }

    /// The next complete line.
    ///
    /// # Errors
    /// The log can't be read.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, Error> {
        while !self.lines.has_line() {
            let more = self.read_on();
            let failed = cant("read", &self.path);
            if !more.map_err(failed)? {
                return Ok(None);
            }
        }
        let missing = std::mem::take(&mut self.missing);
        Ok(self.lines.next_line().map(|line| match line {
            Ok(line) if missing == 0 => Line::Whole(line),
            Ok(rest_of_line) => Line::Gap(missing + rest_of_line.len() as u64),
            // Lines are limited to this length; QEMU's are far shorter.
            Err(too_long) => Line::Gap(too_long.limit as u64),
        }))
    }

    /// Reads the next part; false if there is none yet.
    fn read_on(&mut self) -> io::Result<bool> {
        let mut chunk = [0; CHUNK];
        let count = self.file.read_at(&mut chunk, self.position)?;
        if count == 0 {
            return Ok(false);
        }
        // QEMU writes no zeros: a zero is where the log was cut.
        let data = memchr(0, &chunk[..count]).unwrap_or(count);
        if data == 0 {
            self.skip_hole()?;
        }
        self.lines.push(&chunk[..data]);
        self.position += data as u64;
        self.cut_out_what_is_old();
        Ok(true)
    }

    /// Continues where there is data again; a cut line is useless.
    fn skip_hole(&mut self) -> io::Result<()> {
        self.missing += self.lines.clear() as u64;
        let next = match rustix::fs::seek(&self.file, SeekFrom::Data(self.position)) {
            Ok(next) => next,
            Err(rustix::io::Errno::NXIO) => self.file.metadata()?.len(),
            Err(error) => return Err(error.into()),
        };
        let mut block = [0; HEAD as usize];
        let count = self.file.read_at(&mut block, next)?;
        let zeros = block[..count].iter().take_while(|byte| **byte == 0).count();
        let next = next + zeros as u64;
        self.missing += next - self.position;
        self.position = next;
        Ok(())
    }

    /// Removes what this reader read long ago: a guest that makes endless events must not fill the
    /// disk. QEMU's position in the file does not change.
    fn cut_out_what_is_old(&mut self) {
        if self.position < self.next_look {
            return;
        }
        self.next_look = self.position + PIECE;
        let is_alone = flock(&self.file, FlockOperation::NonBlockingLockExclusive).is_ok();
        let kept = if is_alone { KEPT } else { KEPT_FOR_OTHERS };
        let end = self.position.saturating_sub(kept) / PIECE * PIECE;
        if end > HEAD {
            holes::punch(&self.file, HEAD..end);
        }
        self.share();
    }

    /// Shows other processes that there is a reader.
    fn share(&self) {
        // Without the lock others may remove more, and this reader reports a gap there.
        let _ = flock(&self.file, FlockOperation::LockShared);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn open(path: &std::path::Path) -> EventLog {
        EventLog::open_file(path.to_owned()).unwrap().unwrap()
    }

    proptest! {
        /// However the log is written and read, each complete line comes out once.
        #[test]
        fn whole_lines_come_out(pieces in prop::collection::vec("[a-c\n]{0,12}", 0..12)) {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            let mut log = open(file.path());
            let mut found = String::new();
            for piece in &pieces {
                file.write_all(piece.as_bytes()).unwrap();
                while let Some(line) = log.next_line().unwrap() {
                    let Line::Whole(line) = line else { panic!("{line:?}") };
                    found += &format!("{}\n", String::from_utf8_lossy(line));
                }
            }
            let written = pieces.concat();
            let whole = written.rfind('\n').map_or("", |end| &written[..=end]);
            prop_assert_eq!(found, whole);
        }
    }

    #[test]
    fn what_was_cut_out_is_told_in_its_place() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"first\nsec").unwrap();
        file.write_all(&[0; 10_000]).unwrap();
        file.write_all(b"rd\nfourth\n").unwrap();
        let mut log = open(file.path());
        assert_eq!(log.next_line().unwrap(), Some(Line::Whole(b"first")));
        assert_eq!(log.next_line().unwrap(), Some(Line::Gap(3 + 10_000 + 2)));
        assert_eq!(log.next_line().unwrap(), Some(Line::Whole(b"fourth")));
        assert_eq!(log.next_line().unwrap(), None);
    }
}
