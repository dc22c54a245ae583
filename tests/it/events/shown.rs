//! What `events` prints, and how it ends.

use super::{Listener, Qmp, assert_nothing_left, name, running};
use crate::harness::{Lab, NO_GUEST, until, vm};
use serde_json::Value;
use std::fs;

fn without_resets(events: Vec<Value>) -> Vec<Value> {
    events.into_iter().filter(|event| event["event"] != "RESET").collect()
}

#[test]
fn several_listeners_hear_the_same_to_the_end() {
    let lab = running();
    let listeners: Vec<_> = (0..4).map(|i| Listener::start(&lab, &format!("out{i}"), "")).collect();
    let mut qmp = Qmp::open(&lab);
    listeners.iter().for_each(|listener| listener.hears(&mut qmp));
    qmp.run(&["stop", "cont", "quit"]);
    let outputs: Vec<_> = listeners
        .into_iter()
        .map(|listener| {
            let output = listener.output.clone();
            assert_eq!(listener.end(), 0, "{}", lab.read(output.with_extension("err")));
            let text = fs::read_to_string(output).unwrap();
            without_resets(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
        })
        .collect();
    let names: Vec<_> = outputs[0].iter().map(name).collect();
    assert_eq!(names, ["STOP", "RESUME", "SHUTDOWN"]);
    assert_eq!(outputs[0][2]["data"]["reason"], "host-qmp-quit");
    assert!(outputs.iter().all(|output| output == &outputs[0]), "{outputs:?}");
    lab.qqmgr("stop a").run().code(0);
    assert_nothing_left(&lab);
}

#[test]
fn a_filter_and_a_count() {
    let lab = running();
    let all = Listener::start(&lab, "all", "");
    let some = Listener::start(&lab, "some", "--filter 'r*me' --filter STOP --count 3");
    let mut qmp = Qmp::open(&lab);
    all.hears(&mut qmp);
    until("the filter lets STOP pass", || {
        qmp.run(&["system_reset", "stop", "cont"]);
        (some.names().len() == 3).then_some(())
    });
    let names = some.names();
    assert_eq!(some.end(), 0);
    assert!(
        names == ["STOP", "RESUME", "STOP"] || names == ["RESUME", "STOP", "RESUME"],
        "{names:?}"
    );
    all.kill();
    drop(qmp);
    lab.qqmgr("events a --filter STOP --count 1 --timeout 100ms").run().expect(
        5,
        "",
        "error: VM `a`: 0 of 1 events came within 100ms\n",
    );
    lab.qqmgr("events a --timeout 100ms --filter SHUTDWON").run().expect(
        0,
        "",
        "note: QEMU documents no event `SHUTDWON`; did you mean `SHUTDOWN`?\n",
    );
    lab.qqmgr("events a --json --timeout 100ms --filter SHUTDWON").run().ok("");
}

#[test]
fn a_line_for_people() {
    let lab = running();
    let json = Listener::start(&lab, "json", "");
    let line = "exec \"$0\" events a >text";
    let text = lab.program("sh").args(["-c", line, env!("CARGO_BIN_EXE_qqmgr")]).env("TZ", "UTC-2");
    let mut child = text.spawn();
    let mut qmp = Qmp::open(&lab);
    json.hears(&mut qmp);
    until("the other hears too", || {
        qmp.run(&["system_reset"]);
        (!fs::read_to_string(lab.path("text")).ok()?.is_empty()).then_some(())
    });
    qmp.run(&["quit"]);
    assert!(child.wait().unwrap().success());
    let text = lab.read("text");
    let (time, rest) = text.lines().last().unwrap().split_at("2026-03-01 14:03:05.123".len());
    assert_eq!(rest, " SHUTDOWN {\"guest\":false,\"reason\":\"host-qmp-quit\"}");
    let shutdown = json.last();
    assert_eq!(shutdown["event"], "SHUTDOWN");
    let millis = shutdown["timestamp"]["microseconds"].as_u64().unwrap() / 1000;
    let seconds = shutdown["timestamp"]["seconds"].as_u64().unwrap() + 2 * 3600;
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    assert_eq!(&time[11..], format!("{hour:02}:{minute:02}:{second:02}.{millis:03}"));
}

#[test]
fn whoever_closes_the_pipe_ends_it() {
    let lab = running();
    let line = "\"$0\" events a | true";
    lab.program("sh").args(["-c", line, env!("CARGO_BIN_EXE_qqmgr")]).run().ok("");
}

#[test]
fn time_is_over_though_nobody_reads() {
    let lab = running();
    let mut qmp = Qmp::open(&lab);
    for (options, code) in [("--timeout 1s", 1), ("--json --count 9 --timeout 1s", 5)] {
        let line = format!(
            "mkfifo full; exec 3<>full; head -c 65536 /dev/zero >full
             exec \"$0\" events a {options} >full"
        );
        let shell = lab.program("sh").args(["-c", &line, env!("CARGO_BIN_EXE_qqmgr")]);
        let outcome = std::thread::scope(|scope| {
            let listener = scope.spawn(|| shell.run());
            until("it has ended", || {
                qmp.run(&["stop", "cont"]);
                listener.is_finished().then_some(())
            });
            listener.join().unwrap()
        });
        outcome.expect(code, "", "error: can't write to standard output: timed out\n");
        fs::remove_file(lab.path("full")).unwrap();
    }
}

#[test]
fn a_vm_that_is_not_running() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    let said = "error: VM `a` is not running\nhint: start it: qqmgr start a\n";
    lab.qqmgr("events a").run().expect(4, "", said);
    assert!(!lab.path(".qqmgr").exists());
}
