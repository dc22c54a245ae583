//! `blocks`: what a QEMU has for disks, however they were configured.

use crate::harness::{Lab, NO_GUEST, vm};

/// A VM `a` with one disk of `-drive`, one of `-blockdev` and an empty CD drive.
fn lab() -> Lab {
    let disks = "-drive if=none,id=d0,file=top.qcow2 -device virtio-blk-pci,drive=d0,id=vda \
                 -blockdev driver=null-co,node-name=n1,read-only=on \
                 -blockdev driver=null-co,node-name=loose \
                 -device virtio-scsi-pci,id=scsi -device scsi-hd,drive=n1,id=disk \
                 -device scsi-cd,id=cd";
    let lab = Lab::new(&vm("a", &format!("{NO_GUEST} {disks}")));
    for line in
        ["create -q -f qcow2 base.qcow2 2M", "create -q -f qcow2 -b base.qcow2 -F qcow2 top.qcow2"]
    {
        lab.program("qemu-img").args(line.split(' ')).run().code(0);
    }
    lab.qqmgr("start a").run().code(0);
    lab
}

#[test]
fn disks_of_drive_and_of_blockdev() {
    let lab = lab();
    let json = lab.qqmgr("blocks a --json").run().code(0).json();
    let used = json["devices"][0]["medium"]["actual_size"].as_u64().unwrap();
    let used = format!("{:.1} KiB", used as f64 / 1024.0);
    lab.qqmgr("blocks a").run().ok(&format!(
        "DEVICE  NODE   FORMAT      SIZE       USED  ACCESS  FILE\n\
         d0      -      qcow2    2.0 MiB  {used}  rw      top.qcow2 <- base.qcow2\n\
         disk    n1     null-co  1.0 GiB        0 B  ro      null-co://\n\
         cd      -      -              -          -  -       (empty)\n\
         -       loose  null-co  1.0 GiB        0 B  rw      null-co://\n",
    ));
    let device = &json["devices"][0];
    assert_eq!((&device["device"], &device["qdev"]), (&"d0".into(), &"vda".into()), "{json}");
    assert_eq!(device["medium"]["backing"][0]["format"], "qcow2", "{json}");
    assert_eq!(json["devices"][2]["removable"], true, "{json}");
    assert!(json["devices"][2]["medium"].is_null() && json["jobs"] == serde_json::json!([]));
    lab.qqmgr("blocks nope").run().expect(
        4,
        "",
        "error: there is no VM `nope` in \"[DIR]/qqmgr.toml\"\nhint: the VMs are: a\n",
    );
}

#[test]
fn jobs_and_their_progress() {
    let lab = lab();
    let mirror = "qmp a blockdev-mirror job-id=copy device=d0 target=loose2 sync=full speed=1";
    lab.qqmgr("qmp a blockdev-add driver=null-co node-name=loose2 size=2097152").run().code(0);
    lab.qqmgr(mirror).run().code(0);
    let json = lab.qqmgr("blocks a --json").run().code(0).json();
    let job = &json["jobs"][0];
    assert_eq!((&job["id"], &job["type"]), (&"copy".into(), &"mirror".into()), "{json}");
    let text = lab.qqmgr("blocks a").run().code(0).text();
    assert!(text.lines().last().unwrap().starts_with("job copy: mirror, "), "{text}");
}
