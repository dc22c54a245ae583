//! `list`: the table and its JSON, fast even with a long config.

use crate::harness::{Lab, NO_GUEST, fake_qemu, vm};
use serde_json::Value;
use std::fmt::Write;

#[test]
fn an_aligned_table_of_the_objects_that_status_gives() {
    let auto = vm("auto-port", "").replace("2222", "'auto'");
    let lab = Lab::new(&(vm("web", NO_GUEST) + &auto + &vm("b", NO_GUEST)));
    lab.qqmgr("list").run().ok("NAME       STATE    PID  UPTIME  SSH\n\
         web        stopped    -       -  2222\n\
         auto-port  stopped    -       -  auto\n\
         b          stopped    -       -  2222\n");
    lab.qqmgr("start web -- -S").run().code(0);
    lab.qqmgr("start b").run().code(0);
    let text = lab.qqmgr("ls").run().code(0).stderr("").text();
    let lines: Vec<_> = text.lines().collect();
    let column = |title: &str| lines[0].find(title).unwrap();
    let end = |line: &str, title: &str| line[..column(title) + title.len()].to_owned();
    assert!(lines[1][column("STATE")..].starts_with("prelaunch  "), "{text}");
    assert!(lines[2][column("STATE")..].starts_with("stopped    "), "{text}");
    assert!(lines[3][column("STATE")..].starts_with("running    "), "{text}");
    for line in &lines[1..] {
        let last = line.rfind(' ').unwrap() + 1;
        assert_eq!(last, column("SSH"), "{text}");
        assert!(end(line, "PID").ends_with(|c: char| c == '-' || c.is_ascii_digit()), "{text}");
        assert!(end(line, "UPTIME").ends_with(['-', 's']), "{text}");
    }
    let mut listed = lab.qqmgr("list --json").run().code(0).stderr("").json();
    let listed: Vec<_> = listed.as_array_mut().unwrap().iter_mut().map(without_uptime).collect();
    let shown = ["web", "auto-port", "b"].map(|name| {
        without_uptime(&mut lab.qqmgr(&format!("status {name} --json")).run().code(0).json())
    });
    assert_eq!(listed, shown);
}

#[test]
fn a_lease_is_a_note() {
    let lab = Lab::new(&(vm("a", NO_GUEST) + &vm("b", NO_GUEST)));
    lab.qqmgr("start a b").run().code(0);
    lab.qqmgr("start b --ttl 1h").run().code(0);
    let text = lab.qqmgr("list").run().code(0).stderr("").text();
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].ends_with("  SSH   NOTE"), "{text}");
    assert!(lines[1].ends_with("  2222"), "{text}");
    assert!(lines[2].contains("  2222  ends in "), "{text}");
}

fn without_uptime(status: &mut Value) -> Value {
    status.as_object_mut().unwrap().remove("uptime_seconds").unwrap();
    status.take()
}

#[test]
fn a_hung_vm_is_told_and_hides_no_other() {
    let config: String = ["h1", "h2", "h3"]
        .iter()
        .map(|name| fake_qemu(name, "no-log,mute-on=query-status"))
        .collect();
    let lab = Lab::new(&(config + &vm("good", NO_GUEST)));
    for name in ["h1", "h2", "h3", "good"] {
        lab.qqmgr(&format!("start {name}")).run().code(0);
    }
    let outcome = lab.qqmgr("list").run();
    let error = |name| format!("VM `{name}` (pid [PID]): QMP did not answer within 800ms\n");
    outcome.code(0).stderr(&["h1", "h2", "h3"].map(error).concat());
    let text = outcome.text();
    assert_eq!(text.matches(" unknown ").count(), 3, "{text}");
    assert_eq!(text.matches(" running ").count(), 1, "{text}");
    let json = lab.qqmgr("list --json").run().code(0).stderr("").json();
    assert_eq!(json[0]["state"], "unknown");
    assert!(json[0]["error"].as_str().unwrap().ends_with("QMP did not answer within 800ms"));
    assert!(json[3].get("error").is_none());
}

#[test]
fn as_many_side_by_side_as_there_are_descriptors() {
    let names: Vec<_> = (0..12).map(|number| format!("vm-{number}")).collect();
    let lab = Lab::new(&names.iter().map(|name| fake_qemu(name, "")).collect::<String>());
    lab.qqmgr("start --all").run().code(0);
    for limit in [16, 30, 60] {
        let list = format!("ulimit -n {limit}; exec {} list --json", env!("CARGO_BIN_EXE_qqmgr"));
        let listed = lab.program("sh").args(["-c", &list]).run().code(0).stderr("").json();
        let states: Vec<_> = listed.as_array().unwrap().iter().map(|vm| &vm["state"]).collect();
        assert_eq!(states, ["running"; 12], "with {limit} descriptors");
    }
}

#[test]
fn a_thousand_vms() {
    let mut config = String::new();
    for number in 0..1000 {
        let table = vm(&format!("vm-{number}"), NO_GUEST);
        config.write_str(&table).unwrap();
    }
    let lab = Lab::new(&config);
    lab.qqmgr("start vm-999").run().code(0);
    let json = lab.qqmgr("list --json").run().code(0).json();
    let states = json.as_array().unwrap().iter().map(|status| status["state"].as_str().unwrap());
    let states: Vec<_> = states.collect();
    assert_eq!(states.len(), 1000);
    assert!(states[..999].iter().all(|state| *state == "stopped"));
    assert_eq!(states[999], "running");
    assert_eq!(lab.qqmgr("list").run().code(0).text().lines().count(), 1001);
}
