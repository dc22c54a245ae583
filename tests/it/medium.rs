//! `eject` and `insert`: removable media.

use crate::harness::{Lab, NO_GUEST, vm};

fn lab() -> Lab {
    let drives = "-device virtio-scsi-pci,id=scsi -device scsi-cd,id=cd \
                  -drive if=none,id=d0,driver=null-co -device scsi-hd,drive=d0,id=disk";
    let lab = Lab::new(&vm("a", &format!("{NO_GUEST} {drives}")));
    lab.write("media/one.iso", [0; 4096]);
    lab.write("media/two.iso", [0; 4096]);
    lab.qqmgr("start a").run().code(0);
    lab
}

#[test]
fn a_medium_goes_in_and_out() {
    let lab = lab();
    // QEMU runs in another directory.
    let insert = |file: &str| lab.qqmgr(&format!("-c ../qqmgr.toml insert a cd {file}"));
    insert("one.iso --format raw").cwd("media").run().ok("a: cd: inserted [DIR]/media/one.iso\n");
    insert("two.iso --format raw --json")
        .cwd("media")
        .run()
        .ok("{\"name\":\"a\",\"device\":\"cd\",\"file\":\"[DIR]/media/two.iso\",\
         \"was\":\"[DIR]/media/one.iso\"}\n");
    let json = lab.qqmgr("blocks a --json").run().code(0).json();
    let cd = json["devices"].as_array().unwrap().iter().find(|block| block["qdev"] == "cd");
    let file = lab.path("media/two.iso").display().to_string();
    assert_eq!(cd.unwrap()["medium"]["file"], file, "{json}");
    lab.qqmgr("eject a cd").run().ok("a: cd: ejected [DIR]/media/two.iso\n");
    lab.qqmgr("eject a cd").run().ok("a: cd: is already empty\n");
    lab.qqmgr("insert a cd null-co:// --format raw").run().ok("a: cd: inserted null-co://\n");
    lab.qqmgr("eject a cd --force --json")
        .run()
        .ok("{\"name\":\"a\",\"device\":\"cd\",\"file\":null,\"was\":\"null-co://\"}\n");
}

#[test]
fn what_can_not_go_in_or_out() {
    let lab = lab();
    for (line, code, error) in [
        ("eject a disk", 1, "error: a: can't eject `disk`: Device 'disk' is not removable\n"),
        (
            "eject a cdrom",
            4,
            "error: a: there is no block device `cdrom`\nhint: the block devices are: d0, cd\n",
        ),
        (
            "insert a cd nope.iso",
            1,
            "error: a: can't insert a medium into `cd`: \
             Could not open '[DIR]/nope.iso': No such file or directory\n",
        ),
        (
            "insert a cd media/one.iso --format qcow2",
            1,
            "error: a: can't insert a medium into `cd`: Image is not in qcow2 format\n",
        ),
    ] {
        lab.qqmgr(line).run().expect(code, "", error);
    }
    let json = lab.qqmgr("eject a disk --json").run().code(1).json();
    assert_eq!(json["error"]["code"], "block_refused", "{json}");
}
