//! What `events` prints, and what ends it.

use super::{Listener, Qmp, history, name};
use crate::harness::{Lab, NO_GUEST, until, vm};
use serde_json::Value;
use std::fs;

fn without_resets(events: Vec<Value>) -> Vec<Value> {
    events.into_iter().filter(|event| event["event"] != "RESET").collect()
}

#[test]
fn several_listeners_hear_the_same_to_the_end() {
    let lab = Lab::running();
    let listeners: Vec<_> = (0..4).map(|i| Listener::start(&lab, &format!("out{i}"), "")).collect();
    listeners.iter().for_each(Listener::follows);
    Qmp::open(&lab).run(&["stop", "cont", "quit"]);
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
    lab.nobody_is_left();
}

#[test]
fn the_past_of_a_vm_that_runs_and_of_one_that_has_ended() {
    let lab = Lab::running();
    Qmp::open(&lab).run(&["stop", "system_reset"]);
    // The reset comes some time after QEMU has announced it.
    until("it is reset", || (history(&lab) == ["STOP", "RESET"]).then_some(()));
    let last = |options: &str| {
        let outcome = lab.qqmgr(&format!("events a --json --timeout 0 {options}")).run();
        let text = outcome.code(0).stderr("").text();
        text.lines().map(|line| name(&serde_json::from_str(line).unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(last("-n 1"), ["RESET"]);
    assert_eq!(last("-n 9"), ["STOP", "RESET"]);
    assert_eq!(last("-n 1 --filter STOP"), ["STOP"]);
    assert_eq!(last("-n 0"), [""; 0]);
    assert_eq!(last(""), [""; 0]);
    lab.qqmgr("events a --all -n 1").run().code(2);
    // It continues after that.
    let listener = Listener::start(&lab, "out", "--all");
    listener.hears("RESET");
    lab.qqmgr("stop a --force").run().code(0);
    let output = listener.output.clone();
    assert_eq!(listener.end(), 0);
    let text = fs::read_to_string(output).unwrap();
    let names: Vec<_> =
        text.lines().map(|line| name(&serde_json::from_str(line).unwrap())).collect();
    assert_eq!(names, ["STOP", "RESET", "SHUTDOWN"]);
    assert_eq!(history(&lab), ["STOP", "RESET", "SHUTDOWN"]);
    assert_eq!(last("-n 1"), ["SHUTDOWN"]);
    let said = "error: VM `a` is not running: it was stopped\nhint: start it: qqmgr start a\n";
    lab.qqmgr("events a").run().expect(4, "", said);
    // The next life has its own log, and the old one is kept during that life.
    let before = lab.read(".qqmgr/vm.a/events.out");
    lab.qqmgr("start a").run().code(0);
    assert_eq!(history(&lab), [""; 0]);
    assert_eq!(lab.read(".qqmgr/vm.a/events.previous"), before);
}

#[test]
fn a_filter_and_a_count() {
    let lab = Lab::running();
    let some = Listener::start(&lab, "some", "--filter 'r*me' --filter STOP --count 3");
    some.follows();
    Qmp::open(&lab).run(&["stop", "system_reset", "cont", "stop", "cont"]);
    let output = some.output.clone();
    assert_eq!(some.end(), 0);
    let text = fs::read_to_string(output).unwrap();
    let names: Vec<_> =
        text.lines().map(|line| name(&serde_json::from_str(line).unwrap())).collect();
    assert_eq!(names, ["STOP", "RESUME", "STOP"]);
    lab.qqmgr("events a --filter STOP --count 1 --timeout 100ms").run().expect(
        5,
        "",
        "error: VM `a`: 0 of 1 events came within 100ms\n",
    );
    lab.qqmgr("events a --timeout 100ms --filter SHUTDWON").run().expect(
        0,
        "",
        "note: this QEMU has no event `SHUTDWON`; did you mean `SHUTDOWN`?\n",
    );
    lab.qqmgr("events a --json --timeout 100ms --filter SHUTDWON").run().ok("");
    let more = Listener::start(&lab, "more", "--filter STOP --count 1");
    more.follows();
    lab.qqmgr("stop a --force").run().code(0);
    assert_eq!(more.end(), 1);
    let error: Value = serde_json::from_str(&lab.read("more")).unwrap();
    assert_eq!(error["error"]["code"], "vm_died");
    assert_eq!(error["error"]["ended"]["by"], "stop");
}

#[test]
fn a_line_for_people() {
    let lab = Lab::running();
    lab.qemu().ends(|| Qmp::open(&lab).run(&["quit"]));
    let shutdown = lab.qqmgr("events a -n 1 --json").run().code(0).json();
    let millis = shutdown["timestamp"]["microseconds"].as_u64().unwrap() / 1000;
    let seconds = shutdown["timestamp"]["seconds"].as_u64().unwrap() + 2 * 3600;
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    // By a rule, and by a name from the system's database.
    lab.write("zones/Test/Two", two_hours_east());
    for zone in ["UTC-2", "Test/Two"] {
        let events = lab.qqmgr("events a -n 1").env("TZDIR", lab.path("zones")).env("TZ", zone);
        let text = events.run().code(0).text();
        let (time, rest) = text.trim_end().split_at("2026-03-01 14:03:05.123".len());
        assert_eq!(rest, " SHUTDOWN {\"guest\":false,\"reason\":\"host-qmp-quit\"}");
        let wanted = format!("{hour:02}:{minute:02}:{second:02}.{millis:03}");
        assert_eq!(&time[11..], wanted, "{zone}");
    }
}

/// A time zone of the database, two hours east of Greenwich (TZif, RFC 9636).
fn two_hours_east() -> Vec<u8> {
    let mut header = b"TZif2".to_vec();
    header.extend([0; 15]);
    // The number of each: one type of local time, whose name has four bytes.
    [0_u32, 0, 0, 0, 1, 4].iter().for_each(|count| header.extend(count.to_be_bytes()));
    let mut times = 7200_i32.to_be_bytes().to_vec();
    times.extend(b"\0\0TWO\0");
    // Once for 32-bit readers and once for the others, who use the rule at the end.
    [&header[..], &times, &header, &times, b"\nTWO-2\n"].concat()
}

#[test]
fn whoever_closes_the_pipe_ends_it() {
    let lab = Lab::running();
    let line = "\"$0\" events a | true";
    lab.program("sh").args(["-c", line, env!("CARGO_BIN_EXE_qqmgr")]).run().ok("");
}

#[test]
fn time_is_over_though_nobody_reads() {
    let lab = Lab::running();
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
    let said = "error: VM `a` has never been started\nhint: start it: qqmgr start a\n";
    lab.qqmgr("events a --all").run().expect(4, "", said);
    assert!(!lab.path(".qqmgr").exists());
}
