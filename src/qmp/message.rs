//! What QEMU sends, from JSON text to types ("Protocol Specification", "Server Greeting" to
//! "Asynchronous events").

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::error::Error;

/// QEMU's version, from its greeting.
///
/// Displays as `7.2.22`, without the package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Version {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Micro number; 50 and above mark a development version.
    pub micro: u32,
    /// What the distributor added, such as `Debian 1:7.2+dfsg-7`; often empty.
    pub package: String,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)
    }
}

/// The reply to `query-status` ("QEMU QMP Reference Manual", `StatusInfo`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The run state, such as `running`, `paused`, `prelaunch` or `shutdown`.
    pub status: String,
    /// Whether the virtual CPUs run.
    pub running: bool,
}

/// An asynchronous message from QEMU ("Asynchronous events").
///
/// Serialises as QEMU sends it: the keys are `event`, `data` (left out if QEMU did) and
/// `timestamp`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The event's name, such as `SHUTDOWN`.
    #[serde(rename = "event")]
    pub name: String,
    /// Its details, an object; `Null` if it has none.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
    /// When it happened, by the host's clock.
    pub timestamp: Timestamp,
}

/// Time since the Unix epoch; both fields are -1 if the host could not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timestamp {
    /// Whole seconds.
    pub seconds: i64,
    /// Microseconds in the second.
    pub microseconds: i64,
}

impl Timestamp {
    /// The time since the Unix epoch; zero if the host could not tell.
    pub fn since_epoch(self) -> Duration {
        let seconds = u64::try_from(self.seconds).unwrap_or(0);
        let micros = u64::try_from(self.microseconds).unwrap_or(0);
        Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros))
    }
}

/// An answer to a request.
#[derive(Debug, PartialEq)]
pub(super) struct Reply {
    /// The request's id; `None` if the reply can't be for us.
    pub id: Option<u64>,
    pub result: Result<Value, Refusal>,
}

/// The `error` of a reply.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Refusal {
    pub class: String,
    pub desc: String,
}

/// A line that QEMU has sent to a client and a log has kept.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// The first line.
    Greeting(Version),
    /// A reply to any request; `Null` if QEMU refused the request.
    Reply(Value),
    /// An event.
    Event(Event),
}

impl Record {
    /// Reads a line.
    ///
    /// # Errors
    /// It is none of these.
    pub fn parse(line: &[u8]) -> Result<Record, Error> {
        match Message::parse(line) {
            Ok(Message::Event(event)) => Ok(Record::Event(event)),
            Ok(Message::Reply(reply)) => Ok(Record::Reply(reply.result.unwrap_or_default())),
            Err(error) => parse_greeting(line).map(Record::Greeting).map_err(|_| error),
        }
    }
}

/// The name of the event in a line from QEMU, found without parsing the line.
pub fn event_name(line: &[u8]) -> Option<&[u8]> {
    const KEY: &[u8] = br#", "event": ""#;
    let begin = memchr::memmem::find(line, KEY)? + KEY.len();
    let length = memchr::memchr(b'"', &line[begin..])?;
    Some(&line[begin..begin + length])
}

/// The messages that can follow the greeting.
#[derive(Debug, PartialEq)]
pub(super) enum Message {
    Event(Event),
    Reply(Reply),
}

/// All shapes in one: an untagged enum would buffer and try each message several times.
#[derive(Deserialize)]
struct Wire {
    #[serde(rename = "return", default, deserialize_with = "present")]
    result: Option<Value>,
    error: Option<Refusal>,
    id: Option<Value>,
    event: Option<String>,
    #[serde(default)]
    data: Value,
    timestamp: Option<Timestamp>,
}

/// Keeps `"return": null` apart from no `return`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Message {
    pub(super) fn parse(line: &[u8]) -> Result<Message, Error> {
        let wire: Wire = parse_json(line, "not a reply or an event")?;
        let result = match wire {
            Wire { event: Some(name), timestamp: Some(timestamp), data, .. } => {
                return Ok(Message::Event(Event { name, data, timestamp }));
            }
            Wire { result: Some(value), error: None, .. } => Ok(value),
            Wire { result: None, error: Some(refusal), .. } => Err(refusal),
            _ => return Err(Error::garbage("not a reply or an event", line)),
        };
        // We always send an id, and QEMU omits it only if it could not parse the request ("Error").
        // A reply for an earlier client has that client's id, or none.
        match (wire.id, result) {
            (None, Err(_)) => Err(Error::garbage("an error without an id", line)),
            (id, result) => {
                Ok(Message::Reply(Reply { id: id.as_ref().and_then(Value::as_u64), result }))
            }
        }
    }
}

