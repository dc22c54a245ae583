//! `init`: a config to start from, which works as it is written.

use crate::harness::{Lab, guest_file};

#[test]
fn writes_what_check_and_start_accept() {
    let lab = Lab::empty();
    lab.qqmgr("init").run().ok(
        "wrote [DIR]/qqmgr.toml\n\nGive it a disk or a kernel to boot, then:\n  qqmgr check\n  \
         qqmgr start vm --wait\n  qqmgr ssh vm\n",
    );
    let json = lab.qqmgr("check --json").run().code(0).json();
    assert_eq!(json["findings"][0]["code"], "nothing_to_boot", "{json}");
    assert_eq!(json["warnings"], 1, "{json}");
    // With KVM or without: it only has to come up.
    lab.qqmgr("start vm").run().ok("vm: started (pid [PID]), SSH on port [PORT]\n");
    lab.qqmgr("stop vm --force").run().code(0);
}

#[test]
fn its_commented_lines_work_as_well() {
    let lab = Lab::empty();
    lab.qqmgr("init").run().code(0);
    let written = lab.read("qqmgr.toml");
    let disk = written.replace("    # \"-drive", "    \"-drive");
    lab.write("qqmgr.toml", &disk);
    let json = lab.qqmgr("check --json").run().code(1).json();
    assert_eq!(json["findings"][0]["code"], "file_missing", "it only wants a disk");
    let (_, command) = written.split_once("# A disk: ").unwrap();
    let words = shlex::split(command.split_once(',').unwrap().0).unwrap();
    lab.program(&words[0]).args(&words[1..]).run().code(0);
    lab.write("bzImage", std::fs::read(guest_file("vmlinuz")).unwrap());
    lab.write("qqmgr.toml", disk.replace("    # \"-kernel", "    \"-kernel"));
    lab.qqmgr("check --strict").run().ok("1 VM checked: no problems found\n");
    lab.qqmgr("start vm").run().code(0);
    lab.qqmgr("stop vm --force").run().code(0);
}

/// What QEMU does with KVM stands in for what this host's KVM does.
#[test]
fn uses_kvm_where_it_does_no_harm() {
    for (qemu, accel) in [
        ("read -r quit; test \"$quit\" = quit", "kvm:tcg"),
        ("kill -ABRT $$", "tcg"),
        ("exit 1", "tcg"),
    ] {
        let lab = Lab::empty();
        let arch = std::env::consts::ARCH;
        lab.script(format!("bin/qemu-system-{arch}"), qemu);
        lab.qqmgr("init").env("PATH", lab.path("bin")).run().code(0);
        let written = lab.read("qqmgr.toml");
        assert!(written.contains(&format!(",accel={accel} -cpu max ")), "{qemu}: {written}");
    }
    let lab = Lab::empty();
    lab.qqmgr("init").env("PATH", "/nowhere").run().code(0);
    assert!(lab.read("qqmgr.toml").contains(",accel=kvm:tcg -cpu max "));
}

/// As on a disk that is full.
#[test]
fn leaves_no_half_of_a_file() {
    let lab = Lab::empty();
    let line = "trap '' XFSZ; ulimit -f 0; exec \"$0\" init";
    let full = lab.program("sh").args(["-c", line, env!("CARGO_BIN_EXE_qqmgr")]).run();
    full.expect(1, "", "error: can't write \"qqmgr.toml\": File too large\n");
    let files = std::fs::read_dir(lab.path("")).unwrap().map(|file| file.unwrap().file_name());
    let left: Vec<_> = files.filter(|name| name.to_string_lossy().contains("qqmgr")).collect();
    assert!(left.is_empty(), "{left:?}");
    lab.qqmgr("init").run().code(0);
}

#[test]
fn never_writes_over_another_file() {
    let lab = Lab::new("mine");
    lab.qqmgr("init").run().expect(
        1,
        "",
        "error: \"qqmgr.toml\" already exists\nhint: name another one with -c, or move it away\n",
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
    lab.qqmgr("-c vms/more/build.toml check").run().code(0);
}

#[test]
fn where_it_can_not_be_written() {
    let lab = Lab::empty();
    lab.write("file", "");
    lab.qqmgr("-c file/build.toml init").run().expect(
        1,
        "",
        "error: can't make \"file\": File exists\n",
    );
    assert_eq!(lab.read("file"), "");
}
