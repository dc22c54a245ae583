//! Pipes that another process has made non-blocking, as OpenSSH does with its streams.

use crate::events::{Qmp, watches};
use crate::harness::{Lab, NO_GUEST, fake_qemu, until, vm};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use std::fs;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::process::Stdio;

/// A pipe with one non-blocking end.
fn pipe(is_reader: bool) -> (PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    let end = if is_reader { reader.as_fd() } else { writer.as_fd() };
    fcntl_setfl(end, OFlags::NONBLOCK).unwrap();
    (reader, writer)
}

/// Returns when all threads of a process sleep, or it has ended.
fn rests(pid: u32) {
    let runs = |thread: fs::DirEntry| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('R'))
    };
    until("it rests", || {
        let mut threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        (!threads.any(runs)).then_some(())
    });
}

/// The output of qqmgr in a non-blocking pipe that the test reads only once it is full.
fn written(lab: &Lab, line: &str, begun: impl FnOnce(u32)) -> String {
    let (mut reader, writer) = pipe(false);
    let mut child = lab.qqmgr(line).with(Stdio::null(), writer.try_clone().unwrap());
    begun(child.id());
    until("the pipe is full", || {
        let mut writable = [PollFd::new(&writer, PollFlags::OUT)];
        (poll(&mut writable, Some(&Timespec::default())).unwrap() == 0).then_some(())
    });
    rests(child.id());
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success(), "{line}");
    text
}

#[test]
fn results() {
    let names: Vec<_> = (0..3000).map(|number| format!("vm-{number}")).collect();
    let lab = Lab::new(&names.iter().map(|name| vm(name, "")).collect::<String>());
    assert_eq!(written(&lab, "list", |_| ()).lines().count(), 3001);
    let json: Vec<serde_json::Value> =
        serde_json::from_str(&written(&lab, "list --json", |_| ())).unwrap();
    assert_eq!(json.len(), 3000);
}

#[test]
fn logs() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    let lines: Vec<_> = (0..30_000).map(|number| number.to_string()).collect();
    lab.write(".qqmgr/vm.a/serial", lines.join("\n"));
    assert_eq!(written(&lab, "serial a -n all", |_| ()), lines.join("\n"));
    let json: serde_json::Value =
        serde_json::from_str(&written(&lab, "serial a -n all --json", |_| ())).unwrap();
    assert_eq!(json["lines"].as_array().unwrap().len(), lines.len());
}

#[test]
fn a_stream() {
    let lab = Lab::new(&fake_qemu("a", "storm=5000"));
    lab.qqmgr("start a").run().code(0);
    let storm = |pid| {
        until("it follows", || watches(pid).then_some(()));
        Qmp::open(&lab).run(&["x-storm"]);
    };
    let text = written(&lab, "events a --filter X_STORM --count 5000", storm);
    assert_eq!(text.lines().count(), 5000);
}

#[test]
fn input() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.qqmgr("start a").run().code(0);
    let (stdin, mut commands) = pipe(true);
    let (mut answers, stdout) = std::io::pipe().unwrap();
    let mut child = lab.qqmgr("monitor a").with(stdin, stdout);
    let expected = "VM status: running\n";
    for _ in 0..2 {
        commands.write_all(b"info status\n").unwrap();
        let mut answer = vec![0; expected.len()];
        answers.read_exact(&mut answer).unwrap();
        assert_eq!(String::from_utf8(answer).unwrap(), expected);
        rests(child.id());
    }
    drop(commands);
    assert!(child.wait().unwrap().success());
}