/// Reads the greeting ("Server Greeting"); this client needs none of the capabilities.
pub(super) fn parse_greeting(line: &[u8]) -> Result<Version, Error> {
    #[derive(Deserialize)]
    struct Greeting {
        #[serde(rename = "QMP")]
        qmp: Qmp,
    }
    #[derive(Deserialize)]
    struct Qmp {
        version: Versions,
    }
    #[derive(Deserialize)]
    struct Versions {
        qemu: Triple,
        #[serde(default)]
        package: String,
    }
    #[derive(Deserialize)]
    struct Triple {
        major: u32,
        minor: u32,
        micro: u32,
    }

    let greeting: Greeting = parse_json(line, "not a greeting")?;
    let Versions { qemu: Triple { major, minor, micro }, package } = greeting.qmp.version;
    Ok(Version { major, minor, micro, package })
}

fn parse_json<'a, T: Deserialize<'a>>(line: &'a [u8], what: &'static str) -> Result<T, Error> {
    serde_json::from_slice(line)
        .map_err(|error| Error::garbage(if error.is_data() { what } else { "not JSON" }, line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn garbage(line: &str) -> &'static str {
        match Message::parse(line.as_bytes()) {
            Err(Error::Garbage { what, .. }) => what,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn reply(line: &str) -> Reply {
        match Message::parse(line.as_bytes()) {
            Ok(Message::Reply(reply)) => reply,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn greeting() {
        let line = br#"{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7},
            "package": "Debian 1:7.2"}, "capabilities": ["oob"]}}"#;
        let version = parse_greeting(line).unwrap();
        assert_eq!(version.to_string(), "7.2.22");
        assert_eq!(version.package, "Debian 1:7.2");
        let error = parse_greeting(br#"{"return": {}, "id": 1}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"bad QMP message (not a greeting): {"return": {}, "id": 1}"#
        );
    }

    #[test]
    fn replies() {
        let value = |id, value| Reply { id: Some(id), result: Ok(value) };
        assert_eq!(reply(r#"{"return": {"a": 1}, "id": 7}"#), value(7, json!({"a": 1})));
        assert_eq!(reply(r#"{"return": null, "id": 7}"#), value(7, Value::Null));
        let refused = reply(r#"{"id": 8, "error": {"class": "GenericError", "desc": "no"}}"#);
        let refusal = Refusal { class: "GenericError".into(), desc: "no".into() };
        assert_eq!(refused, Reply { id: Some(8), result: Err(refusal) });
        for foreign in [r#"{"return": {}}"#, r#"{"return": {}, "id": "x"}"#] {
            assert_eq!(reply(foreign), Reply { id: None, result: Ok(json!({})) });
        }
    }

    #[test]
    fn events_keep_their_shape() {
        for event in [
            json!({"event": "STOP", "timestamp": {"seconds": -1, "microseconds": -1}}),
            json!({"event": "SHUTDOWN", "data": {"guest": true},
                   "timestamp": {"seconds": 1700000000, "microseconds": 5}}),
        ] {
            match Message::parse(event.to_string().as_bytes()) {
                Ok(Message::Event(parsed)) => {
                    assert_eq!(json!(parsed), event);
                    assert_eq!(serde_json::from_value::<Event>(event).unwrap(), parsed);
                }
                other => panic!("{event}: {other:?}"),
            }
        }
    }

    #[test]
    fn everything_else_is_garbage() {
        assert_eq!(garbage("HTTP/1.1 400 Bad Request"), "not JSON");
        assert_eq!(garbage(r#"{"return": {}, "id": 1"#), "not JSON");
        assert_eq!(garbage(&"[".repeat(100_000)), "not JSON");
        assert_eq!(garbage("{}"), "not a reply or an event");
        assert_eq!(garbage(r#"{"event": "STOP"}"#), "not a reply or an event");
        let unparseable = r#"{"error": {"class": "GenericError", "desc": "JSON parse error"}}"#;
        assert_eq!(garbage(unparseable), "an error without an id");
    }
}
