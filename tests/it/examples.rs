//! The example configs are valid.

use crate::harness::Lab;
use std::path::{Path, PathBuf};

pub fn examples() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = std::fs::read_dir(root.join("examples")).unwrap();
    let mut found: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    found.push(root.join("qqmgr.example.toml"));
    found
}

#[test]
fn every_vm_of_every_example_has_a_command_line() {
    let examples = examples();
    assert!(examples.len() > 1, "there are no examples");
    for example in examples {
        let lab = Lab::empty();
        lab.write("qqmgr.toml", std::fs::read(&example).unwrap());
        let vms = lab.qqmgr("list --json").run().code(0).stderr("").json();
        let vms = vms.as_array().unwrap();
        assert!(!vms.is_empty(), "{example:?} has no VM");
        for vm in vms {
            let name = vm["name"].as_str().unwrap();
            let outcome = lab.qqmgr(&format!("start {name} --dry-run --json")).run();
            let words = outcome.code(0).stderr("").json();
            assert!(words.as_array().unwrap().len() > 10, "{example:?}\n{outcome}");
        }
    }
}
