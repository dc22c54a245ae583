//! `restart`: stop and start again as before, or a reset in place.

use crate::events::{Listener, Qmp};
use crate::harness::{Lab, NO_GUEST, fake_qemu, guest_vm, until, vm};
use serde_json::Value;
use std::time::{Duration, Instant};

#[test]
fn with_the_arguments_that_it_was_started_with() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.qqmgr("start a -- -name 'my vm' -S").run().code(0);
    let before = lab.qemus();
    let outcome = lab.qqmgr("restart a").run();
    outcome.code(0).stdout("a: started (pid [PID]), SSH on port [PORT]\n");
    let after = lab.processes();
    assert_eq!(after.len(), 1, "{after:?}");
    assert_ne!(vec![after[0].pid], before);
    assert_eq!(after[0].args[after[0].args.len() - 3..], ["-name", "my vm", "-S"]);
    lab.qqmgr("kill a").run().code(0);
    // Even of one that is stopped: it is the last start that counts.
    lab.qqmgr("restart a").run().expect(
        0,
        "a: started (pid [PID]), SSH on port [PORT]\n",
        "a: is not running\n",
    );
    assert_eq!(lab.processes()[0].args.last().unwrap(), "-S");
}

#[test]
fn its_lease_goes_on() {
    let lab = Lab::new(&fake_qemu("a", ""));
    let mut owner = lab.program("sleep").args(["1000"]).spawn();
    lab.qqmgr(&format!("start a --ttl 1h --owner-pid {}", owner.id())).run().code(0);
    let lease = || -> Value { serde_json::from_str(&lab.read(".qqmgr/vm.a/lease.json")).unwrap() };
    let before = lease();
    lab.qqmgr("restart a").run().code(0).stdout(
        "a: started (pid [PID]), SSH on port [PORT]; ends in [TIME] or with process [PID]\n",
    );
    let after = lease();
    assert_eq!(after["expires_at"], before["expires_at"]);
    assert_eq!(after["owner"], before["owner"]);
    assert_eq!(after["vm"]["pid"], lab.qemus()[0]);
    // A config that became wrong changes nothing.
    let config = lab.read("qqmgr.toml");
    lab.write("qqmgr.toml", config.replace("cmd = []", "cmd = ['{{.nothing}}']"));
    lab.qqmgr("restart a").run().code(3);
    assert_eq!(lease(), after);
    lab.write("qqmgr.toml", config);
    // Of one that has ended there is no lease to go on.
    owner.kill().unwrap();
    owner.wait().unwrap();
    until("nobody is left", || lab.processes().is_empty().then_some(()));
    lab.qqmgr("restart a").run().code(0).stdout("a: started (pid [PID]), SSH on port [PORT]\n");
    assert_eq!(lab.processes().len(), 1, "{:?}", lab.processes());
}

#[test]
fn the_time_is_over_all_the_same() {
    let lab = Lab::new(&fake_qemu("a", ""));
    lab.qqmgr("start a --ttl 10s").run().code(0);
    lab.qqmgr("restart a").run().code(0);
    lab.qqmgr("wait a --for stopped --timeout 120s").run().code(0);
    until("nobody is left", || lab.processes().is_empty().then_some(()));
}

#[test]
fn a_guest_that_does_not_power_down_has_its_time_to_come_up() {
    let lab = Lab::new(&fake_qemu("a", "ignore-powerdown"));
    lab.qqmgr("start a").run().code(0);
    let time = Duration::from_secs(2);
    let begun = Instant::now();
    let json = lab.qqmgr("restart a --wait --timeout 2s --json").run().code(5).json();
    assert!(json["error"]["bundle"].is_string(), "{json}");
    assert!(begun.elapsed() >= 2 * time, "{:?}", begun.elapsed());
}

#[test]
fn one_that_was_never_started() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.qqmgr("restart a --reset").run().expect(
        4,
        "",
        "error: VM `a` is not running\nhint: start it: qqmgr start a\n",
    );
    let json = lab.qqmgr("restart a --json").run();
    json.ok("{\"name\":\"a\",\"pid\":[PID],\"already_running\":false,\"ssh_port\":[PORT],\"ports\":{},\
             \"ignored_args\":[],\"warnings\":[],\"lease\":null,\"held\":[],\"seconds\":[SECONDS]}\n");
    lab.qqmgr("restart nobody").run().code(4);
}

#[test]
fn a_reset_in_place() {
    let lab = Lab::new(&guest_vm("a"));
    lab.qqmgr("start a --for 'serial:qqmgr guest: ready'").run().code(0);
    let pid = lab.qemus();
    let listener = Listener::start(&lab, "events", "");
    let mut qmp = Qmp::open(&lab);
    until("the listener hears", || {
        qmp.run(&["stop", "cont"]);
        (!listener.events().is_empty()).then_some(())
    });
    drop(qmp);
    let boots = || lab.read(".qqmgr/vm.a/serial").matches("qqmgr guest: ready").count();
    // The firmware adds resets of its own.
    let ours = |event: &Value| event["data"]["reason"] == "host-qmp-system-reset";
    let resets = || listener.events().iter().filter(|event| ours(event)).count();
    assert_eq!((boots(), resets()), (1, 0));
    let json = lab.qqmgr("restart a --reset --json").run();
    json.ok("{\"name\":\"a\",\"pid\":[PID],\"reset\":true,\"held\":[],\"seconds\":[SECONDS]}\n");
    lab.qqmgr("wait a --for ssh").run().code(0);
    assert_eq!(boots(), 2);
    until("the reset is told", || (resets() == 1).then_some(()));
    assert_eq!(lab.qemus(), pid);
    let again = lab.qqmgr("restart a --wait").run();
    again.code(0);
    assert_eq!(boots(), 1);
    assert_ne!(lab.qemus(), pid);
    lab.qqmgr("stop a").run().code(0);
}

#[test]
fn a_reset_is_waited_for() {
    let lab = Lab::new(&guest_vm("a"));
    lab.qqmgr("start a --wait").run().code(0);
    // A panic of the boot before is none of this one's.
    lab.qqmgr("ssh a 'echo Kernel panic - not syncing: before >/dev/ttyS0'").run().code(0);
    let timeline = || lab.qqmgr("timeline a --json").run().code(0).json();
    let before = timeline();
    let masters = || lab.processes().into_iter().filter(|p| p.args[0].starts_with("ssh:")).count();
    assert_eq!(masters(), 1);
    lab.qqmgr("restart a --reset --wait").run().ok("a: reset (pid [PID]); after [SECONDS]: ssh\n");
    assert_eq!(lab.read(".qqmgr/vm.a/serial").matches("qqmgr guest: ready").count(), 2);
    assert_eq!(masters(), 1);
    lab.qqmgr("ssh a cat /proc/uptime").run().code(0).stderr("");
    let after = timeline();
    let key = |key: &str| (before[key].as_f64().unwrap(), after[key].as_f64().unwrap());
    assert!(key("spawned_at").0 + key("ssh").0 < key("spawned_at").1, "{before} {after}");
    assert!(key("ssh").1 > 0.0 && key("serial").1 > 0.0, "{after}");
    // What the boot before has said does not hold for this one.
    let stale = lab.qqmgr("wait a --for 'serial:panic - not syncing' --timeout 500ms").run();
    stale.code(5);
    lab.qqmgr("restart a --reset").run().ok("a: reset (pid [PID])\n");
    until("its connection has ended", || (masters() == 0).then_some(()));
    lab.qqmgr("stop a --force").run().code(0);
}
