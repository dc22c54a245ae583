//! `restart`: stop and start again with the same arguments, or a reset of the machine.

use crate::events::{Listener, Qmp};
use crate::harness::{Lab, NO_GUEST, fake_qemu, free_port, guest_file, guest_vm, until, vm};
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
    // This also works for a stopped VM: its last start counts.
    lab.qqmgr("restart a").run().expect(
        0,
        "a: started (pid [PID]), SSH on port [PORT]\n",
        "a: is not running\n",
    );
    assert_eq!(lab.processes()[0].args.last().unwrap(), "-S");
}

/// A restart that can't succeed stops no VM.
#[test]
fn looks_before_it_stops_the_vm() {
    let lab = Lab::new(&vm("a", &format!("{NO_GUEST} -kernel bzImage")));
    lab.write("bzImage", std::fs::read(guest_file("vmlinuz")).unwrap());
    lab.qqmgr("start a").run().code(0);
    let before = lab.qemus();
    let config = lab.read("qqmgr.toml");
    std::fs::rename(lab.path("bzImage"), lab.path("away")).unwrap();
    lab.qqmgr("restart a").run().expect(
        1,
        "",
        "error: VM `a` was not stopped, because it would not start again: [DIR]/bzImage does not exist\n \
         --> [DIR]/qqmgr.toml:2:74\n  |\n\
         2 | cmd = ['''-nodefaults -machine q35,accel=tcg -m 64 -display none -kernel bzImage''']\n  |                                                                          ^^^^^^^\n",
    );
    let json = lab.qqmgr("restart a --json").run().code(1).stderr("").json();
    assert_eq!(json["error"]["code"], "start_would_fail", "{json}");
    std::fs::rename(lab.path("away"), lab.path("bzImage")).unwrap();
    for (new, message) in [
        ("-kernel bzImage -device nvmee", "QEMU has no device `nvmee`"),
        ("-kernel bzImage -smp", "`-smp` needs a value"),
        ("-kernel bzImage {{.x}}", "there is no variable `{{.x}}`"),
    ] {
        lab.write("qqmgr.toml", config.replace("-kernel bzImage", new));
        let json = lab.qqmgr("restart a --json").run().stderr("").json();
        let told = json["error"]["message"].as_str().unwrap();
        assert!(told.ends_with(message), "{new}: {told}");
        assert_eq!(lab.qemus(), before, "{new}");
    }
    lab.write("qqmgr.toml", config.replace("cmd =", "bin = './qemu'\ncmd ="));
    let json = lab.qqmgr("restart a --json").run().code(1).json();
    let told = json["error"]["message"].as_str().unwrap();
    assert!(told.contains("can't run `./qemu`: No such file or directory"), "{told}");
    assert_eq!(lab.qemus(), before);
    // The VM's own port and image, or an overridden option, do not prevent a restart.
    lab.write("disk.img", vec![0; 1 << 20]);
    let forward = format!("hostfwd=tcp:127.0.0.1:{}-:22", free_port());
    let more = format!("-hda disk.img -nic user,{forward} -kernel none");
    lab.write("qqmgr.toml", config.replace("-kernel bzImage", &more));
    lab.qqmgr("stop a --force").run().code(0);
    lab.qqmgr("start a -- -kernel bzImage").run().code(0);
    lab.qqmgr("restart a --timeout 1s").run().code(0);
    let before = lab.qemus();
    let json = lab.qqmgr("restart a --json -- -kernel bzImage -foo").run().code(1).json();
    let told = json["error"]["message"].as_str().unwrap();
    assert!(told.ends_with("QEMU has no option `-foo`"), "{told}");
    assert_eq!(lab.qemus(), before);
    // New arguments replace those of the last start.
    lab.qqmgr("restart a -- -name b").run().code(1);
    assert_eq!(lab.qemus(), before);
    lab.qqmgr("restart a --timeout 1s -- -kernel bzImage -name b").run().code(0);
}

