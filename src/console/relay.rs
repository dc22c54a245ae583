//! Passes bytes between a user and a port, both ways, until something ends it.

use super::Awaited;
use serde::Serialize;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::Instant;

/// Ctrl-], as in telnet.
const ESCAPE: u8 = 0x1d;

/// One read takes this much, in bytes, and so much input waits for a guest that takes none.
const CHUNK: usize = 16 << 10;

/// What ends a relay, besides either side.
#[derive(Debug, Default)]
pub struct Ends {
    /// This in the port's output.
    pub until: Option<Awaited>,
    /// So long a silence of the port.
    pub idle: Option<Duration>,
    /// So much time, whatever happens.
    pub timeout: Option<Duration>,
}

/// What ended a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The user left.
    User,
    /// What was awaited came.
    Until,
    /// The port was silent.
    Idle,
    /// QEMU hung up.
    Eof,
    /// Time ran out.
    Timeout,
}

/// A user's two ends of a connection.
#[derive(Debug)]
pub struct Relay<I, O> {
    input: I,
    output: O,
    /// A person at a terminal: Ctrl-] and the end of input end it. Without, what else ends it
    /// counts only when all input has been delivered.
    interactive: bool,
    ends: Ends,
    to_guest: Vec<u8>,
    to_user: Vec<u8>,
    input_ended: bool,
    /// Bytes for the user are still on their way.
    unshown: bool,
    found: bool,
    quiet_since: Instant,
}

impl<I: AsyncRead + Unpin, O: AsyncWrite + Unpin> Relay<I, O> {
    /// A relay that is about to begin.
    pub fn new(input: I, output: O, interactive: bool, ends: Ends) -> Relay<I, O> {
        Relay {
            input,
            output,
            interactive,
            ends,
            to_guest: Vec::new(),
            to_user: Vec::new(),
            input_ended: false,
            unshown: false,
            found: false,
            quiet_since: Instant::now(),
        }
    }

    /// Whether the input has come to its end and gone out.
    pub fn delivered(&self) -> bool {
        self.input_ended && self.to_guest.is_empty()
    }

    /// The output, for one that keeps it.
    pub fn into_output(self) -> O {
        self.output
    }

    /// Runs until something ends it; all output that came before has gone out then.
    ///
    /// # Errors
    /// The user's input or output fails.
    pub async fn run(&mut self, port: &mut UnixStream) -> io::Result<EndedBy> {
        let (mut reader, mut writer) = port.split();
        let mut typed = vec![0; CHUNK];
        let mut said = vec![0; CHUNK];
        let timeout = self.ends.timeout.map(|timeout| Instant::now() + timeout);
        self.quiet_since = Instant::now();
        loop {
            let may_end = self.interactive || self.delivered();
            if may_end && self.found {
                return self.end(EndedBy::Until).await;
            }
            let idle = self.ends.idle.filter(|_| may_end && !self.unshown);
            let idle = idle.map(|idle| self.quiet_since + idle);
            let taken = !self.input_ended && self.to_guest.len() < CHUNK;
            tokio::select! {
                read = self.input.read(&mut typed), if taken => {
                    if self.typed(&typed[..read?]) {
                        // What was typed before it still counts, if the guest takes it at once.
                        let _ = writer.try_write(&self.to_guest);
                        return Ok(EndedBy::User);
                    }
                }
                written = writer.write(&self.to_guest), if !self.to_guest.is_empty() => {
                    match written {
                        Ok(length) => drop(self.to_guest.drain(..length)),
                        // QEMU has hung up. What it said before is still to be read.
                        Err(_) => return self.drain(&mut reader).await,
                    }
                    self.quiet_since = Instant::now();
                }
                read = reader.read(&mut said), if !self.unshown => match read {
                    Ok(0) | Err(_) => return self.end(EndedBy::Eof).await,
                    Ok(length) => self.said(&said[..length]),
                },
                shown = show(&mut self.output, &mut self.to_user), if self.unshown => {
                    shown?;
                    self.unshown = false;
                    self.quiet_since = Instant::now();
                }
                () = at(idle) => return self.end(EndedBy::Idle).await,
                () = at(timeout) => return Ok(EndedBy::Timeout),
            }
        }
    }

    /// Takes what the user typed; true when they leave.
    fn typed(&mut self, bytes: &[u8]) -> bool {
        self.input_ended = bytes.is_empty();
        let escape = bytes.iter().position(|byte| self.interactive && *byte == ESCAPE);
        self.to_guest.extend_from_slice(&bytes[..escape.unwrap_or(bytes.len())]);
        self.quiet_since = Instant::now();
        escape.is_some() || (self.interactive && self.input_ended)
    }

    fn said(&mut self, bytes: &[u8]) {
        self.to_user.extend_from_slice(bytes);
        self.unshown = true;
        self.found = self.ends.until.as_mut().is_some_and(|until| until.push(bytes));
        self.quiet_since = Instant::now();
    }

    async fn drain(&mut self, reader: &mut (impl AsyncRead + Unpin)) -> io::Result<EndedBy> {
        let mut rest = Vec::new();
        // An error is as good an end as any: QEMU has left bytes of ours unread.
        let _ = reader.read_to_end(&mut rest).await;
        self.said(&rest);
        self.end(EndedBy::Eof).await
    }

    async fn end(&mut self, by: EndedBy) -> io::Result<EndedBy> {
        show(&mut self.output, &mut self.to_user).await?;
        // What was awaited may have been QEMU's last word.
        Ok(if self.found { EndedBy::Until } else { by })
    }
}

/// Writes `bytes` out. Any progress is kept when it is cancelled.
async fn show(output: &mut (impl AsyncWrite + Unpin), bytes: &mut Vec<u8>) -> io::Result<()> {
    while !bytes.is_empty() {
        let length = output.write(bytes).await?;
        bytes.drain(..length);
    }
    output.flush().await
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
