//! `throttle`: limits of block devices, read back after they are set.

use crate::harness::{Lab, NO_GUEST, vm};

/// A VM `a` with one disk of `-drive` with a `-device`, one without, one of `-blockdev`, and an empty
/// CD drive.
fn lab() -> Lab {
    let disks = "-drive if=none,id=d0,driver=null-co -device virtio-blk-pci,drive=d0,id=vda \
                 -drive if=none,id=spare,driver=null-co -blockdev driver=null-co,node-name=n1 \
                 -device virtio-blk-pci,drive=n1,id=vdb \
                 -device virtio-scsi-pci,id=scsi -device scsi-cd,id=cd";
    let lab = Lab::new(&vm("a", &format!("{NO_GUEST} {disks}")));
    lab.qqmgr("start a").run().code(0);
    lab
}

#[test]
fn limits_are_set_one_by_one_and_shown() {
    let lab = lab();
    for (line, limits) in [
        ("vdb", "vdb: no limit"),
        ("vdb --bps 100M", "vdb: 100.0 MiB/s"),
        ("vdb --iops 1000", "vdb: 100.0 MiB/s, 1000 IOPS"),
        ("vdb --bps-read 1K", "vdb: read 1.0 KiB/s, 1000 IOPS"),
        ("vdb --bps-write 2000", "vdb: read 1.0 KiB/s, write 2.0 KiB/s, 1000 IOPS"),
        ("vdb --iops-read 5 --iops-write 6 --bps 512", "vdb: 512 B/s, read 5 IOPS, write 6 IOPS"),
        ("vdb", "vdb: 512 B/s, read 5 IOPS, write 6 IOPS"),
        ("vdb --bps 0", "vdb: read 5 IOPS, write 6 IOPS"),
        ("vdb --off", "vdb: no limit"),
        ("d0 --iops 7", "d0: 7 IOPS"),
        ("vda", "vda: 7 IOPS"),
        ("spare --iops 8", "spare: 8 IOPS"),
    ] {
        lab.qqmgr(&format!("throttle a {line}")).run().ok(&format!("a: {limits}\n"));
    }
    lab.qqmgr("throttle a d0 --json")
        .run()
        .ok("{\"name\":\"a\",\"device\":\"d0\",\"bps\":null,\"bps_read\":null,\"bps_write\":null,\
         \"iops\":7,\"iops_read\":null,\"iops_write\":null}\n");
    let block = lab.qqmgr("qmp a query-block --json").run().code(0).json();
    assert_eq!(block[0]["inserted"]["iops"], 7, "{block}");
}

#[test]
fn devices_that_are_not_there_or_empty() {
    let lab = lab();
    for (line, code, error) in [
        (
            "nothing",
            4,
            "error: a: there is no block device `nothing`\n\
             hint: the block devices are: d0, spare, vdb, cd\n",
        ),
        ("vdc", 4, "error: a: there is no block device `vdc`\nhint: did you mean `vdb`?\n"),
        ("cd --iops 1", 1, "error: a: can't throttle `cd`: Device has no medium\n"),
    ] {
        lab.qqmgr(&format!("throttle a {line}")).run().expect(code, "", error);
    }
    for wrong in ["--bps 1 --bps-read 1", "--off --iops 1", "--bps 1.5M", "--iops 1K"] {
        lab.qqmgr(&format!("throttle a d0 {wrong}")).run().code(2).stdout("");
    }
}
