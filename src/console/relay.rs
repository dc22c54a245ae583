//! Passes bytes between a user and a port, in both directions, until something ends it.

use super::Awaited;
use super::escape::{EscapeKey, Keys, Wish};
use crate::sys::deadline;
use crate::text::sanitize::Sanitizer;
use serde::Serialize;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::Instant;

/// The size of one read, in bytes, and of the input kept for a guest that reads nothing.
const CHUNK: usize = 16 << 10;

/// After a match, the rest of the line comes within this time, unless the line is a prompt.
const REST_OF_LINE: Duration = Duration::from_millis(100);

/// How long an immediate end still waits for an output that accepts nothing.
const GRACE: Duration = Duration::from_millis(100);

/// What ends a relay, besides the user and QEMU.
#[derive(Default)]
pub struct Ends {
    /// This matches the port's output; the rest of its line is still shown.
    pub until: Option<Awaited>,
    /// The port is silent for this long.
    pub idle: Option<Duration>,
    /// This time is over.
    pub timeout: Option<Duration>,
}

/// What ended a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The user left.
    User,
    /// The user asked for a break. After sending it, the caller runs the relay again.
    Break,
    /// The awaited output came.
    Until,
    /// The port was silent.
    Idle,
    /// QEMU hung up.
    Eof,
    /// Time ran out.
    Timeout,
}

/// The user's end that failed, and why.
#[derive(Debug)]
pub enum Failed {
    /// Reading the user's input failed.
    Input(io::Error),
    /// Writing the port's output failed.
    Output(io::Error),
}

/// The two ends of a user's connection.
pub struct Relay<I, O> {
    input: I,
    output: O,
    /// For a person at a terminal, who ends the relay with the escape key or the end of input.
    /// Otherwise the relay ends only after all input has been delivered.
    keys: Option<Keys>,
    /// Input in which no escape key was looked for yet.
    typed: Vec<u8>,
    /// For output to a terminal that can't answer the guest.
    sanitizer: Option<Sanitizer>,
    ends: Ends,
    /// When its time is over; set by the first run.
    deadline: Option<Option<Instant>>,
    to_guest: Vec<u8>,
    to_user: Vec<u8>,
    input_ended: bool,
    /// Some bytes for the user are not written yet.
    unshown: bool,
    /// When the awaited output was found.
    found: Option<Instant>,
    /// The output is in the middle of a line.
    in_line: bool,
    quiet_since: Instant,
}

impl<I: AsyncRead + Unpin, O: AsyncWrite + Unpin> Relay<I, O> {
    /// A new relay, with an escape key for a person at a terminal; [`Relay::run`] runs it.
    pub fn new(input: I, output: O, escape: Option<EscapeKey>, ends: Ends) -> Relay<I, O> {
        Relay {
            input,
            output,
            keys: escape.map(Keys::new),
            typed: Vec::new(),
            sanitizer: None,
            ends,
            deadline: None,
            to_guest: Vec::new(),
            to_user: Vec::new(),
            input_ended: false,
            unshown: false,
            found: None,
            in_line: false,
            quiet_since: Instant::now(),
        }
    }

    /// Sanitises the output for a terminal.
    #[must_use]
    pub fn harmless(self) -> Relay<I, O> {
        Relay { sanitizer: Some(Sanitizer::default()), ..self }
    }

    /// Whether the input has ended and all of it was sent.
    pub fn delivered(&self) -> bool {
        self.input_ended && self.to_guest.is_empty()
    }

    /// Whether the written output ends in the middle of a line. False if an output accepts nothing
    /// more, as it would not accept a line break either.
    pub fn is_in_line(&self) -> bool {
        self.in_line && !self.unshown
    }

    /// Returns the output, for a caller that collected it.
    pub fn into_output(self) -> O {
        self.output
    }

