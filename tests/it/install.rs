//! `make install` never installs an old program.

use crate::harness::Lab;
use std::fs::File;
use std::time::SystemTime;

#[test]
fn builds_anew_what_has_changed() {
    let lab = Lab::empty();
    let program = lab.write("target/dist/qqmgr", "");
    let builds = || {
        let args = ["-n", "-C", env!("CARGO_MANIFEST_DIR"), "install"];
        let make = lab.program("make").args(args).env("CARGO_TARGET_DIR", lab.path("target"));
        make.run().code(0).text().contains("cargo rustc")
    };
    assert!(!builds());
    let program = File::options().write(true).open(program).unwrap();
    program.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert!(builds());
}
