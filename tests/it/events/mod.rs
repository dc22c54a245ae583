//! `events`: what QEMU tells, to whoever listens, for as long as somebody does.

mod relay;
mod shown;
mod stream;
mod stress;

use crate::harness::{Lab, NO_GUEST, until, vm};
use qqmgr::process::Process;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Child;

/// A client of the user's own on `qmp.socket`.
pub struct Qmp(BufReader<UnixStream>);

impl Qmp {
    pub fn open(lab: &Lab) -> Qmp {
        let stream = UnixStream::connect(lab.vm_file("a", "qmp.socket")).unwrap();
        let mut qmp = Qmp(BufReader::new(stream));
        qmp.line();
        qmp.run(&["qmp_capabilities"]);
        qmp
    }

    pub fn run(&mut self, commands: &[&str]) {
        for command in commands {
            writeln!(self.0.get_mut(), "{{\"execute\":\"{command}\"}}").unwrap();
            while self.line().get("return").is_none() {}
        }
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

/// A `qqmgr events a --json` whose output grows in a file.
pub struct Listener {
    child: Child,
    output: PathBuf,
}

impl Listener {
    pub fn start(lab: &Lab, name: &str, options: &str) -> Listener {
        Listener::after("true", lab, name, options)
    }

    /// One with what the shell's command before it sets, such as a limit.
    pub fn after(command: &str, lab: &Lab, name: &str, options: &str) -> Listener {
        let line = format!("{command}; exec \"$0\" events a --json {options} >{name} 2>{name}.err");
        let child = lab.program("sh").args(["-c", &line, env!("CARGO_BIN_EXE_qqmgr")]).spawn();
        Listener { child, output: lab.path(name) }
    }

    pub fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.output).unwrap_or_default();
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn names(&self) -> Vec<String> {
        self.events().iter().map(name).collect()
    }

    /// Returns when it hears: `RESET` is what the tests listen for only here.
    pub fn hears(&self, qmp: &mut Qmp) {
        until("the listener hears", || {
            qmp.run(&["system_reset"]);
            self.names().iter().any(|name| name == "RESET").then_some(())
        });
    }

    /// The last event, once it has ended well.
    pub fn last(self) -> Value {
        let output = self.output.clone();
        assert_eq!(self.end(), 0);
        let text = fs::read_to_string(output).unwrap();
        serde_json::from_str(text.lines().last().unwrap()).unwrap()
    }

    /// Its exit code.
    pub fn end(mut self) -> i32 {
        until("the listener ends", || self.child.try_wait().unwrap()).code().unwrap()
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

pub fn name(event: &Value) -> String {
    event["event"].as_str().unwrap_or("-").to_owned()
}

/// A running VM called `a`.
pub fn running() -> Lab {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.qqmgr("start a").run().code(0);
    lab
}

/// The relay, by its lock.
pub fn relay(lab: &Lab) -> Option<Process> {
    Process::holding(&lab.vm_file("a", "relay.lock")).unwrap()
}

/// How many relays there are, by their command lines.
pub fn relays(lab: &Lab) -> usize {
    let is_relay = |args: &[String]| args.first().is_some_and(|arg| arg == "qqmgr-events-relay");
    lab.processes().iter().filter(|process| is_relay(&process.args)).count()
}

pub fn assert_nothing_left(lab: &Lab) {
    until("the relay ends", || relay(lab).is_none().then_some(()));
    until("no relay is left", || (relays(lab) == 0).then_some(()));
    assert!(!lab.vm_file("a", "relay.socket").exists());
}
