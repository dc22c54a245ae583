//! `init`: a config to start from, which works as it is written.

use crate::harness::Lab;

#[test]
fn writes_what_check_and_start_accept() {
    let lab = Lab::empty();
    lab.qqmgr("init").run().ok(
        "wrote [DIR]/qqmgr.toml\n\nGive it a disk or a kernel to boot, then:\n  qqmgr check\n  \
         qqmgr start vm --wait\n  qqmgr ssh vm\n",
    );
    lab.qqmgr("check --strict").run().ok("1 VM checked: nothing found\n");
    lab.qqmgr("start vm --dry-run").run().code(0).stderr("");
    let disk = lab.read("qqmgr.toml").replace("    # \"-drive", "    \"-drive");
    lab.write("qqmgr.toml", disk);
    let json = lab.qqmgr("check --json").run().code(1).json();
    assert_eq!(json["findings"][0]["code"], "file_missing", "the line for a disk only wants one");
}

#[test]
fn never_writes_over_another_file() {
    let lab = Lab::new("mine");
    lab.qqmgr("init").run().expect(
        1,
        "",
        "error: \"qqmgr.toml\" is there already\nhint: name another one with -c, or move it away\n",
    );
    assert_eq!(lab.read("qqmgr.toml"), "mine");
    let json = lab.qqmgr("init --json").run().code(1).json();
    assert_eq!(json["error"]["code"], "file_exists");
    std::os::unix::fs::symlink("nowhere", lab.path("link.toml")).unwrap();
    lab.qqmgr("-c link.toml init").run().code(1);
    assert!(!lab.path("nowhere").exists());
}

#[test]
fn in_another_file_with_another_name() {
    let lab = Lab::empty();
    lab.qqmgr("-c 'my vms.toml' init build.x --json")
        .run()
        .ok("{\"file\":\"[DIR]/my vms.toml\",\"vm\":\"build.x\"}\n");
    lab.qqmgr("-c 'my vms.toml' start build.x --dry-run").run().code(0);
    lab.qqmgr("init ../x").run().expect(
        2,
        "",
        "error: `../x` can't be a VM's name\nhint: a name begins with a letter or digit, goes on \
         with those, `.`, `_` and `-`, and has at most 64 characters\n",
    );
    assert!(!lab.path("qqmgr.toml").exists());
    lab.qqmgr("-c vms/more/build.toml init build --json")
        .run()
        .ok("{\"file\":\"[DIR]/vms/more/build.toml\",\"vm\":\"build\"}\n");
    lab.qqmgr("-c vms/more/build.toml check --strict").run().code(0);
}

#[test]
fn where_it_can_not_be_written() {
    let lab = Lab::empty();
    lab.write("file", "");
    lab.qqmgr("-c file/build.toml init").run().expect(
        1,
        "",
        "error: can't make \"file\": File exists (os error 17)\n",
    );
    assert_eq!(lab.read("file"), "");
}
