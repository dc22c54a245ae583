//! Crash bundles: what is in them, where they are told of, and how many are kept.

use crate::harness::{Lab, NO_GUEST, fake_qemu, vm};
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

#[test]
fn what_is_known_of_a_vm_that_never_came_up() {
    let lab = Lab::new(
        &vm("a", "-machine q35,accel=tcg -display none")
            .replace("[vm.a]", "[vm.a]\nenv = { COLOUR = 'red' }"),
    );
    lab.qqmgr("start a").run().code(0);
    fs::write(lab.vm_file("a", "serial"), "the last words\n").unwrap();
    let dir =
        bundle(&lab.qqmgr("wait a --for serial:x --timeout 100ms --json").run().code(5).json());
    assert_eq!(dir.parent().unwrap(), lab.vm_file("a", "crashes"));
    let files = [
        "README",
        "command-line",
        "config.json",
        "events.ndjson",
        "screenshot.png",
        "serial",
        "stderr",
        "stdout",
        "timeline.json",
    ];
    assert_eq!(names(&dir), files);
    let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    assert_eq!(read("serial"), "the last words\n");
    let line = shlex::split(&read("command-line")).unwrap();
    assert_eq!(line, lab.processes()[0].args);
    let config: serde_json::Value = serde_json::from_str(&read("config.json")).unwrap();
    assert_eq!(config["env"], serde_json::json!([["COLOUR", "red"]]), "{config}");
    assert!(fs::read(dir.join("screenshot.png")).unwrap().starts_with(b"\x89PNG"));
    let story = read("README");
    let order = ["QEMU was spawned", "QMP answered", "waited 100ms for serial:x", "Files"];
    let places = order.map(|text| story.find(text).unwrap_or_else(|| panic!("{text}: {story}")));
    assert!(places.is_sorted(), "{story}");
    for file in &files[1..] {
        assert!(story.contains(&format!("\n  {file}")), "{file}: {story}");
    }
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
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
fn no_bundle_where_nothing_crashed() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.qqmgr("wait a --for ssh").run().code(4);
    lab.qqmgr("start a -- -qmp stdio").run();
    lab.qqmgr("start a --owner-pid 4194303").run().code(2);
    assert!(!lab.vm_file("a", "crashes").exists());
}
