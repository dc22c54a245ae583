//! The conditions of `wait`, as they are written on the command line.

use regex::Regex;
use std::fmt;
use std::str::FromStr;

/// A condition that a VM meets or does not meet yet.
#[derive(Clone, Debug)]
pub enum Condition {
    /// Its run state is `running`.
    Running,
    /// It has no process.
    Stopped,
    /// Its run state is `paused`.
    Paused,
    /// An SSH login works.
    Ssh,
    /// A line of the serial log of this boot matches.
    Serial(Regex),
    /// QEMU emits the event.
    Event(String),
    /// The guest accepts a connection to its port, through QEMU's forward or at its own address.
    Port(GuestPort),
    /// The file exists in the guest.
    File(String),
}

/// A port of the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuestPort {
    /// The port with this number.
    Number(u16),
    /// By the name of the host's port that is forwarded to it.
    Name(String),
}

impl Condition {
    /// The state that the condition is about, if it is about one.
    pub(super) fn state(&self) -> Option<&'static str> {
        match self {
            Condition::Running => Some("running"),
            Condition::Paused => Some("paused"),
            _ => None,
        }
    }

    /// Whether only a running guest can meet it.
    pub fn needs_guest(&self) -> bool {
        self.needs_answer() || matches!(self, Condition::Serial(_))
    }

    /// Whether the guest has to answer qqmgr for it.
    pub(super) fn needs_answer(&self) -> bool {
        self.needs_session() || matches!(self, Condition::Port(_))
    }

    /// Whether it needs an SSH login.
    pub(super) fn needs_session(&self) -> bool {
        matches!(self, Condition::Ssh | Condition::File(_))
    }
}

/// The forms, for help and errors.
pub const FORMS: &str =
    "running, stopped, paused, ssh, serial:REGEX, event:NAME, port:N, port:NAME or file:PATH";

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Condition, String> {
        let (kind, value) = text.split_once(':').unwrap_or((text, ""));
        let needs_value = matches!(kind, "serial" | "event" | "port" | "file");
        if needs_value == value.is_empty() {
            return Err(format!("`{text}` is not a condition: use {FORMS}"));
        }
        match kind {
            "running" => Ok(Condition::Running),
            "stopped" => Ok(Condition::Stopped),
            "paused" => Ok(Condition::Paused),
            "ssh" => Ok(Condition::Ssh),
            "serial" => match Regex::new(value) {
                Ok(regex) => Ok(Condition::Serial(regex)),
                Err(error) => Err(format!("`{value}` is not a regular expression: {error}")),
            },
            "event" => Ok(Condition::Event(value.to_ascii_uppercase())),
            "port" => match value.parse() {
                Ok(port @ 1..) => Ok(Condition::Port(GuestPort::Number(port))),
                _ if value.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                    Ok(Condition::Port(GuestPort::Name(value.to_owned())))
                }
                _ => Err(format!(
                    "`{value}` is not a port: write a number from 1 to 65535, or a name of [vm.NAME.ports]"
                )),
            },
            "file" => Ok(Condition::File(value.to_owned())),
            _ => Err(format!("`{text}` is not a condition: use {FORMS}")),
        }
    }
}

impl fmt::Display for GuestPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GuestPort::Number(port) => write!(f, "{port}"),
            GuestPort::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Running => write!(f, "running"),
            Condition::Stopped => write!(f, "stopped"),
            Condition::Paused => write!(f, "paused"),
            Condition::Ssh => write!(f, "ssh"),
            Condition::Serial(regex) => write!(f, "serial:{regex}"),
            Condition::Event(name) => write!(f, "event:{name}"),
            Condition::Port(port) => write!(f, "port:{port}"),
            Condition::File(path) => write!(f, "file:{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Condition;

    #[test]
    fn reads_back_what_it_writes() {
        for text in [
            "running",
            "stopped",
            "paused",
            "ssh",
            "serial:a: b$",
            "event:STOP",
            "port:22",
            "port:http",
            "file:/a:b",
        ] {
            assert_eq!(text.parse::<Condition>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, part) in [
            ("", "is not a condition"),
            ("ssh:1", "is not a condition"),
            ("serial", "is not a condition"),
            ("serial:(", "not a regular expression"),
            ("port:0", "not a port"),
            ("disk:x", "is not a condition"),
        ] {
            let error = text.parse::<Condition>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
