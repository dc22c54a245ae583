//! `start --ttl`, `start --owner-pid` and `gc`: VMs that end by themselves, and their keepers.

use crate::harness::{Lab, NO_GUEST, fake_qemu, until, vm};
use crate::races::at_once;
use rustix::fs::FlockOperation;
use rustix::process::Signal;
use serde_json::Value;
use std::fs::File;
use std::time::{SystemTime, UNIX_EPOCH};

/// The living keepers, by their pids.
fn keepers(lab: &Lab) -> Vec<u32> {
    let is_keeper = |args: &[String]| args.first().is_some_and(|name| name == "qqmgr-keeper");
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

/// The record of a lease of `a` whose time is over.
fn expired(lab: &Lab) -> String {
    let mut lease: Value = serde_json::from_str(&lab.read(".qqmgr/vm.a/lease.json")).unwrap();
    assert!(lease["expires_at"].is_f64(), "{lease}");
    lease["expires_at"] = 1.into();
    lease.to_string()
}

fn nobody(lab: &Lab) {
    until("nobody is left", || lab.processes().is_empty().then_some(()));
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
    lab.qqmgr("start a b --ttl 1h").run().code(0);
    assert_eq!(keepers(&lab).len(), 2);
    lab.qqmgr("start a b --ttl 1s").run().code(0);
    for name in ["a", "b"] {
        lab.qqmgr(&format!("wait {name} --for stopped --timeout 120s")).run().code(0);
    }
    nobody(&lab);
    assert!(!lab.vm_file("a", "pid").exists() && !lab.vm_file("a", "qmp.socket").exists());
}

#[test]
fn a_keeper_is_woken_by_the_clock() {
    let lab = Lab::new(&fake_qemu("a", ""));
    lab.qqmgr("start a --ttl 1h").run().code(0);
    // CLOCK_REALTIME is 0 and TFD_TIMER_ABSTIME is 1 (proc_pid_fdinfo(5)).
    let is_timer =
        |info: &str| info.contains("clockid: 0\n") && info.contains("settime flags: 01\n");
    let dir = format!("/proc/{}/fdinfo", keepers(&lab)[0]);
    until("its timer is set", || {
        let open = std::fs::read_dir(&dir).unwrap().flatten();
        let mut infos = open.filter_map(|fd| std::fs::read_to_string(fd.path()).ok());
        infos.any(|info| is_timer(&info)).then_some(())
    });
}

#[test]
fn a_keeper_that_comes_late_leaves_the_next_process_alone() {
    let lab = Lab::new(&fake_qemu("a", ""));
    lab.qqmgr("start a --ttl 5s").run().code(0);
    let (first, keeper) = (lab.qemu(), keepers(&lab)[0]);
    let lock = File::open(lab.vm_file("a", "lock")).unwrap();
    rustix::fs::flock(&lock, FlockOperation::LockExclusive).unwrap();
    until("the keeper waits for its turn", || {
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        let waits = |line: &str| line.contains(&format!("-> FLOCK  ADVISORY  WRITE {keeper} "));
        locks.lines().any(waits).then_some(())
    });
    first.end();
    // A new lock file, so that the start does not wait for the keeper.
    std::fs::remove_file(lab.vm_file("a", "lock")).unwrap();
    lab.qqmgr("start a").run().code(0);
    let second = lab.qemus();
    drop(lock);
    until("the keeper is gone", || keepers(&lab).is_empty().then_some(()));
    assert_eq!(lab.qemus(), second);
    assert_eq!(lab.qqmgr("status a --json").run().code(0).json()["state"], "running");
}

#[test]
fn the_owner_is_gone() {
    let lab = Lab::new(&fake_qemu("a", ""));
    let mut owner = lab.program("sleep").args(["1000"]).spawn();
    lab.qqmgr(&format!("start a --owner-pid {} --ttl 1h", owner.id())).run().code(0);
    lab.qqmgr("gc --json")
        .run()
        .ok("{\"stopped\":[],\"removed\":[],\"unconfigured\":[],\"earlier\":[],\"failed\":[]}\n");
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
    // The lease of an earlier life does not count for this one.
    lab.qqmgr("start a --ttl 1h").run().code(0);
    let record = expired(&lab);
    kill_keepers(&lab);
    lab.qqmgr("kill a").run().code(0);
    lab.qqmgr("start a").run().code(0);
    lab.write(".qqmgr/vm.a/lease.json", &record);
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
    kill_keepers(&lab);
    lab.qqmgr("gc").run().ok("stopped: none\nremoved: none\n");
    assert_eq!(lab.qemus().len(), 3);
    owner.kill().unwrap();
    owner.wait().unwrap();
    lab.qqmgr("status a --exit-code").run().code(0);
    lab.qqmgr("gc").run().ok("stopped: a\nremoved: none\n");
    lab.qqmgr("gc --json")
        .run()
        .ok("{\"stopped\":[],\"removed\":[],\"unconfigured\":[],\"earlier\":[],\"failed\":[]}\n");
    lab.qqmgr("status a --exit-code").run().code(4);
    assert_eq!(lab.qemus().len(), 2);
}

#[test]
fn gc_after_the_time_is_over() {
    let lab = Lab::new(&fake_qemu("a", ""));
    lab.qqmgr("start a --ttl 1h").run().code(0);
    kill_keepers(&lab);
    lab.write(".qqmgr/vm.a/lease.json", expired(&lab));
    lab.qqmgr("gc").run().ok("stopped: a\nremoved: none\n");
    assert!(lab.processes().is_empty(), "{:?}", lab.processes());
}

#[test]
fn a_vm_that_runs_already_gets_the_lease() {
    let lab = Lab::new(&fake_qemu("a", ""));
    lab.qqmgr("start a").run().code(0);
    lab.qqmgr("start a --ttl 1h")
        .run()
        .ok("a: is already running (pid [PID]), SSH on port [PORT]; it now ends in [TIME]\n");
    let first = keepers(&lab);
    assert_eq!(first.len(), 1);
    let mut owner = lab.program("sleep").args(["1000"]).spawn();
    // The whole lease is replaced, also its time.
    lab.qqmgr(&format!("start a --owner-pid {}", owner.id())).run().ok(
        "a: is already running (pid [PID]), SSH on port [PORT]; it now ends with process [PID]\n",
    );
    let second = keepers(&lab);
    assert_eq!(second.len(), 1);
    assert_ne!(first, second);
    let lease: Value = serde_json::from_str(&lab.read(".qqmgr/vm.a/lease.json")).unwrap();
    assert_eq!((&lease["expires_at"], &lease["owner"]["pid"]), (&Value::Null, &owner.id().into()));
    // A start without a lease option keeps the lease, and reports it.
    lab.qqmgr("start a")
        .run()
        .ok("a: is already running (pid [PID]), SSH on port [PORT]; ends with process [PID]\n");
    // A failed start keeps it, too.
    lab.qqmgr("start a --ttl 1s -- -qmp stdio").run().code(2);
    assert_eq!(keepers(&lab), second);
    owner.kill().unwrap();
    owner.wait().unwrap();
    nobody(&lab);
    assert!(!lab.vm_file("a", "lease.json").exists());
}

#[test]
fn a_lease_is_taken_off() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    let told = "a: is already running (pid [PID]), SSH on port [PORT]; it now has no lease\n";
    let pid = std::process::id();
    lab.qqmgr(&format!("start a --ttl 1h --owner-pid {pid}")).run().code(0);
    let qemu = lab.qemus();
    for (limits, end) in [("--ttl none", "owner"), ("--owner-pid none", "time")] {
        lab.qqmgr(&format!("start a {limits}")).run().ok(told);
        assert!(keepers(&lab).is_empty(), "{end}: {:?}", lab.processes());
        assert!(!lab.vm_file("a", "lease.json").exists());
        assert!(lab.qqmgr("status a --json").run().code(0).json()["lease"].is_null());
        assert_eq!(lab.qemus(), qemu);
        lab.qqmgr("start a --ttl 1h").run().code(0);
    }
    // A limit that is not `none` stays.
    let json = lab.qqmgr(&format!("start a --ttl none --owner-pid {pid} --json")).run();
    let lease = &json.code(0).json()["lease"];
    assert_eq!((&lease["expires_at"], &lease["owner_pid"]), (&Value::Null, &pid.into()));
    lab.qqmgr("start a --ttl none").run().ok(told);
    lab.qqmgr("kill a").run().code(0);
    // A VM that is not running has no lease to remove.
    lab.qqmgr("start a --ttl none").run().ok("a: started (pid [PID]), SSH on port [PORT]\n");
    // If the record can't be removed, that is an error, and the keeper stays.
    lab.qqmgr("start a --ttl 1h").run().code(0);
    std::fs::remove_file(lab.vm_file("a", "lease.json")).unwrap();
    std::fs::create_dir(lab.vm_file("a", "lease.json")).unwrap();
    let json = lab.qqmgr("start a --ttl none --json").run().code(1).json();
    assert_eq!(json["error"]["code"], "file", "{json}");
    assert_eq!(keepers(&lab).len(), 1);
    lab.qqmgr("start a --owner-pid x").run().code(2);
    lab.qqmgr("kill a").run().code(0);
    nobody(&lab);
}

