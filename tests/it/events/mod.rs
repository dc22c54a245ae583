//! `events`: every reader sees every event, while it happens and afterwards.

mod log;
mod shown;
mod stream;
mod stress;

use crate::harness::{Lab, until};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Child;

/// A client of the user's, on `qmp.socket`.
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
        let line = format!("exec \"$0\" events a --json {options} >{name} 2>{name}.err");
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

    /// Returns after it has seen this event.
    #[track_caller]
    pub fn hears(&self, event: &str) {
        until(event, || self.names().contains(&event.to_owned()).then_some(()));
    }

    /// Returns once it follows the log: it watches the log, and waits.
    #[track_caller]
    pub fn follows(&self) {
        until("it follows", || watches(self.child.id()).then_some(()));
    }

    /// Waits for it, and returns its exit code.
    #[track_caller]
    pub fn end(mut self) -> i32 {
        until("the listener ends", || self.child.try_wait().unwrap()).code().unwrap()
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Whether a process watches files and sleeps (proc(5)).
pub fn watches(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let sleeps = stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'));
    let fds = fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten().flatten();
    let info = fds.map(|fd| fs::read_to_string(fd.path()).unwrap_or_default());
    sleeps && info.into_iter().any(|info| info.lines().any(|line| line.starts_with("inotify wd")))
}

pub fn name(event: &Value) -> String {
    event["event"].as_str().unwrap_or("-").to_owned()
}

/// A running VM called `a`.
/// The names of all events of `a` since its start.
pub fn history(lab: &Lab) -> Vec<String> {
    let text = lab.qqmgr("events a --all --json --timeout 0").run().code(0).text();
    text.lines().map(|line| name(&serde_json::from_str(line).unwrap())).collect()
}
