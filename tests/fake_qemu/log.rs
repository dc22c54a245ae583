//! The fake's QMP monitor on a `-chardev pipe`: it reads commands from a FIFO and writes its output
//! to a file.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};

/// The file that the monitor writes to.
pub struct Log(Option<File>);

impl Log {
    /// Opens the pipe as QEMU does, and reads the first commands; without a path, it writes
    /// nothing.
    pub fn open(path: Option<&Path>) -> io::Result<Log> {
        let Some(path) = path else { return Ok(Log(None)) };
        let open = |end: &str| {
            let path = path.with_extension(end);
            File::options().read(true).write(true).open(path)
        };
        let (commands, log) = (open("in")?, open("out")?);
        let mut log = Log(Some(log));
        log.say(&json!({"QMP": {"version": super::qmp::version(), "capabilities": ["oob"]}}));
        // qqmgr has written all of its commands by now.
        let mut ready = [PollFd::new(&commands, PollFlags::IN)];
        let is_ready = poll(&mut ready, Some(&Timespec::default()))? > 0;
        let mut commands = BufReader::new(commands);
        for reply in [json!({}), super::qmp::status()].into_iter().filter(|_| is_ready) {
            commands.read_line(&mut String::new())?;
            log.say(&json!({ "return": reply }));
        }
        Ok(log)
    }

    /// Writes an event.
    pub fn event(&mut self, name: &str, data: Value) {
        self.say(&super::qmp::event(name, data));
    }

    fn say(&mut self, message: &Value) {
        if let Some(log) = &mut self.0 {
            // QEMU drops what it can't write.
            let _ = log.write_all(format!("{message}\r\n").as_bytes());
        }
    }
}
