//! Crash bundles: their contents, which messages name them, and how many are kept.

use crate::harness::{Lab, NO_GUEST, fake_qemu, free_port, guest_vm, vm};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The names in a directory, in order.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn bundle(json: &serde_json::Value) -> PathBuf {
    PathBuf::from(json["error"]["bundle"].as_str().unwrap())
}

const PANIC: &str = "Kernel panic - not syncing: the last words\n";

/// Makes a VM panic, as far as a wait can see, and returns the bundle.
fn panic(lab: &Lab) -> PathBuf {
    fs::write(lab.vm_file("a", "serial"), PANIC).unwrap();
    let line = "wait a --for serial:x --fail-on 'serial:Kernel panic' --json";
    bundle(&lab.qqmgr(line).run().code(1).json())
}

#[test]
fn what_is_known_of_a_vm_that_panicked() {
    let lab = Lab::new(
        &vm("a", "-machine q35,accel=tcg -display none")
            .replace("[vm.a]", "[vm.a]\nenv = { COLOUR = 'red' }"),
    );
    lab.qqmgr("start a").run().code(0);
    let dir = panic(&lab);
    assert_eq!(dir.parent().unwrap(), lab.vm_file("a", "crashes"));
    let files = [
        "README",
        "command-line",
        "config.json",
        "error.json",
        "events.ndjson",
        "screenshot.png",
        "serial",
        "stderr",
        "stdout",
        "timeline.json",
    ];
    assert_eq!(names(&dir), files);
    let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    assert_eq!(read("serial"), PANIC);
    let error: serde_json::Value = serde_json::from_str(&read("error.json")).unwrap();
    assert_eq!(error["code"], "wait_failed");
    assert!(error["message"].as_str().unwrap().contains("serial:Kernel panic matched"), "{error}");
    let line = shlex::split(&read("command-line")).unwrap();
    let qemu = lab.qemus();
    let alive = lab.processes().into_iter().find(|process| qemu.contains(&process.pid)).unwrap();
    assert_eq!(line, alive.args);
    let config: serde_json::Value = serde_json::from_str(&read("config.json")).unwrap();
    assert_eq!(config["env"], serde_json::json!([["COLOUR", "red"]]), "{config}");
    assert!(fs::read(dir.join("screenshot.png")).unwrap().starts_with(b"\x89PNG"));
    let story = read("README");
    let order = ["QEMU started", "QMP answered", "serial:Kernel panic matched", "Files"];
    let places = order.map(|text| story.find(text).unwrap_or_else(|| panic!("{text}: {story}")));
    assert!(places.is_sorted(), "{story}");
    for file in &files[1..] {
        assert!(story.contains(&format!("\n  {file}")), "{file}: {story}");
    }
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn of_a_log_that_is_too_long_its_end() {
    let lab = Lab::new("[vm.a]\nbin = './qemu'\ncmd = []\nssh = { port = 2222 }\n");
    let lines = "head -c 17000000 /dev/zero | tr '\\0' x >&2\necho end >&2\nexit 1";
    lab.script("qemu", lines);
    let dir = bundle(&lab.qqmgr("start a --json").run().code(1).json());
    let copy = fs::read(dir.join("stderr")).unwrap();
    assert_eq!(copy.len(), 16 << 20);
    assert!(copy.ends_with(b"xend\n"));
    let story = fs::read_to_string(dir.join("README")).unwrap();
    assert!(story.contains("  stderr         QEMU's standard error, its last 16 MiB\n"), "{story}");
    assert!(story.contains("  stdout         QEMU's standard output\n"), "{story}");
}

#[test]
fn the_newest_five_are_kept() {
    let lab = Lab::new(&(fake_qemu("a", "exit-early=1") + &fake_qemu("b", "exit-early=1")));
    lab.qqmgr("start b").run().code(1);
    let made: Vec<_> =
        (0..7).map(|_| bundle(&lab.qqmgr("start a --json").run().code(1).json())).collect();
    let left = names(&lab.vm_file("a", "crashes"));
    let newest: Vec<_> =
        made[2..].iter().map(|dir| dir.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(left, newest);
    assert_eq!(names(&lab.vm_file("b", "crashes")).len(), 1);
    let stderr = fs::read_to_string(made[6].join("stderr")).unwrap();
    assert!(stderr.contains("not a valid device"), "{stderr}");
    assert!(!made[6].join("screenshot.png").exists());
}

#[test]
fn a_guest_that_did_not_come_up() {
    let lab = Lab::new(&vm("a", NO_GUEST).replace("2222", &free_port().to_string()));
    // This command started it.
    let started = lab.qqmgr("start a --for serial:x --timeout 5s --json").run().code(5).json();
    assert!(bundle(&started).is_dir());
    // It tried a login for long enough.
    let waited = lab.qqmgr("wait a --for ssh --timeout 6s --json").run().code(5).json();
    assert!(bundle(&waited).is_dir());
}

#[test]
fn a_bundle_that_can_not_be_written() {
    let lab = Lab::new(&vm("a", "-machine nonsense"));
    lab.qqmgr("start a").run().code(1);
    fs::remove_dir_all(lab.vm_file("a", "crashes")).unwrap();
    fs::write(lab.vm_file("a", "crashes"), "").unwrap();
    let outcome = lab.qqmgr("start a").run();
    let stderr = String::from_utf8_lossy(&outcome.code(1).stderr).into_owned();
    let last = stderr.lines().last().unwrap();
    assert!(last.starts_with("no crash bundle was written: can't make "), "{outcome}");
    let json = lab.qqmgr("start a --json").run().code(1).stderr("").json();
    assert_eq!(json["error"]["code"], "qemu_failed");
    assert!(json["error"]["bundle_error"].as_str().unwrap().starts_with("can't make "), "{json}");
}

#[test]
fn no_bundle_where_nothing_crashed() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.qqmgr("wait a --for ssh").run().code(4);
    lab.qqmgr("start a").run().code(0);
    lab.qqmgr("start a -- -qmp stdio").run().code(2);
    lab.qqmgr("start a --owner-pid 4194303").run().code(2);
    fs::write(lab.vm_file("a", "serial"), "Oops\n").unwrap();
    for line in [
        "wait a --for serial:x --timeout 100ms",
        "wait a --for ssh --timeout 0",
        "wait a --for paused --timeout 0",
        "wait a --for serial:x --fail-on serial:Oops",
        "start a --for serial:x --timeout 100ms",
    ] {
        let outcome = lab.qqmgr(&format!("{line} --json")).run();
        assert!([1, 5].contains(&outcome.code), "{outcome}");
        assert!(outcome.json()["error"].get("bundle").is_none(), "{outcome}");
    }
    assert!(!lab.vm_file("a", "crashes").exists());
}

#[test]
fn a_guest_that_is_up() {
    let lab = Lab::new(&guest_vm("a"));
    lab.qqmgr("start a --wait").run().code(0);
    for condition in ["file:/nonexistent", "port:22 --for event:STOP", "serial:nonsense"] {
        let line = format!("wait a --for {condition} --timeout 2s --json");
        let json = lab.qqmgr(&line).run().code(5).json();
        assert!(json["error"].get("bundle").is_none(), "{json}");
    }
    lab.qqmgr("kill a").run().code(0);
    // A guest that refuses a login is up, too.
    let wrong_key = guest_vm("a").replace("User = \"root\"", "User = \"nobody\"");
    lab.write("qqmgr.toml", wrong_key);
    let json = lab.qqmgr("start a --wait --timeout 45s --json").run().code(5).json();
    assert!(json["error"]["message"].as_str().unwrap().contains("Permission denied"), "{json}");
    let hint = json["error"]["hint"].as_str().unwrap();
    assert!(
        hint.starts_with("the guest refuses the login: set `User` and `IdentityFile`"),
        "{json}"
    );
    assert!(json["error"].get("bundle").is_none(), "{json}");
    lab.qqmgr("kill a").run().code(0);
}