/// QEMU accepts the options that it was started with, even if its help does not list them.
#[test]
fn a_wrapper_with_options_of_its_own() {
    let config = vm("a", NO_GUEST);
    let lab = Lab::new(&config.replace("cmd = ['''", "bin = './wrap'\ncmd = ['''--build "));
    lab.script("wrap", "[ $1 = --build ] && shift\nexec qemu-system-x86_64 \"$@\"");
    let found = lab.qqmgr("check --json").run().json();
    assert_eq!(found["findings"][1]["code"], "unknown_option", "{found}");
    lab.qqmgr("start a").run().code(0);
    for more in ["", " -name b"] {
        let config = lab.read("qqmgr.toml");
        lab.write("qqmgr.toml", config.replace(" -display none", &format!(" -display none{more}")));
        lab.qqmgr("restart a --timeout 1s").run().code(0);
    }
}

#[test]
fn says_that_the_vm_is_stopped_if_the_start_fails_all_the_same() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.qqmgr("start a").run().code(0);
    // The checks don't read the value of `-m`.
    lab.write("qqmgr.toml", vm("a", &format!("{NO_GUEST} -m 1x")));
    let outcome = lab.qqmgr("restart a --timeout 1s").run();
    outcome.code(1).stdout("");
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    let begin = "error: VM `a` was stopped, but not started again: VM `a` did not start: QEMU exited with code 1: ";
    assert!(stderr.starts_with(begin), "{outcome}");
    assert!(stderr.contains("crash bundle: "), "{outcome}");
    assert!(lab.qemus().is_empty());
    // If the VM was not running, the message does not say that it is stopped now.
    let json = lab.qqmgr("restart a --json").run().code(1).json();
    assert_eq!(json["error"]["code"], "qemu_failed");
    assert!(json["error"]["message"].as_str().unwrap().starts_with("VM `a` did not start: "));
    assert!(json["error"]["bundle"].is_string(), "{json}");
}

#[test]
fn with_other_arguments() {
    let lab = Lab::new(&fake_qemu("a", ""));
    lab.qqmgr("start a -- -name one").run().code(0);
    let ends = |words: &[&str]| {
        lab.qemu().args.ends_with(&words.iter().map(|w| (*w).into()).collect::<Vec<String>>())
    };
    for (line, words) in [
        ("restart a -- -S -name two", &["-S", "-name", "two"][..]),
        ("restart a", &["-S", "-name", "two"]),
    ] {
        lab.qqmgr(line).run().code(0);
        assert!(ends(words), "{line}: {:?}", lab.qemu());
    }
    // An option that qqmgr sets itself is refused before the VM is stopped.
    lab.qqmgr("restart a -- -qmp stdio").run().code(2);
    lab.qqmgr("restart a --reset -- -S").run().code(2);
    assert!(ends(&["two"]));
    lab.qqmgr("restart a --").run().code(0);
    assert!(!lab.qemu().args.iter().any(|word| word == "-name"), "{:?}", lab.qemu());
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
    // A config with new errors changes nothing.
    let config = lab.read("qqmgr.toml");
    lab.write("qqmgr.toml", config.replace("cmd = []", "cmd = ['{{.nothing}}']"));
    lab.qqmgr("restart a").run().code(3);
    assert_eq!(lease(), after);
    lab.write("qqmgr.toml", config);
    // A VM that has ended has no lease to keep.
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
    // The firmware causes resets of its own.
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
    // A panic in the previous boot does not count for this one.
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
    // The previous boot's output does not count for this one.
    let stale = lab.qqmgr("wait a --for 'serial:panic - not syncing' --timeout 500ms").run();
    stale.code(5);
    lab.qqmgr("restart a --reset").run().ok("a: reset (pid [PID])\n");
    until("its connection has ended", || (masters() == 0).then_some(()));
    lab.qqmgr("stop a --force").run().code(0);
}
