//! `gc` while runs start and end, beside other `gc`s, and with directories that it can't use.

use crate::harness::{Lab, Live, NO_GUEST, until, vm};
use rustix::fs::FlockOperation;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::PathBuf;

/// Makes the remains of a run of `a` whose keeper and QEMU were killed.
fn dead_run(lab: &Lab, id: &str) -> PathBuf {
    lab.write(format!(".qqmgr/vm.a/runs/{id}/serial"), "");
    lab.vm_file("a", "runs").join(id)
}

/// Takes the right to make and remove runs of `a`.
fn lock_runs(lab: &Lab) -> File {
    fs::create_dir_all(lab.vm_file("a", "")).unwrap();
    let lock = File::create(lab.vm_file("a", "runs.lock")).unwrap();
    rustix::fs::flock(&lock, FlockOperation::LockExclusive).unwrap();
    lock
}

/// Waits until the process waits for a flock(2).
fn waits(pid: u32) {
    until("it waits for the lock", || {
        let locks = fs::read_to_string("/proc/locks").unwrap();
        let waits = |line: &str| line.contains(&format!("-> FLOCK  ADVISORY  WRITE {pid} "));
        locks.lines().any(waits).then_some(())
    });
}

#[test]
fn a_run_that_is_being_made_is_left_alone() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    let lock = lock_runs(&lab);
    let newborn = dead_run(&lab, "0");
    let mut gc: Live = lab.qqmgr("gc").in_pipe();
    waits(gc.pid());
    let kept = File::create(newborn.join("keeper.lock")).unwrap();
    rustix::fs::fcntl_lock(&kept, FlockOperation::NonBlockingLockExclusive).unwrap();
    drop(lock);
    gc.shows("removed: none\n");
    assert_eq!(gc.ends(), 0);
    assert!(newborn.exists());
    drop(kept);
    lab.qqmgr("gc").run().ok("stopped: none\nremoved: a+0\n");
    assert!(!newborn.exists());
}

#[test]
fn a_run_waits_for_the_right_to_be_made() {
    let ssh = "-netdev user,id=n,hostfwd=tcp:127.0.0.1:{{.vm.ssh.port}}-:22";
    let lab = Lab::new(&vm("a", &format!("{NO_GUEST} {ssh} -machine nonsense")));
    let lock = lock_runs(&lab);
    let run = lab.qqmgr("run a -- true").in_pipe();
    let is_keeper = |process: &crate::harness::Alive| process.args[0] == "qqmgr-keeper";
    waits(until("there is a keeper", || lab.processes().into_iter().find(is_keeper)).pid);
    assert_eq!(fs::read_dir(lab.vm_file("a", "runs")).unwrap().count(), 0);
    drop(lock);
    let mut run = run;
    assert_eq!(run.ends(), 125);
    assert_eq!(fs::read_dir(lab.vm_file("a", "runs")).unwrap().count(), 0);
}

#[test]
fn each_run_is_removed_by_one() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    let ids: Vec<_> = (0..20).map(|id| format!("run{id:02}")).collect();
    ids.iter().for_each(|id| drop(dead_run(&lab, id)));
    let mut removed: Vec<String> = std::thread::scope(|scope| {
        let gcs: Vec<_> = (0..6).map(|_| scope.spawn(|| lab.qqmgr("gc --json").run())).collect();
        let outcomes = gcs.into_iter().map(|gc| gc.join().unwrap());
        let removed = outcomes.map(|gc| gc.code(0).stderr("").json()["removed"].clone());
        removed.flat_map(|names| serde_json::from_value::<Vec<String>>(names).unwrap()).collect()
    });
    removed.sort();
    assert_eq!(removed, ids.iter().map(|id| format!("a+{id}")).collect::<Vec<_>>());
    assert_eq!(fs::read_dir(lab.vm_file("a", "runs")).unwrap().count(), 0);
}

#[test]
fn one_that_fails_is_told_and_the_others_are_done() {
    let lab = Lab::new(&(vm("b", NO_GUEST) + &vm("a", NO_GUEST)));
    dead_run(&lab, "0");
    symlink("/", lab.vm_file("b", "").to_str().unwrap().trim_end_matches('/')).unwrap();
    lab.qqmgr("gc").run().expect(
        1,
        "stopped: none\nremoved: a+0\n",
        "error: VM `b`: can't use the runtime directory \"[DIR]/.qqmgr/vm.b\": it is a symlink, or not a directory\n\
         hint: move it away, or set another one: `runtime_dir = \"...\"` in the config, or $QQMGR_RUNTIME_DIR\n",
    );
    dead_run(&lab, "0");
    let json = lab.qqmgr("gc --json").run().code(1).stderr("").json();
    assert_eq!(json["removed"][0], "a+0");
    assert_eq!(json["failed"][0]["name"], "b");
    assert_eq!(json["failed"][0]["error"]["code"], "runtime_dir_refused");
}
