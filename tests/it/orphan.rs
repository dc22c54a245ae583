//! VMs whose runtime directory was removed while they ran, for example by `git clean -fdx`.

use crate::harness::{Lab, NO_GUEST, fake_qemu, until, vm};
use std::fs;

const REMOVED: &str = "VM `a` is running (pid [PID]), but its runtime directory was removed";
const HINT: &str = "hint: it can only be stopped: qqmgr stop a\n";
const NOTE: &str = "a: its runtime directory was removed, and its QMP socket with it\n";

/// A running VM whose directory is gone.
fn orphaned(script: &str) -> Lab {
    let lab = Lab::new(&fake_qemu("a", script));
    lab.qqmgr("start a").run().code(0);
    fs::remove_dir_all(lab.path(".qqmgr")).unwrap();
    lab
}

#[test]
fn it_is_seen_and_no_second_one_is_started() {
    let lab = orphaned("");
    let qemus = lab.qemus();
    let list = lab.qqmgr("list").run();
    list.code(0).stderr(&format!("{REMOVED}\n"));
    assert!(list.text().contains("a     unknown"), "{list}");
    let status = lab.qqmgr("status a").run();
    assert!(
        status.code(0).stderr("").text().contains("\n  note     VM `a` is running"),
        "{status}"
    );
    let json = lab.qqmgr("status a --json --exit-code").run().code(0).json();
    assert_eq!((&json["state"], &json["pid"]), (&"unknown".into(), &qemus[0].into()));
    assert!(json["error"].as_str().unwrap().ends_with("directory was removed"), "{json}");
    let refused = format!("error: {REMOVED}\n{HINT}");
    for line in ["start a", "events a", "console a", "gdb a --guest --print", "restart a --reset"] {
        lab.qqmgr(line).run().expect(4, "", &refused);
    }
    let json = lab.qqmgr("start a --json").run().code(4).json();
    assert_eq!(json["error"]["code"], "runtime_dir_removed");
    assert_eq!(lab.qemus(), qemus);
}

#[test]
fn it_is_ended_without_its_sockets() {
    for (script, line, how, notes) in [
        ("", "stop a", "SIGTERM", NOTE),
        ("", "stop --all --force", "SIGTERM", NOTE),
        ("ignore-term", "stop a", "SIGKILL", NOTE),
        ("", "kill a", "SIGKILL", NOTE),
    ] {
        let lab = orphaned(script);
        let said = format!("a: stopped (pid [PID]) after [SECONDS]: {how}\n");
        lab.qqmgr(line).run().expect(0, &said, notes);
        assert!(lab.processes().is_empty(), "{:?}", lab.processes());
        lab.qqmgr("stop a").run().ok("a: is not running\n");
        lab.qqmgr("start a").run().ok("a: started (pid [PID]), SSH on port [PORT]\n");
    }
}

#[test]
fn its_lease_and_a_restart_end_it() {
    let lab = Lab::new(&fake_qemu("a", ""));
    lab.qqmgr("start a --ttl 2s").run().code(0);
    fs::remove_dir_all(lab.path(".qqmgr")).unwrap();
    crate::harness::until("nobody is left", || lab.processes().is_empty().then_some(()));
    let lab = orphaned("");
    let before = lab.qemus();
    let restarted = lab.qqmgr("restart a").run();
    restarted.code(0).stdout("a: started (pid [PID]), SSH on port [PORT]\n");
    assert_eq!(lab.qemus().len(), 1);
    assert_ne!(lab.qemus(), before);
}

#[test]
fn a_wrapper_is_not_taken_for_it() {
    let lab = Lab::empty();
    let bin = lab.script("wrapper", "\"$QEMU\" \"$@\"");
    let config = fake_qemu("a", "");
    let qemu = config.split('"').nth(1).unwrap();
    let wrapped = config.replace(qemu, bin.to_str().unwrap());
    lab.write("qqmgr.toml", wrapped.replace("env = {", &format!("env = {{ QEMU = \"{qemu}\",")));
    let pid = lab.qqmgr("start a --json").run().code(0).json()["pid"].clone();
    assert_eq!(lab.qemus().len(), 2);
    fs::remove_dir_all(lab.path(".qqmgr")).unwrap();
    let stopped = lab.qqmgr("stop a --json").run().code(0).json();
    assert_eq!((&stopped["pid"], &stopped["method"]), (&pid, &"sigterm".into()));
    crate::harness::until("its wrapper is gone", || lab.processes().is_empty().then_some(()));
}

#[test]
fn git_leaves_its_directory_alone() {
    let lab = Lab::new(&vm("a", "-nonsense"));
    lab.qqmgr("start a").run().code(1);
    assert_eq!(lab.read(".qqmgr/.gitignore"), "*\n");
    // The user's own version stays.
    lab.write(".qqmgr/.gitignore", "vm.*\n");
    lab.qqmgr("start a").run().code(1);
    assert_eq!(lab.read(".qqmgr/.gitignore"), "vm.*\n");
    // A directory that contains more than VMs gets none.
    lab.write("other.toml", vm("a", "-nonsense"));
    lab.qqmgr("-c other.toml start a").run().code(1);
    assert!(!lab.path(".gitignore").exists());
}

/// Other programs have QEMU's words on their command lines: strace, timeout, ssh, a shell.
#[test]
fn a_stranger_with_its_words_is_left_alone() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    let pidfile = lab.vm_file("a", "pid").display().to_string();
    let mut stranger =
        lab.program("sh").args(["-c", "sleep 1000; :", "-pidfile", &pidfile]).spawn();
    until("it is there", || (lab.qemus() == [stranger.id()]).then_some(()));
    assert_eq!(lab.qqmgr("status a --json").run().code(0).json()["state"], "stopped");
    lab.qqmgr("stop a").run().ok("a: is not running\n");
    lab.qqmgr("kill a").run().ok("a: is not running\n");
    assert!(stranger.try_wait().unwrap().is_none());
    lab.qqmgr("start a").run().code(0).stderr("");
    lab.qqmgr("stop a --force").run().code(0);
    assert!(stranger.try_wait().unwrap().is_none());
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}