    /// Runs until something ends it. All earlier output is written by then, unless the output
    /// accepted nothing when the user left or the time was over.
    ///
    /// # Errors
    /// The user's input or output fails.
    pub async fn run(&mut self, port: &mut UnixStream) -> Result<EndedBy, Failed> {
        let (mut reader, mut writer) = port.split();
        let mut typed = vec![0; CHUNK];
        let mut said = vec![0; CHUNK];
        let timeout = *self.deadline.get_or_insert(self.ends.timeout.map(deadline::within));
        self.quiet_since = Instant::now();
        loop {
            if let Some(wish) = self.wish() {
                // Input before the escape key still counts, if the guest accepts it at once.
                let sent = writer.try_write(&self.to_guest).unwrap_or(0);
                self.to_guest.drain(..sent);
                return match wish {
                    Wish::Leave => self.end_soon(EndedBy::User).await,
                    Wish::Break => Ok(EndedBy::Break),
                };
            }
            if self.may_end() && self.found.is_some() && !self.in_line {
                return self.end(EndedBy::Until).await;
            }
            let found = self.found.map(|found| found + REST_OF_LINE);
            let idle = self.ends.idle.map(|idle| self.quiet_since + idle);
            let idle = found.or(idle).filter(|_| self.may_end() && !self.unshown);
            let escaped = self.keys.as_ref().and_then(|keys| keys.deadline);
            let taken = !self.input_ended && self.to_guest.len() < CHUNK;
            tokio::select! {
                read = self.input.read(&mut typed), if taken => {
                    let length = read.map_err(Failed::Input)?;
                    self.typed.extend_from_slice(&typed[..length]);
                    self.input_ended = length == 0;
                    self.quiet_since = Instant::now();
                }
                () = deadline::at(escaped) => return self.end_soon(EndedBy::User).await,
                written = writer.write(&self.to_guest), if !self.to_guest.is_empty() => {
                    match written {
                        Ok(length) => drop(self.to_guest.drain(..length)),
                        // QEMU has hung up. Its last output has still to be read.
                        Err(_) => return self.drain(&mut reader).await,
                    }
                    self.quiet_since = Instant::now();
                }
                read = reader.read(&mut said), if !self.unshown => match read {
                    Ok(0) | Err(_) => return self.end(EndedBy::Eof).await,
                    Ok(length) => self.said(&said[..length]),
                },
                shown = show(&mut self.output, &mut self.to_user), if self.unshown => {
                    shown.map_err(Failed::Output)?;
                    self.unshown = false;
                    self.quiet_since = Instant::now();
                }
                () = deadline::at(idle) => match reader.try_read(&mut said) {
                    // This output came in time; only this process is late.
                    Ok(length @ 1..) => self.said(&said[..length]),
                    _ => return self.end(EndedBy::Idle).await,
                },
                () = deadline::at(timeout) => return self.end_soon(EndedBy::Timeout).await,
            }
        }
    }

    /// Whether a match or a silence may end it now.
    fn may_end(&self) -> bool {
        self.keys.is_some() || self.delivered()
    }

    /// Takes the user's input, and returns an order in it.
    fn wish(&mut self) -> Option<Wish> {
        match &mut self.keys {
            Some(keys) => {
                let wish = keys.take(&mut self.typed, &mut self.to_guest);
                wish.or(self.input_ended.then_some(Wish::Leave))
            }
            None => {
                self.to_guest.append(&mut self.typed);
                None
            }
        }
    }

    fn said(&mut self, bytes: &[u8]) {
        self.quiet_since = Instant::now();
        let end_of_line = match (&mut self.ends.until, self.found) {
            (Some(until), None) => until.push(bytes),
            (_, Some(_)) => bytes.iter().position(|byte| *byte == b'\n').map(|at| at + 1),
            (None, None) => None,
        };
        if self.found.is_none() && end_of_line.is_some() {
            self.found = Some(self.quiet_since);
        }
        let shown = &bytes[..end_of_line.filter(|_| self.may_end()).unwrap_or(bytes.len())];
        match &mut self.sanitizer {
            Some(sanitizer) => sanitizer.push(shown, &mut self.to_user),
            None => self.to_user.extend_from_slice(shown),
        }
        self.in_line = !shown.ends_with(b"\n");
        self.unshown = true;
    }

    async fn drain(&mut self, reader: &mut (impl AsyncRead + Unpin)) -> Result<EndedBy, Failed> {
        let mut rest = Vec::new();
        // An error also ends the stream: QEMU did not read all of our bytes.
        let _ = reader.read_to_end(&mut rest).await;
        self.said(&rest);
        self.end(EndedBy::Eof).await
    }

    async fn finish(&mut self) -> Result<(), Failed> {
        if let Some(sanitizer) = &mut self.sanitizer {
            sanitizer.finish(&mut self.to_user);
        }
        show(&mut self.output, &mut self.to_user).await.map_err(Failed::Output)?;
        self.unshown = false;
        Ok(())
    }

    async fn end_soon(&mut self, by: EndedBy) -> Result<EndedBy, Failed> {
        let finished = tokio::time::timeout(GRACE, self.finish()).await;
        finished.unwrap_or(Ok(())).map(|()| by)
    }

    async fn end(&mut self, by: EndedBy) -> Result<EndedBy, Failed> {
        self.finish().await?;
        // The last output may have matched.
        Ok(if self.found.is_some() { EndedBy::Until } else { by })
    }
}

/// Writes `bytes` out. If it is cancelled, the unwritten bytes stay in `bytes`.
async fn show(output: &mut (impl AsyncWrite + Unpin), bytes: &mut Vec<u8>) -> io::Result<()> {
    while !bytes.is_empty() {
        let length = output.write(bytes).await?;
        bytes.drain(..length);
    }
    output.flush().await
}
