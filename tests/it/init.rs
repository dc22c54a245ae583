//! `init`: a first config, which works as it is written.

use crate::harness::{Lab, guest_file};

#[test]
fn writes_what_check_and_start_accept() {
    let lab = Lab::empty();
    lab.qqmgr("init").run().ok(
        "wrote [DIR]/qqmgr.toml\nFound nothing to boot next to it: no *.qcow2, *.img, vmlinuz or bzImage.\n\n\
         Add a disk or a kernel to `cmd`, then:\n  qqmgr check\n  \
         qqmgr start vm --wait\n  qqmgr ssh vm\n",
    );
    let json = lab.qqmgr("check --json").run().code(0).json();
    assert_eq!(json["findings"][0]["code"], "nothing_to_boot", "{json}");
    assert_eq!(json["warnings"], 1, "{json}");
    // With KVM or without: it only has to start.
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
    let (_, command) = written.split_once(" or an empty one: ").unwrap();
    let words = shlex::split(command.lines().next().unwrap()).unwrap();
    lab.program(&words[0]).args(&words[1..]).run().code(0);
    lab.write("bzImage", std::fs::read(guest_file("vmlinuz")).unwrap());
    lab.write("qqmgr.toml", disk.replace("    # \"-kernel", "    \"-kernel"));
    lab.qqmgr("check --strict").run().ok("1 VM checked: no problems found\n");
    lab.qqmgr("start vm").run().code(0);
    lab.qqmgr("stop vm --force").run().code(0);
}

/// `check` finds no problem, and the VM starts.
fn checked_and_started(lab: &Lab, vm: &str) {
    lab.qqmgr("check --strict").run().ok("1 VM checked: no problems found\n");
    lab.qqmgr(&format!("start {vm}")).run().code(0);
    lab.qqmgr(&format!("stop {vm} --force")).run().code(0);
}

const NEXT: &str = "\nNext:\n  qqmgr check\n  qqmgr start vm --wait\n  qqmgr ssh vm\n";

/// A disk with a partition table, but no partitions.
fn disk() -> Vec<u8> {
    let mut bytes = vec![0; 1 << 20];
    bytes[510..512].copy_from_slice(b"\x55\xaa");
    bytes
}

#[test]
fn a_kernel_that_boots() {
    let lab = Lab::empty();
    let (kernel, initrd) = (guest_file("vmlinuz"), guest_file("initrd.img"));
    let append = "console=ttyS0 quiet 'a b'";
    lab.qqmgr("init --json")
        .args(["--kernel", &kernel, "--initrd", &initrd, "--append", append])
        .run()
        .ok(&format!(
            "{{\"file\":\"[DIR]/qqmgr.toml\",\"vm\":\"vm\",\"image\":null,\"kernel\":\"{kernel}\",\
             \"initrd\":\"{initrd}\"}}\n"
        ));
    lab.qqmgr("check --strict").run().ok("1 VM checked: no problems found\n");
    lab.qqmgr("start vm --for 'serial:qqmgr guest: ready'").run().code(0);
    let args = lab.qemu().args;
    let at = args.iter().position(|arg| arg == "-append").unwrap();
    assert_eq!(args[at + 1], append);
    lab.qqmgr("stop vm --force").run().code(0);
}

#[test]
fn what_lies_beside_it() {
    let lab = Lab::empty();
    for kernel in ["vmlinuz-6.1", "vmlinuz-6.0"] {
        std::os::unix::fs::symlink(guest_file("vmlinuz"), lab.path(kernel)).unwrap();
    }
    for file in ["initrd.img-6.0", "initrd.img-6.1", "notes.img"] {
        lab.write(file, "x");
    }
    lab.qqmgr("init").run().ok(&format!(
        "wrote [DIR]/qqmgr.toml\nvm boots [DIR]/vmlinuz-6.1, [DIR]/initrd.img-6.1\n\
         not used: vmlinuz-6.0\n{NEXT}"
    ));
    assert!(lab.read("qqmgr.toml").contains("kernel = \"{{.config_dir}}/vmlinuz-6.1\"\n"));
    checked_and_started(&lab, "vm");

    let lab = Lab::empty();
    lab.write("a.img", disk());
    lab.program("qemu-img").args(["create", "-q", "-f", "qcow2", "vm.qcow2", "1M"]).run().code(0);
    lab.write("c.qcow2", "no image");
    let json = lab.qqmgr("-c new/qqmgr.toml init --json").run().code(0).json();
    assert!(json["image"].is_null(), "it lies in another directory: {json}");
    lab.qqmgr("init")
        .run()
        .ok(&format!("wrote [DIR]/qqmgr.toml\nvm boots [DIR]/vm.qcow2\nnot used: a.img\n{NEXT}"));
    checked_and_started(&lab, "vm");
}

