//! What a relay writes to its listeners: a line for each event, and a few of its own.

use crate::qmp::Event;
use serde::{Deserialize, Serialize};
use std::io;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::UnixStream;

use super::attach::Lines;

/// A line from a relay.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    Event(Event),
    Notice(Notice),
}

/// What a relay says itself.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "relay", rename_all = "snake_case")]
pub enum Notice {
    /// The first line: every event of this process from now on follows.
    Live { pid: u32 },
    /// The last line, perhaps the only one: QEMU can't be listened to.
    Failed { reason: String },
    /// The last line: the listener was too slow, events are lost.
    Lagged,
    /// The last line: QEMU has hung up.
    Ended,
}

impl Line {
    /// The line as it is sent.
    pub fn text(&self) -> io::Result<String> {
        Ok(serde_json::to_string(self)? + "\n")
    }
}

/// The lines of a connection.
pub fn lines(stream: UnixStream) -> Lines {
    BufReader::new(stream).lines()
}

/// The next line; cancel-safe. `None` at the end, even when that is in the middle of a line.
pub async fn read(lines: &mut Lines) -> io::Result<Option<Line>> {
    match lines.next_line().await? {
        Some(line) => Ok(serde_json::from_str(&line).ok()),
        None => Ok(None),
    }
}
