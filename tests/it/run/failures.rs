//! Runs that fail: the guest panics or is reset, QEMU dies, or the time is over; and what is kept.

use super::{gone, instances, reachable};
use crate::harness::{Lab, guest_vm, until};
use rustix::process::Signal;
use std::fs;

/// Runs a second command in the guest of the only instance, once the output of the run's command
/// before its `sleep 1000` has arrived: both share a connection.
fn underway(lab: &Lab, command: &str) {
    let name = reachable(lab);
    let sleeps =
        || lab.qqmgr(&format!("ssh {name} \"ps | grep -q '[s]leep 1000'\"")).run().code == 0;
    until("the command is underway", || sleeps().then_some(()));
    // It may never get an answer.
    let mut ssh = lab.qqmgr(&format!("ssh {name} '{command}'")).spawn();
    until("the run is over", || instances(lab).is_empty().then_some(()));
    let _ = ssh.kill();
    ssh.wait().unwrap();
}

#[test]
fn a_guest_that_is_reset() {
    let lab = Lab::new(&guest_vm("a"));
    let json = std::thread::scope(|scope| {
        let run = scope.spawn(|| lab.qqmgr("run a --json -- 'echo begun; sleep 1000'").run());
        underway(&lab, "reboot -f");
        run.join().unwrap().code(125).stderr("").json()
    });
    assert_eq!(json["ended_by"], "guest_reset", "{json}");
    assert_eq!(json["stdout"], "begun\n", "{json}");
    assert!(std::path::Path::new(json["bundle"].as_str().unwrap()).is_dir(), "{json}");
    gone(&lab);
}

#[test]
fn a_kernel_that_panics() {
    let lab = Lab::new(&guest_vm("a"));
    let json = std::thread::scope(|scope| {
        let run = scope.spawn(|| lab.qqmgr("run a --json -- 'echo begun; sleep 1000'").run());
        underway(&lab, "echo c >/proc/sysrq-trigger");
        run.join().unwrap().code(125).stderr("").json()
    });
    assert_eq!(json["ended_by"], "guest_panic", "{json}");
    assert_eq!((&json["stdout"], &json["stderr"]), (&"begun\n".into(), &"".into()), "{json}");
    assert!(json["command_exit_code"].is_null(), "{json}");
    let excerpt = json["excerpt"].as_str().unwrap();
    assert!(excerpt.lines().next().unwrap().contains("Kernel panic - not syncing"), "{json}");
    assert!(excerpt.contains("---[ end Kernel panic"), "{json}");
    let bundle = std::path::PathBuf::from(json["bundle"].as_str().unwrap());
    let story = fs::read_to_string(bundle.join("README")).unwrap();
    assert!(story.contains("panic"), "{story}");
    let serial = fs::read_to_string(bundle.join("serial")).unwrap();
    assert!(serial.contains("Kernel panic - not syncing: sysrq triggered crash"), "{serial}");
    gone(&lab);
}

#[test]
fn a_disk_that_is_full() {
    // A failed read of the guest's disk stands in for a failed write on a full host: a run's writes
    // go elsewhere.
    let full = "-drive driver=blkdebug,inject-error.0.event=none,inject-error.0.iotype=read,\
                inject-error.0.errno=28,image.driver=null-co,if=virtio,rerror=stop -netdev user";
    let lab = Lab::new(&guest_vm("a").replace("-netdev user", full));
    let json = lab.qqmgr("run a --json -- true").run().code(125).stderr("").json();
    assert_eq!(json["ended_by"], "io_error", "{json}");
    let message = json["message"].as_str().unwrap();
    let said = ": QEMU stopped the guest: no space left on the host for virtio0";
    assert!(message.ends_with(said), "{json}");
    gone(&lab);
    lab.qqmgr("start a").run().code(0);
    let status = || lab.qqmgr("status a --json").run().code(0).json();
    until("it stands still", || (status()["state"] == "io-error").then_some(()));
    assert_eq!(status()["state_detail"], "no space left on the host for virtio0");
    let outcome = lab.qqmgr("ssh a -o ConnectTimeout=1 true").run();
    let told = "a: its state is `io-error` (no space left on the host for virtio0); \
                `qqmgr resume a` resumes it\n";
    assert!(String::from_utf8_lossy(&outcome.code(255).stderr).starts_with(told), "{outcome}");
    lab.qqmgr("stop a --force").run().code(0);
}