#[test]
fn a_kernel_that_was_built_there() {
    let lab = Lab::empty();
    let kernel = "arch/x86/boot/bzImage";
    lab.write(kernel, std::fs::read(guest_file("vmlinuz")).unwrap());
    lab.qqmgr("init").run().ok(&format!(
        "wrote [DIR]/qqmgr.toml\nvm boots [DIR]/{kernel}\n\
         The kernel has no root file system: add an initrd or a disk to `cmd`.\n{NEXT}"
    ));
    checked_and_started(&lab, "vm");
}

#[test]
fn an_image_by_its_magic() {
    let lab = Lab::empty();
    for (format, name) in [("qcow2", "a b'\",1"), ("vmdk", "x.img"), ("raw", "plain")] {
        let create = ["create", "-q", "-f", format, name, "1M"];
        lab.program("qemu-img").args(create).run().code(0);
        let _ = std::fs::remove_file(lab.path("qqmgr.toml"));
        lab.qqmgr("init").args(["--image", name]).run().code(0).stderr("");
        assert!(lab.read("qqmgr.toml").contains(&format!(",format={format},if=virtio")), "{name}");
        checked_and_started(&lab, "vm");
    }
    // A comma in the directory's name must not break `-drive`.
    let dir = lab.path("a,b");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("disk.img"), disk()).unwrap();
    lab.qqmgr("init").cwd("a,b").run().code(0).stderr("");
    lab.qqmgr("check --strict").cwd("a,b").run().ok("1 VM checked: no problems found\n");
}

#[test]
fn what_can_not_be_booted() {
    let lab = Lab::empty();
    lab.qqmgr("init --image none").run().expect(
        1,
        "",
        "error: can't read \"none\": No such file or directory\n",
    );
    let json = lab.qqmgr("init --initrd x --json").run().code(2).json();
    assert_eq!(json["error"]["code"], "usage");
    assert!(!lab.path("qqmgr.toml").exists());
}

/// QEMU's behaviour stands in for this host's KVM.
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

/// The file can't be completed, as on a full disk.
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
        "error: \"qqmgr.toml\" already exists\nhint: to add a VM, add a [vm.NAME] section to it; for another file: qqmgr -c FILE init\n",
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
        .ok("{\"file\":\"[DIR]/my vms.toml\",\"vm\":\"build.x\",\"image\":null,\"kernel\":null,\"initrd\":null}\n");
    lab.qqmgr("-c 'my vms.toml' start build.x --dry-run").run().code(0);
    lab.qqmgr("init ../x").run().expect(
        2,
        "",
        "error: `../x` is not a valid VM name\nhint: a name has up to 64 letters, digits, `.`, `_` and `-`, and begins with a letter or digit\n",
    );
    assert!(!lab.path("qqmgr.toml").exists());
    lab.qqmgr("-c vms/more/build.toml init build --json")
        .run()
        .ok("{\"file\":\"[DIR]/vms/more/build.toml\",\"vm\":\"build\",\"image\":null,\"kernel\":null,\"initrd\":null}\n");
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

#[test]
fn a_key_beside_it_is_used() {
    let lab = Lab::empty();
    for name in ["id_ed25519", "id_ed25519.pub"] {
        lab.write(name, std::fs::read(guest_file(name)).unwrap());
    }
    lab.qqmgr("init").run().code(0);
    let written = lab.read("qqmgr.toml");
    assert!(written.contains("\nIdentityFile = \"{{.config_dir}}/id_ed25519\"\n"), "{written}");
}
