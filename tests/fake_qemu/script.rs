//! The faults that `FAKE_QEMU` names: a parser without I/O, and its own test target.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

/// The name for the greeting in a fault, as if it were a command.
pub const GREETING: &str = "greeting";

/// What happens instead of a reply. Except with `Flood`, the command has no effect either.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// An error.
    Refuse,
    /// Nothing is sent.
    Mute,
    /// SIGKILL, before anything is sent.
    Die,
    /// SIGKILL, after half of the reply.
    HalfLine,
    /// A few lines that are not JSON.
    Garbage,
    /// 64 MiB without a line feed.
    Megabytes,
    /// Events until the client leaves.
    Flood,
}

/// A parsed `FAKE_QEMU`; the switches are described in `fake.rs`.
#[derive(Debug, Default, PartialEq)]
pub struct Script {
    /// The code of `exit-early`.
    pub exit_early: Option<i32>,
    /// `die-after-bind`
    pub die_after_bind: bool,
    /// `mute`
    pub mute: bool,
    /// `no-log`
    pub no_log: bool,
    /// `storm`
    pub storm: u32,
    /// `pieces`
    pub pieces: bool,
    /// `ignore-powerdown`
    pub ignore_powerdown: bool,
    /// `ignore-quit`
    pub ignore_quit: bool,
    /// `ignore-term`
    pub ignore_term: bool,
    /// `late`
    pub late: Duration,
    /// `slow-pidfile`
    pub slow_pidfile: Duration,
    /// `slow-socket`
    pub slow_socket: Duration,
    /// `flood`
    pub flood: bool,
    /// The `...-on` switches: by command, or [`GREETING`].
    pub on: HashMap<String, Fault>,
}

impl FromStr for Script {
    type Err = String;

    fn from_str(text: &str) -> Result<Script, String> {
        let mut script = Script::default();
        for switch in text.split(',').map(str::trim).filter(|s| !s.is_empty()) {
            let (name, value) = match switch.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (switch, None),
            };
            script
                .set(name, value)
                .map_err(|problem| format!("FAKE_QEMU: '{switch}': {problem}"))?;
        }
        Ok(script)
    }
}

impl Script {
    fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), String> {
        if let Some(fault) = fault_of(name) {
            let command = value.ok_or("needs a command")?;
            self.on.insert(command.to_owned(), fault);
            return Ok(());
        }
        match (name, value) {
            ("garbage", None) => self.set("garbage-on", Some(GREETING))?,
            ("megabytes", None) => self.set("megabytes-on", Some(GREETING))?,
            ("exit-early", Some(code)) => self.exit_early = Some(number(code)?),
            ("late", Some(wait)) => self.late = millis(wait)?,
            ("slow-pidfile", Some(wait)) => self.slow_pidfile = millis(wait)?,
            ("slow-socket", Some(wait)) => self.slow_socket = millis(wait)?,
            ("die-after-bind", None) => self.die_after_bind = true,
            ("no-log", None) => self.no_log = true,
            ("storm", Some(count)) => self.storm = number(count)?,
            ("mute", None) => self.mute = true,
            ("pieces", None) => self.pieces = true,
            ("flood", None) => self.flood = true,
            ("ignore-powerdown", None) => self.ignore_powerdown = true,
            ("ignore-quit", None) => self.ignore_quit = true,
            ("ignore-term", None) => self.ignore_term = true,
            _ => return Err("no such switch, or a value missing or too many".to_owned()),
        }
        Ok(())
    }

    /// The fault that replaces the reply to `command`.
    pub fn fault(&self, command: &str) -> Option<Fault> {
        // QEMU sends no events before the negotiation has ended.
        let flooded = self.flood && ![GREETING, "qmp_capabilities"].contains(&command);
        let fault = self.on.get(command).copied();
        fault.or(flooded.then_some(Fault::Flood))
    }
}

fn fault_of(name: &str) -> Option<Fault> {
    Some(match name {
        "refuse-on" => Fault::Refuse,
        "mute-on" => Fault::Mute,
        "die-on" => Fault::Die,
        "half-line-on" => Fault::HalfLine,
        "garbage-on" => Fault::Garbage,
        "megabytes-on" => Fault::Megabytes,
        "flood-on" => Fault::Flood,
        _ => return None,
    })
}

fn millis(text: &str) -> Result<Duration, String> {
    number(text).map(Duration::from_millis)
}

fn number<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Script {
        text.parse().unwrap()
    }

    #[test]
    fn nothing_is_well_behaved() {
        assert_eq!(parse(""), Script::default());
        assert_eq!(parse(" , "), Script::default());
        assert_eq!(parse("").fault("query-status"), None);
    }

    #[test]
    fn switches_combine() {
        let script = parse("ignore-powerdown, ignore-quit,late=50,exit-early=7");
        let expected = Script {
            ignore_powerdown: true,
            ignore_quit: true,
            late: Duration::from_millis(50),
            exit_early: Some(7),
            ..Script::default()
        };
        assert_eq!(script, expected);
    }

    #[test]
    fn faults_belong_to_a_command() {
        let script = parse("die-on=quit,flood,half-line-on=query-status,garbage");
        assert_eq!(script.fault("quit"), Some(Fault::Die));
        assert_eq!(script.fault("query-status"), Some(Fault::HalfLine));
        assert_eq!(script.fault("stop"), Some(Fault::Flood));
        assert_eq!(script.fault("qmp_capabilities"), None);
        assert_eq!(script.fault(GREETING), Some(Fault::Garbage));
    }

    #[test]
    fn mistakes_are_errors() {
        for text in
            ["nonsense", "mute=1", "late", "late=-1", "late=x", "exit-early", "die-on", "=", "MUTE"]
        {
            let error = text.parse::<Script>().unwrap_err();
            assert!(error.starts_with(&format!("FAKE_QEMU: '{text}': ")), "{error}");
        }
    }
}
