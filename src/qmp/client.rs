//! The client: one connection, one request at a time, events kept apart.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::error::Error;
use super::message::{Event, Message, Status, Version, parse_greeting};
use super::queue::EventQueue;
use super::reader::LineReader;

/// The size of one read, in bytes: nearly every reply comes in one piece.
const CHUNK: usize = 16 << 10;

/// What a client talks through: a unix socket, a TCP connection, or anything else that goes both ways.
pub trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// A QMP connection in command mode.
///
/// There are no deadlines inside: wrap a call in `tokio::time::timeout`. Any future may be
/// dropped at any await and the client used again; no byte of the stream is lost, and a peer
/// that never falls silent can't keep a timeout from firing.
pub struct Client {
    connection: Connection,
    version: Version,
    events: EventQueue,
    last_id: u64,
    /// The request being written and how much of it has gone out.
    request: Vec<u8>,
    sent: usize,
}

/// The socket and what has been read from it.
struct Connection {
    stream: Box<dyn Stream>,
    chunk: Vec<u8>,
    reader: LineReader,
}

#[derive(Serialize)]
struct Request<'a> {
    execute: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<Value>,
    id: u64,
}

impl Client {
    /// Reads the greeting from a fresh connection and enters command mode with
    /// `qmp_capabilities` ("Capabilities Negotiation"). Enables no capability.
    ///
    /// QEMU serves one client at a time: the greeting comes when the previous client has left.
    pub async fn handshake(stream: impl Stream + 'static) -> Result<Client, Error> {
        let mut connection = Connection::new(Box::new(stream));
        let (version, _) = connection.receive(parse_greeting).await?;
        let mut client = Client {
            connection,
            version,
            events: EventQueue::default(),
            last_id: first_id(),
            request: Vec::new(),
            sent: 0,
        };
        client.execute("qmp_capabilities", None).await?;
        Ok(client)
    }

    /// The version from QEMU's greeting.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Sends one request and returns the `return` of its reply ("Issuing Commands").
    ///
    /// Events that arrive meanwhile are kept for [`event`](Client::event), the oldest forgotten
    /// when they exceed 1 MiB.
    ///
    /// Dropping this future does not take the command back: QEMU may have it already and run
    /// it. Its late reply is recognised by an id that is never used again, and ignored. If only
    /// a part has gone out, the next request sends the rest first.
    pub async fn execute(
        &mut self,
        command: &str,
        arguments: Option<Value>,
    ) -> Result<Value, Error> {
        self.finish_torn_request().await?;
        let id = self.last_id + 1;
        self.request = encode(&Request { execute: command, arguments, id })?;
        self.sent = 0;
        self.last_id = id;
        self.send().await?;
        loop {
            match self.connection.receive(Message::parse).await? {
                (Message::Event(event), size) => self.events.push(event, size),
                (Message::Reply(reply), _) if reply.id == Some(id) => {
                    return reply.result.map_err(|refusal| Error::Command {
                        command: command.to_owned(),
                        class: refusal.class,
                        desc: refusal.desc,
                    });
                }
                // A reply to a request that we gave up, or that an earlier client sent.
                (Message::Reply(_), _) => {}
            }
        }
    }

    /// Asks for the run state with `query-status`.
    pub async fn query_status(&mut self) -> Result<Status, Error> {
        let reply = self.execute("query-status", None).await?;
        Status::deserialize(&reply).map_err(|_| unexpected(&reply))
    }

    /// Runs a line of the human monitor and returns what it prints, without a prompt.
    ///
    /// QEMU reports no error for a wrong line: its complaint is in the text.
    pub async fn human_monitor_command(&mut self, line: &str) -> Result<String, Error> {
        let arguments = json!({ "command-line": line });
        match self.execute("human-monitor-command", Some(arguments)).await? {
            Value::String(text) => Ok(text),
            other => Err(unexpected(&other)),
        }
    }

    /// The next event: one that arrived during a request, or else the next to arrive.
    ///
    /// Cancel-safe: in a `tokio::select!`, the branch not taken loses no event.
    pub async fn event(&mut self) -> Result<Event, Error> {
        if let Some(event) = self.events.pop() {
            return Ok(event);
        }
        loop {
            match self.connection.receive(Message::parse).await? {
                (Message::Event(event), _) => return Ok(event),
                (Message::Reply(_), _) => {}
            }
        }
    }

    /// Sends the rest of a request that was cut off, before the next one. A request that has not
    /// started to go out is dropped.
    async fn finish_torn_request(&mut self) -> Result<(), Error> {
        if self.sent > 0 { self.send().await } else { Ok(()) }
    }

    async fn send(&mut self) -> Result<(), Error> {
        while self.sent < self.request.len() {
            // Not `write_all`: if it is cancelled, it does not say how much was written.
            self.sent += self.connection.stream.write(&self.request[self.sent..]).await?;
        }
        Ok(())
    }
}

impl Connection {
    fn new(stream: Box<dyn Stream>) -> Connection {
        Connection { stream, chunk: Vec::with_capacity(CHUNK), reader: LineReader::new() }
    }

    /// Parses the next line and returns its size in bytes.
    ///
    /// Reads with `AsyncRead`, never `try_read`: only that takes part in tokio's cooperative
    /// scheduling, which lets timers run while data keeps coming.
    async fn receive<T>(
        &mut self,
        parse: impl Fn(&[u8]) -> Result<T, Error>,
    ) -> Result<(T, usize), Error> {
        loop {
            if let Some(line) = self.reader.next_line() {
                let line = line?;
                return Ok((parse(line)?, line.len()));
            }
            self.chunk.clear();
            if self.stream.read_buf(&mut self.chunk).await? == 0 {
                return Err(Error::Closed);
            }
            self.reader.push(&self.chunk);
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("version", &self.version).finish_non_exhaustive()
    }
}

/// The first of a client's ids. QEMU can send the reply for an old client to the next one, so no
/// two clients may share an id: ids contain the process, then the client.
fn first_id() -> u64 {
    static CLIENTS: AtomicU64 = AtomicU64::new(0);
    let client = CLIENTS.fetch_add(1, Ordering::Relaxed) & 0xffff;
    u64::from(std::process::id()) << 32 | client << 16
}

fn encode(request: &Request<'_>) -> Result<Vec<u8>, Error> {
    let mut line = serde_json::to_vec(request).map_err(|error| Error::Io(error.into()))?;
    line.extend_from_slice(b"\r\n");
    Ok(line)
}

fn unexpected(reply: &Value) -> Error {
    Error::garbage("not a reply to this command", reply.to_string().as_bytes())
}