#[test]
fn a_start_that_is_killed_ends_no_vm_that_ran_before() {
    let lab = Lab::running();
    // Another process works on the VM, so the start has to wait.
    let lock = File::open(lab.vm_file("a", "lock")).unwrap();
    rustix::fs::flock(&lock, FlockOperation::LockExclusive).unwrap();
    let mut start = lab.qqmgr("start a --ttl 1s").spawn();
    until("there is a keeper", || keepers(&lab).pop());
    start.kill().unwrap();
    start.wait().unwrap();
    drop(lock);
    until("there is nothing to keep", || keepers(&lab).is_empty().then_some(()));
    assert_eq!(lab.qemus().len(), 1);
    assert!(!lab.vm_file("a", "lease.json").exists());
}

#[test]
fn a_start_that_is_killed_leaves_its_vm_to_the_keeper() {
    let lab = Lab::new(&fake_qemu("a", "slow-socket=2000"));
    let mut start = lab.qqmgr("start a --ttl 1s").spawn();
    until("QEMU runs", || lab.qemus().pop());
    start.kill().unwrap();
    start.wait().unwrap();
    nobody(&lab);
    assert!(!lab.vm_file("a", "lease.json").exists());
}

#[test]
fn a_lease_in_json() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    let pid = std::process::id();
    lab.qqmgr(&format!("start a --ttl 1h --owner-pid {pid} --json")).run().ok(&format!(
        "{{\"name\":\"a\",\"pid\":[PID],\"already_running\":false,\"ssh_port\":[PORT],\"ports\":{{}},\
         \"ignored_args\":[],\"warnings\":[],\"lease\":{{\"expires_at\":[TIME],\"owner_pid\":{pid}}},\
         \"held\":[],\"seconds\":[SECONDS]}}\n",
    ));
    let end = || lab.qqmgr("start a --json").run().code(0).json()["lease"]["expires_at"].as_u64();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!((now + 3000..=now + 3601).contains(&end().unwrap()), "{:?}", end());
    lab.qqmgr("start a --ttl 2h").run().code(0);
    assert!((now + 7200..=now + 7300).contains(&end().unwrap()), "{:?}", end());
}