#[test]
fn a_qemu_that_dies_and_a_time_that_is_over() {
    let lab = Lab::new(&guest_vm("a"));
    std::thread::scope(|scope| {
        let run = scope.spawn(|| lab.qqmgr("run a --json -- 'sleep 1000'").run());
        reachable(&lab);
        lab.qemu().end();
        let json = run.join().unwrap().code(125).stderr("").json();
        assert_eq!(json["ended_by"], "qemu_death", "{json}");
        assert!(fs::metadata(json["bundle"].as_str().unwrap()).unwrap().is_dir());
    });
    gone(&lab);
    let json = lab.qqmgr("run a --json --timeout 300ms -- true").run().code(125).json();
    assert_eq!(json["ended_by"], "timeout", "{json}");
    assert!(json["stdout"].is_null() && json["stderr"].is_null(), "{json}");
    gone(&lab);
    // Long enough for a guest to boot on a slow machine, in both runs at once.
    let line = "run a --timeout 45s -- 'echo begun; echo err >&2; sleep 1000'";
    let late = || lab.qqmgr(line).run();
    let (json, late) = std::thread::scope(|scope| {
        let late = scope.spawn(late);
        (lab.qqmgr(&format!("--json {line}")).run().code(125).json(), late.join().unwrap())
    });
    assert_eq!((&json["stdout"], &json["stderr"]), (&"begun\n".into(), &"err\n".into()), "{json}");
    late.expect(
        125,
        "begun\n",
        &format!(
            "err\nerror: VM `{}`: timed out after 45s waiting for the command to end\n\
             crash bundle: [DIR]/.qqmgr/vm.a/crashes/[BUNDLE]\n",
            String::from_utf8_lossy(&late.stderr).split('`').nth(1).unwrap()
        ),
    );
    gone(&lab);
}

#[test]
fn a_failure_that_is_kept() {
    let lab = Lab::new(&guest_vm("a"));
    lab.qqmgr("run a --keep-on-failure -- true").run().ok("");
    gone(&lab);
    let json = lab.qqmgr("run a --keep-on-failure --json -- 'touch /tmp/here; false'").run();
    let json = json.code(1).json();
    let name = json["kept"].as_str().unwrap();
    lab.qqmgr(&format!("ssh {name} ls /tmp/here")).run().ok("/tmp/here\n");
    lab.qqmgr("gc").run().ok("stopped: none\nremoved: none\n");
    // The instance's keeper would end a VM that was started in its place.
    for verb in ["start", "start --ttl 1h", "restart"] {
        lab.qqmgr(&format!("{verb} {name}")).run().expect(
            2,
            "",
            &format!(
                "error: `{name}` is a throwaway instance, which can't be started again\n\
                 hint: start another one: qqmgr run a\n"
            ),
        );
    }
    lab.qqmgr(&format!("ssh {name} true")).run().ok("");
    lab.qqmgr(&format!("stop {name}")).run().code(0);
    gone(&lab);
    // A run that is killed before it fails has nothing to keep.
    let run = lab.qqmgr("run a --keep-on-failure -- false").in_pipe();
    until("QEMU runs", || lab.qemus().pop());
    run.signal(Signal::KILL);
    gone(&lab);
    // `gc` removes the remains if the keeper was killed.
    let json = lab.qqmgr("run a --keep-on-failure --json -- false").run().code(1).json();
    let name = json["kept"].as_str().unwrap();
    let processes = lab.processes();
    let keeper = processes.iter().find(|process| process.args[0] == "qqmgr-keeper").unwrap();
    keeper.signal(Signal::KILL);
    let lives = || lab.processes().iter().any(|process| process.pid == keeper.pid);
    until("the keeper is gone", || (!lives()).then_some(()));
    lab.qqmgr("gc").run().ok(&format!("stopped: {name}\nremoved: {name}\n"));
    lab.nobody_is_left();
    assert!(instances(&lab).is_empty());
}
