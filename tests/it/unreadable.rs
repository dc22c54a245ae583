//! A file that exists but can't be read is an error, and never counts as missing.

use crate::harness::{Lab, NO_GUEST, fake_qemu, vm};
use std::fs;
use std::os::unix::fs::symlink;

#[test]
fn a_runtime_directory() {
    let lab = Lab::new("");
    lab.write(".qqmgr", "");
    for line in ["list", "gc", "stop --all", "kill a", "status a", "ssh-config --all"] {
        let told = "error: can't read \"[DIR]/.qqmgr\": Not a directory\n";
        lab.qqmgr(line).run().expect(1, "", told);
    }
    assert_eq!(lab.qqmgr("list --json").run().code(1).json()["error"]["code"], "file");
}

#[test]
fn the_runs_of_a_vm() {
    for config in [vm("a", NO_GUEST), String::new()] {
        let lab = Lab::new(&config);
        lab.write(".qqmgr/vm.a/runs", "");
        for line in ["list", "gc", "stop --all"] {
            let told = "error: can't read \"[DIR]/.qqmgr/vm.a/runs\": Not a directory\n";
            lab.qqmgr(line).run().expect(1, "", told);
        }
    }
}

#[test]
fn the_pidfile_of_a_vm_that_the_config_no_longer_has() {
    let lab = Lab::new(&fake_qemu("old", ""));
    lab.qqmgr("start old").run().code(0);
    lab.write("qqmgr.toml", "");
    let (pidfile, aside) = (lab.vm_file("old", "pid"), lab.vm_file("old", "aside"));
    fs::rename(&pidfile, &aside).unwrap();
    symlink("aside", &pidfile).unwrap();
    let told =
        "VM `old`: can't read \"[DIR]/.qqmgr/vm.old/pid\": Too many levels of symbolic links\n";
    let listed = lab.qqmgr("list").run();
    assert!(listed.code(0).stderr(told).text().contains("\nold   unknown"), "{listed}");
    lab.qqmgr("stop --all").run().expect(1, "", &format!("error: {told}"));
    fs::rename(&aside, &pidfile).unwrap();
    lab.qqmgr("stop --all").run().code(0);
    assert!(lab.qemus().is_empty());
}

#[test]
fn a_lease() {
    let lab = Lab::new(&fake_qemu("a", ""));
    lab.qqmgr("start a --ttl 1h").run().code(0);
    let keeper = lab.processes().into_iter().find(|process| process.args[0] == "qqmgr-keeper");
    keeper.unwrap().end();
    let lease = lab.vm_file("a", "lease.json");
    for text in ["", "{\"expires_at\":true}"] {
        fs::write(&lease, text).unwrap();
        let gc = lab.qqmgr("gc --json").run().code(1).json();
        assert_eq!(gc["failed"][0]["name"], "a", "{gc}");
        lab.qqmgr("status a").run().code(1).stdout("");
        lab.qqmgr("list").run().code(0);
    }
    lab.qqmgr("stop a").run().code(0);
}

#[test]
fn what_a_vm_was_started_with() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.qqmgr("start a -- -S").run().code(0);
    let before = lab.qemu().pid;
    let record = lab.vm_file("a", "launch.json");
    fs::rename(&record, lab.vm_file("a", "aside")).unwrap();
    fs::create_dir(&record).unwrap();
    let told = "error: can't read \"[DIR]/.qqmgr/vm.a/launch.json\": Is a directory\n";
    for line in ["restart a", "restart a --reset", "start a"] {
        lab.qqmgr(line).run().expect(1, "", told);
    }
    // It may belong to another config file.
    lab.write("qqmgr.toml", "");
    for line in ["list", "gc", "stop --all", "stop a"] {
        lab.qqmgr(line).run().expect(1, "", told);
    }
    assert_eq!(lab.qemu().pid, before);
}
