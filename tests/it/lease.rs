//! `start --ttl`, `start --owner-pid` and `gc`: VMs that end by themselves, and their keepers.

use crate::harness::{Lab, NO_GUEST, fake_qemu, until, vm};
use rustix::process::Signal;
use std::time::{SystemTime, UNIX_EPOCH};

/// The living keepers, by their pids.
fn keepers(lab: &Lab) -> Vec<u32> {
    let is_keeper = |args: &[String]| args.get(1).is_some_and(|verb| verb == "keep");
    let found = lab.processes().into_iter().filter(|process| is_keeper(&process.args));
    found.map(|process| process.pid).collect()
}

fn kill_keepers(lab: &Lab) {
    let pids = keepers(lab);
    assert!(!pids.is_empty(), "there is no keeper");
    let found = lab.processes().into_iter().filter(|process| pids.contains(&process.pid));
    found.for_each(|process| process.signal(Signal::KILL));
    until("the keepers are gone", || keepers(lab).is_empty().then_some(()));
}

fn nobody(lab: &Lab) {
    until("nobody is left", || lab.processes().is_empty().then_some(()));
}

/// Returns when a VM's lease is written and kept.
fn kept(lab: &Lab, vm: &str) {
    let record = || std::fs::read_to_string(lab.vm_file(vm, "lease.json")).unwrap_or_default();
    until("its lease is written", || record().ends_with('}').then_some(()));
}

#[test]
fn no_lease_no_keeper() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.qqmgr("start a --owner-pid 4194303").run().expect(
        2,
        "",
        "error: there is no process 4194303\n",
    );
    assert!(!lab.path(".qqmgr").exists());
    lab.qqmgr("start a").run().code(0);
    assert_eq!(lab.processes().len(), 1, "{:?}", lab.processes());
    lab.qqmgr("gc").run().ok("stopped: none\nremoved: none\n");
    assert_eq!(lab.qemus().len(), 1);
}

#[test]
fn the_time_is_over() {
    let lab = Lab::new(&(fake_qemu("a", "") + &fake_qemu("b", "")));
    lab.qqmgr("start a b --ttl 1s").run().code(0);
    assert_eq!(keepers(&lab).len(), 2);
    for name in ["a", "b"] {
        lab.qqmgr(&format!("wait {name} --for stopped --timeout 20s")).run().code(0);
    }
    nobody(&lab);
    assert!(!lab.vm_file("a", "pid").exists() && !lab.vm_file("a", "qmp.socket").exists());
}

#[test]
fn the_owner_is_gone() {
    let lab = Lab::new(&fake_qemu("a", ""));
    let mut owner = lab.program("sleep").args(["1000"]).spawn();
    lab.qqmgr(&format!("start a --owner-pid {} --ttl 1h", owner.id())).run().code(0);
    kept(&lab, "a");
    lab.qqmgr("gc --json").run().ok("{\"stopped\":[],\"removed\":[]}\n");
    assert_eq!(lab.qemus().len(), 1);
    owner.kill().unwrap();
    owner.wait().unwrap();
    nobody(&lab);
}

#[test]
fn a_keeper_ends_with_its_vm() {
    let lab = Lab::new(&(vm("a", NO_GUEST) + &vm("bad", "-machine nonsense")));
    for stop in ["stop a --force", "kill a"] {
        lab.qqmgr("start a --ttl 1h").run().code(0);
        assert_eq!(keepers(&lab).len(), 1);
        lab.qqmgr(stop).run().code(0);
        nobody(&lab);
    }
    lab.qqmgr("start bad --ttl 1h").run().code(1);
    nobody(&lab);
    // The lease of a life before is not for this one.
    std::fs::remove_file(lab.vm_file("a", "lease.json")).unwrap();
    lab.qqmgr("start a --ttl 1s").run().code(0);
    kept(&lab, "a");
    kill_keepers(&lab);
    lab.qqmgr("kill a").run().code(0);
    lab.qqmgr("start a").run().code(0);
    let lease: serde_json::Value =
        serde_json::from_str(&lab.read(".qqmgr/vm.a/lease.json")).unwrap();
    until("that lease is over", || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        (now.as_secs() > lease["expires_at"].as_u64().unwrap()).then_some(())
    });
    lab.qqmgr("gc").run().ok("stopped: none\nremoved: none\n");
    assert_eq!(lab.qemus().len(), 1);
}

#[test]
fn gc_does_what_a_killed_keeper_can_not() {
    let lab = Lab::new(&(fake_qemu("a", "") + &fake_qemu("b", "") + &fake_qemu("c", "")));
    let mut owner = lab.program("sleep").args(["1000"]).spawn();
    lab.qqmgr(&format!("start a --owner-pid {}", owner.id())).run().code(0);
    lab.qqmgr("start b --ttl 1h").run().code(0);
    lab.qqmgr("start c").run().code(0);
    kept(&lab, "a");
    kept(&lab, "b");
    kill_keepers(&lab);
    lab.qqmgr("gc").run().ok("stopped: none\nremoved: none\n");
    assert_eq!(lab.qemus().len(), 3);
    owner.kill().unwrap();
    owner.wait().unwrap();
    lab.qqmgr("status a --exit-code").run().code(0);
    lab.qqmgr("gc").run().ok("stopped: a\nremoved: none\n");
    lab.qqmgr("gc --json").run().ok("{\"stopped\":[],\"removed\":[]}\n");
    lab.qqmgr("status a --exit-code").run().code(4);
    assert_eq!(lab.qemus().len(), 2);
}

#[test]
fn gc_after_the_time_is_over() {
    let lab = Lab::new(&fake_qemu("a", ""));
    lab.qqmgr("start a --ttl 1s").run().code(0);
    kept(&lab, "a");
    kill_keepers(&lab);
    until("its time is over", || {
        assert_eq!(
            lab.qqmgr("gc --json").run().code(0).json()["removed"].as_array().unwrap().len(),
            0
        );
        lab.qemus().is_empty().then_some(())
    });
    nobody(&lab);
}

#[test]
fn a_vm_that_runs_already_keeps_its_lease() {
    let lab = Lab::new(&(vm("a", NO_GUEST) + &vm("b", NO_GUEST)));
    lab.qqmgr("start a").run().code(0);
    lab.qqmgr("start a --ttl 1s")
        .run()
        .ok("a: is running already (pid [PID]), SSH on port [PORT]\n");
    assert!(keepers(&lab).is_empty());
    assert!(!lab.vm_file("a", "lease.json").exists());
    lab.qqmgr("start b --ttl 1h").run().code(0);
    kept(&lab, "b");
    let (lease, keeper) = (lab.read(".qqmgr/vm.b/lease.json"), keepers(&lab));
    lab.qqmgr("start b --ttl 1s").run().code(0);
    assert_eq!(lab.read(".qqmgr/vm.b/lease.json"), lease);
    assert_eq!(keepers(&lab), keeper);
}
