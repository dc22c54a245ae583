//! A VM's serial log as lines, from the start of its boot, as the guest writes them.

use crate::Error;
use crate::error::cant;
use crate::sys::holes;
use crate::vm::{VmDir, files};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

/// Longer lines come in pieces of this length, in bytes.
const LONGEST_LINE: usize = 64 << 10;

/// The size of one read, in bytes.
const CHUNK: usize = 16 << 10;

/// A log that is read as it grows.
#[derive(Debug)]
pub struct SerialLog {
    path: PathBuf,
    file: File,
    chunk: Vec<u8>,
    /// How much of the chunk has become lines.
    taken: usize,
    line: Vec<u8>,
    /// Whether the unfinished line has grown since it was last returned.
    has_news: bool,
}

impl SerialLog {
    /// Opens a VM's log where its latest boot begins.
    ///
    /// # Errors
    /// It can't be opened.
    pub fn open(dir: &VmDir, begins: u64) -> Result<SerialLog, Error> {
        let path = dir.file(files::SERIAL);
        let open = || {
            let mut file = File::open(&path)?;
            file.seek(SeekFrom::Start(holes::data_from(&file, begins)))?;
            Ok(file)
        };
        let file = open().map_err(cant("watch", &path))?;
        let (chunk, line) = (Vec::new(), Vec::new());
        Ok(SerialLog { path, file, chunk, taken: 0, line, has_news: false })
    }

    /// Whether the boot has written nothing yet.
    pub fn is_empty(&mut self) -> bool {
        let begins = self.file.stream_position().unwrap_or(0);
        self.file.metadata().is_ok_and(|log| log.len() <= begins)
    }

    /// The next line, without its newline. An unfinished last line is returned each time it grows.
    /// `None` if there is nothing new.
    ///
    /// # Errors
    /// The log can't be read.
    pub fn next_line(&mut self) -> Result<Option<String>, Error> {
        loop {
            while let Some(&byte) = self.chunk.get(self.taken) {
                self.taken += 1;
                let is_full = self.line.len() == LONGEST_LINE;
                if is_full {
                    self.taken -= usize::from(byte != b'\n');
                }
                if byte == b'\n' || is_full {
                    self.has_news = false;
                    return Ok(Some(text(&std::mem::take(&mut self.line))));
                }
                self.line.push(byte);
                self.has_news = true;
            }
            let more = self.read_on();
            if !more.map_err(cant("read", &self.path))? {
                return Ok(std::mem::take(&mut self.has_news).then(|| text(&self.line)));
            }
        }
    }

    fn read_on(&mut self) -> io::Result<bool> {
        self.taken = 0;
        self.chunk.resize(CHUNK, 0);
        let read = self.file.read(&mut self.chunk);
        self.chunk.truncate(*read.as_ref().unwrap_or(&0));
        read.map(|count| count > 0)
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned()
}
