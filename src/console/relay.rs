//! Passes bytes between a user and a port, both ways, until something ends it.

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

/// One read takes this much, in bytes, and so much input waits for a guest that takes none.
const CHUNK: usize = 16 << 10;

/// The rest of the line in which something was found comes within this time, unless it is a prompt.
const REST_OF_LINE: Duration = Duration::from_millis(100);

/// An end that waits for nobody waits so long for an output that takes nothing.
const GRACE: Duration = Duration::from_millis(100);

/// What ends a relay, besides either side.
#[derive(Default)]
pub struct Ends {
    /// This in the port's output; the rest of its line still comes out.
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
    /// The user wants a break to be sent: the relay goes on when it's run again.
    Break,
    /// What was awaited came.
    Until,
    /// The port was silent.
    Idle,
    /// QEMU hung up.
    Eof,
    /// Time ran out.
    Timeout,
}

/// Which of the user's ends failed, and why.
#[derive(Debug)]
pub enum Failed {
    /// What they type can't be read.
    Input(io::Error),
    /// What the port says can't be written.
    Output(io::Error),
}

/// A user's two ends of a connection.
pub struct Relay<I, O> {
    input: I,
    output: O,
    /// Of a person at a terminal: the escape key and the end of input end it. Without, what else
    /// ends it counts only when all input has been delivered.
    keys: Option<Keys>,
    /// What was typed, and not looked at yet.
    typed: Vec<u8>,
    /// For an output that is a terminal which can't answer the guest.
    sanitizer: Option<Sanitizer>,
    ends: Ends,
    /// When its time is over, since it began.
    deadline: Option<Option<Instant>>,
    to_guest: Vec<u8>,
    to_user: Vec<u8>,
    input_ended: bool,
    /// Bytes for the user are still on their way.
    unshown: bool,
    /// When what is awaited was found.
    found: Option<Instant>,
    /// The output has come to the middle of a line.
    in_line: bool,
    quiet_since: Instant,
}

impl<I: AsyncRead + Unpin, O: AsyncWrite + Unpin> Relay<I, O> {
    /// A relay that is about to begin; for a person at a terminal with an escape key.
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

    /// Makes the output harmless for a terminal.
    #[must_use]
    pub fn harmless(self) -> Relay<I, O> {
        Relay { sanitizer: Some(Sanitizer::default()), ..self }
    }

    /// Whether the input has come to its end and gone out.
    pub fn delivered(&self) -> bool {
        self.input_ended && self.to_guest.is_empty()
    }

    /// Whether what has gone out ends in the middle of a line; not if nobody took the last of it,
    /// as nobody would take an end of the line either.
    pub fn is_in_line(&self) -> bool {
        self.in_line && !self.unshown
    }

    /// The output, for one that keeps it.
    pub fn into_output(self) -> O {
        self.output
    }

    /// Runs until something ends it. All output that came before has gone out then, unless the
    /// user left, or time ran out, while nobody took it.
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
                // What was typed before it still counts, if the guest takes it at once.
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
                    shown.map_err(Failed::Output)?;
                    self.unshown = false;
                    self.quiet_since = Instant::now();
                }
                () = deadline::at(idle) => match reader.try_read(&mut said) {
                    // It was said in time; it is us who are late.
                    Ok(length @ 1..) => self.said(&said[..length]),
                    _ => return self.end(EndedBy::Idle).await,
                },
                () = deadline::at(timeout) => return self.end_soon(EndedBy::Timeout).await,
            }
        }
    }

    /// Whether what is awaited, or a silence, would end it.
    fn may_end(&self) -> bool {
        self.keys.is_some() || self.delivered()
    }

    /// Takes what was typed; what the user wants besides.
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
        // An error is as good an end as any: QEMU has left bytes of ours unread.
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
        // What was awaited may have been QEMU's last word.
        Ok(if self.found.is_some() { EndedBy::Until } else { by })
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
