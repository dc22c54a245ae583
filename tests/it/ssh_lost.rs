//! Connections that the guest no longer knows: it was reset, restored from a snapshot, or is gone;
//! and sessions of a paused guest.

use crate::harness::{Lab, guest_vm};
use std::time::{Duration, Instant};

/// A guest with a disk that can hold a snapshot.
fn lab() -> Lab {
    let disk = "-drive file=disk.qcow2,if=none,id=d -netdev user";
    let lab = Lab::new(&guest_vm("a").replace("-netdev user", disk));
    let image = ["create", "-q", "-f", "qcow2", "disk.qcow2", "10M"];
    lab.program("qemu-img").args(image).run().code(0);
    lab
}

#[test]
fn the_guest_is_put_back_reset_and_gone() {
    let lab = lab();
    lab.write("file", "");
    lab.qqmgr("start a --wait").run().code(0);
    lab.qqmgr("monitor a savevm s").run().code(0);
    for line in [
        "ssh a true",
        "put a file /tmp/",
        "get a /etc/hostname .",
        "wait a --for ssh",
        "wait a --for file:/etc/hostname",
    ] {
        // This makes a connection that can be lost.
        lab.qqmgr("ssh a true").run().ok("");
        lab.qqmgr("monitor a loadvm s").run().code(0);
        // Without a new connection this would take minutes, and the test with it.
        let begun = Instant::now();
        lab.qqmgr(line).run().code(0).stderr("");
        assert!(begun.elapsed() < Duration::from_secs(60), "{line}: {:?}", begun.elapsed());
    }
    // No session hangs when its guest goes without a word.
    for (line, what) in [
        ("ssh a reboot -f", "the guest was reset"),
        ("ssh a echo c >/proc/sysrq-trigger", "the guest panicked: sysrq triggered crash"),
        ("ssh a -S none poweroff -f", "the guest powered down"),
    ] {
        lab.qqmgr("wait a --for ssh").run().code(0);
        let session = || lab.qqmgr(line).run();
        let outcome = if what.ends_with("down") { lab.qemu().ends(session) } else { session() };
        assert_eq!(outcome.code, 255, "{outcome}");
        let stderr = String::from_utf8_lossy(&outcome.stderr).into_owned();
        assert!(stderr.ends_with(&format!("a: {what}\n")) || what.ends_with("down"), "{outcome}");
        if what.ends_with("crash") {
            lab.qqmgr("restart a --reset").run().code(0);
        }
    }
    lab.nobody_is_left();
}

#[test]
fn a_session_of_a_guest_that_stands_still_ends_when_it_is_told_to() {
    let lab = lab();
    lab.qqmgr("start a --wait").run().code(0);
    lab.qqmgr("ssh a true").run().ok("");
    lab.qqmgr("monitor a stop").run().code(0);
    // The reader of the pipe sees its end.
    let line = "{ timeout 1 \"$0\" ssh a true; echo $?; } | cat";
    let outcome = lab.program("sh").args(["-c", line, env!("CARGO_BIN_EXE_qqmgr")]).run();
    let told = "a: its state is `paused`; `qqmgr resume a` resumes it\n";
    outcome.expect(0, "124\n", told);
    // The shared connection works again when the guest resumes.
    lab.qqmgr("monitor a cont").run().code(0);
    lab.qqmgr("ssh a true").run().ok("");
    lab.qqmgr("stop a --force").run().code(0);
    lab.nobody_is_left();
}