#[test]
fn the_time_begins_when_the_vm_is_up() {
    let lab = Lab::new(&fake_qemu("a", "slow-socket=3000"));
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let began = now();
    let started = lab.qqmgr("start a --ttl 1000s --json").run();
    let end = started.code(0).json()["lease"]["expires_at"].as_u64().unwrap();
    assert!((began + 1003..=now() + 1001).contains(&end), "{began} {end}");
}

#[test]
fn a_record_ends_with_its_lease() {
    let lab = Lab::new(&fake_qemu("a", ""));
    let record = lab.vm_file("a", "lease.json");
    lab.qqmgr("start a --ttl 1h").run().code(0);
    assert!(record.exists());
    // QEMU ends by itself, and only its keeper sees that.
    lab.qemu().end();
    nobody(&lab);
    assert!(!record.exists());
    lab.qqmgr("start a --ttl 1h").run().code(0);
    lab.qqmgr("stop a").run().code(0);
    assert!(!record.exists());
    nobody(&lab);
}

#[test]
fn what_ps_shows_of_a_keeper() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.qqmgr("start a --ttl 1h").run().code(0);
    let found = lab.processes().into_iter().find(|process| process.args[0] == "qqmgr-keeper");
    let keeper = found.unwrap();
    assert_eq!(keeper.args[1..], [lab.vm_file("a", "").to_str().unwrap().trim_end_matches('/')]);
    let name = std::fs::read_to_string(format!("/proc/{}/comm", keeper.pid)).unwrap();
    assert_eq!(name, "qqmgr-keeper\n");
    // It is not a verb of the command line.
    lab.qqmgr("keep x").run().code(2).stdout("");
}

#[test]
fn a_time_of_nothing() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    for time in ["0", "0s", "0.0m"] {
        let refused = lab.qqmgr(&format!("start a --ttl {time} --json")).run();
        let json = refused.code(2).stderr("").json();
        assert_eq!(json["error"]["code"], "usage");
        let message = json["error"]["message"].as_str().unwrap();
        assert!(message.ends_with("the VM would end at once"), "{message}");
    }
    assert!(!lab.path(".qqmgr").exists());
}

#[test]
fn of_many_leases_at_once_one_lasts() {
    let lab = Lab::new(&fake_qemu("a", ""));
    for outcome in at_once(&lab, &["start a --ttl 1h"; 25]) {
        outcome.code(0).stderr("");
    }
    until("the others are gone", || (keepers(&lab).len() == 1).then_some(()));
    assert_eq!(lab.qemus().len(), 1);
}

#[test]
fn a_lease_that_cannot_be_noted() {
    let lab = Lab::new(&fake_qemu("a", ""));
    let record = lab.vm_file("a", "lease.json");
    std::fs::create_dir_all(&record).unwrap();
    let json = lab.qqmgr("start a --ttl 1h --json").run().code(1).stderr("").json();
    let message = json["error"]["message"].as_str().unwrap();
    assert!(message.contains("can't start its lease keeper"), "{json}");
    lab.nobody_is_left();
    // A failed start leaves a running VM and its lease as they are.
    std::fs::remove_dir(&record).unwrap();
    lab.qqmgr("start a --ttl 1h").run().code(0);
    let before = keepers(&lab);
    std::fs::remove_file(&record).unwrap();
    std::fs::create_dir(&record).unwrap();
    lab.qqmgr("start a --ttl 2h").run().code(1);
    until("there is the first keeper alone", || (keepers(&lab) == before).then_some(()));
    assert_eq!(lab.qemus().len(), 1);
}
