//! The fake's QMP server: one client at a time, with the script's faults.

use std::io;

use rustix::process::{Signal, getpid, kill_process};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::log::Log;
use crate::script::{Fault, GREETING, Script};

#[derive(Deserialize)]
struct Request {
    execute: String,
    #[serde(default)]
    id: Value,
}

struct Session<'a> {
    stream: BufReader<UnixStream>,
    script: &'a Script,
    log: &'a mut Log,
}

/// Serves clients until one of them ends the machine.
pub async fn serve(listener: UnixListener, script: &Script, log: &mut Log) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let stream = BufReader::new(stream);
        // An error means that the client left, which QEMU ignores.
        if let Ok(true) = (Session { stream, script, log }).run().await {
            return Ok(());
        }
    }
}

impl Session<'_> {
    /// Serves a client; true if it ended the machine, false if it left.
    async fn run(&mut self) -> io::Result<bool> {
        let capabilities = json!(["oob"]);
        let greeting = json!({"QMP": {"version": version(), "capabilities": capabilities}});
        self.answer(GREETING, greeting).await?;
        let mut negotiated = false;
        let mut line = String::new();
        while self.stream.read_line(&mut line).await? > 0 {
            let request = serde_json::from_str::<Request>(&line);
            line.clear();
            let Ok(Request { execute: command, id }) = request else {
                let error = refusal("GenericError", "JSON parse error, invalid request");
                self.write(json!({ "error": error })).await?;
                continue;
            };
            let result = match self.script.fault(&command) {
                Some(Fault::Refuse) => Err(refusal("GenericError", "it is refused")),
                _ => reply(&command, negotiated),
            };
            let accepted = result.is_ok();
            let reply = match result {
                Ok(value) => json!({"return": value, "id": id}),
                Err(error) => json!({"error": error, "id": id}),
            };
            if !self.answer(&command, reply).await? || !accepted {
                continue;
            }
            negotiated = true;
            if self.act(&command).await {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Runs an accepted command; true if it ends the machine.
    ///
    /// It runs even if the client did not wait for the reply.
    async fn act(&mut self, command: &str) -> bool {
        let (ignored, shutdown) = match command {
            "system_powerdown" => {
                let _ = self.event("POWERDOWN", json!({})).await;
                (self.script.ignore_powerdown, json!({"guest": true, "reason": "guest-shutdown"}))
            }
            "x-storm" => {
                for number in 0..self.script.storm {
                    self.log.event("X_STORM", json!({ "number": number }));
                }
                return false;
            }
            "quit" => (self.script.ignore_quit, json!({"guest": false, "reason": "host-qmp-quit"})),
            _ => return false,
        };
        if !ignored {
            let _ = self.event("SHUTDOWN", shutdown).await;
        }
        !ignored
    }

    /// Sends a reply, or commits the fault in the script; true if it sent the reply.
    async fn answer(&mut self, command: &str, reply: Value) -> io::Result<bool> {
        tokio::time::sleep(self.script.late).await;
        match self.script.fault(command) {
            None | Some(Fault::Refuse) => {
                // The next read shows that the client left; the command runs anyway.
                let _ = self.write(reply).await;
                return Ok(true);
            }
            Some(Fault::Mute) => {}
            Some(Fault::Die) => die()?,
            Some(Fault::HalfLine) => {
                let line = reply.to_string();
                self.send(&line.as_bytes()[..line.len() / 2]).await?;
                die()?;
            }
            Some(Fault::Garbage) => {
                self.send(b"HTTP/1.1 400 Bad Request\r\n\x1b[31m\xff\xfe\r\n}{\r\n").await?;
            }
            Some(Fault::Megabytes) => {
                for _ in 0..64 {
                    self.send(&[b'x'; 1 << 20]).await?;
                }
            }
            Some(Fault::Flood) => loop {
                self.event("RTC_CHANGE", json!({"offset": 0, "qom-path": "/rtc"})).await?;
            },
        }
        Ok(false)
    }

    async fn event(&mut self, name: &str, data: Value) -> io::Result<()> {
        self.log.event(name, data.clone());
        self.write(event(name, data)).await
    }

    async fn write(&mut self, message: Value) -> io::Result<()> {
        self.send(format!("{message}\r\n").as_bytes()).await
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let size = if self.script.pieces { 1 } else { bytes.len() };
        for piece in bytes.chunks(size) {
            self.stream.write_all(piece).await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

/// The result of a command, in QEMU's words.
fn reply(command: &str, negotiated: bool) -> Result<Value, Value> {
    let problem = match command {
        "qmp_capabilities" if !negotiated => return Ok(json!({})),
        _ if !negotiated => "Expecting capabilities negotiation with 'qmp_capabilities'",
        "qmp_capabilities" => "Capabilities negotiation is already complete, command ignored",
        "query-status" => return Ok(status()),
        "query-version" => return Ok(version()),
        "system_powerdown" | "quit" | "x-storm" => return Ok(json!({})),
        _ => &format!("The command {command} has not been found"),
    };
    Err(refusal("CommandNotFound", problem))
}

fn refusal(class: &str, desc: &str) -> Value {
    json!({"class": class, "desc": desc})
}

/// An event, as QEMU writes it: the time first, and a space after each colon and comma.
pub fn event(name: &str, data: Value) -> Value {
    let timestamp = json!({"seconds": 1_700_000_000, "microseconds": 123_456});
    json!({"timestamp": timestamp, "event": name, "data": data})
}

/// The answer to `query-status`.
pub fn status() -> Value {
    json!({"status": "running", "running": true})
}

/// The answer to `query-version`.
pub fn version() -> Value {
    json!({"qemu": {"micro": 9, "minor": 9, "major": 9}, "package": "fake"})
}

fn die() -> io::Result<()> {
    Ok(kill_process(getpid(), Signal::KILL)?)
}
