//! The layers of the source: a room uses only rooms below it, and no two files use each other.

use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, each above all rooms that it uses.
const ROOMS: [&str; 22] = [
    "text",
    "error",
    "sys",
    "qmp",
    "qemu_args",
    "config",
    "vm",
    "target",
    "screen",
    "events",
    "ssh",
    "console",
    "logs",
    "gdb",
    "scaffold",
    "bundle",
    "check",
    "lease",
    "wait",
    "run",
    "ops",
    "cli",
];

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.flat_map(below).filter(|path| !path.ends_with("tests.rs")).collect()
}

/// The code of a file, without its comments and its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap().to_owned() + "\n").collect()
}

#[test]
fn each_room_uses_only_rooms_below_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let uses = Regex::new(r"crate::(\w+)|use crate::\{([^}]*)\}").unwrap();
    let name = Regex::new(r"\b[a-z_]+\b").unwrap();
    for path in files(&src) {
        let room = path.strip_prefix(&src).unwrap().iter().next().unwrap().to_str().unwrap();
        let Some(floor) = ROOMS.iter().position(|name| room.trim_end_matches(".rs") == *name)
        else {
            assert!(["lib.rs", "main.rs"].contains(&room), "{room} has no floor");
            continue;
        };
        let code = code(&path);
        let found = uses.captures_iter(&code).flat_map(|used| {
            name.find_iter(used.get(1).or(used.get(2)).unwrap().as_str()).map(|name| name.as_str())
        });
        for used in found.filter_map(|used| ROOMS.iter().position(|room| used == *room)) {
            assert!(used <= floor, "{} uses {}", path.display(), ROOMS[used]);
        }
    }
}

#[test]
fn no_file_uses_one_that_uses_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let sibling = Regex::new(r"super::(?:\{([^}]*)\}|(\w+))").unwrap();
    let name = Regex::new(r"\b[a-z_]+\b").unwrap();
    let mut left = BTreeMap::new();
    for path in files(&src).into_iter().filter(|path| !path.ends_with("mod.rs")) {
        let code = code(&path);
        let said = sibling.captures_iter(&code).map(|used| used.get(1).or(used.get(2)).unwrap());
        let names = said.flat_map(|said| name.find_iter(said.as_str()));
        let used = names.map(|name| path.with_file_name(name.as_str()).with_extension("rs"));
        let used: BTreeSet<_> = used.filter(|used| used.exists() && *used != path).collect();
        left.insert(path, used);
    }
    while let Some(done) = left.keys().find(|file| left[*file].is_empty()).cloned() {
        left.remove(&done);
        left.values_mut().for_each(|used| _ = used.remove(&done));
    }
    assert!(left.is_empty(), "a circle among {:#?}", left.keys());
}
