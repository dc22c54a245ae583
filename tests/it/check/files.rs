//! What `check` says about files and disk images.

use super::{elsewhere, findings};
use crate::harness::{Lab, NO_GUEST};

#[test]
fn files_that_options_name() {
    let lab = Lab::new(&elsewhere(
        "a",
        "-machine q35 -kernel none -initrd here/x -dtb here -bios nope.bin \
         -drive file=nbd://localhost/x -cdrom cd.iso -hda {{.config_dir}}/hd,1.img \
         -drive file=dr,,1.img,if=none,id=d \
         -blockdev driver=qcow2,node-name=q,file.driver=file,file.filename=bd.img \
         -object memory-backend-file,id=m,size=1M,mem-path=made,share=on \
         -fw_cfg name=opt/a,file=~/x -dtb x/$y/z -append console=ttyS0 quiet",
    ));
    lab.write("here", "");
    let found = findings(&lab.qqmgr("check --json").run());
    let found: Vec<_> = found.iter().map(|line| line.splitn(4, ' ').nth(3).unwrap()).collect();
    assert_eq!(
        found,
        [
            "[DIR]/none does not exist | -",
            "can't read [DIR]/here/x: Not a directory | -",
            "[DIR]/nope.bin does not exist | -",
            "[DIR]/cd.iso does not exist | -",
            "[DIR]/hd,1.img does not exist | make an image: qemu-img create -f qcow2 '[DIR]/hd,1.img' 20G",
            "[DIR]/dr,1.img does not exist | make an image: qemu-img create -f qcow2 '[DIR]/dr,1.img' 20G",
            "[DIR]/bd.img does not exist | make an image: qemu-img create -f qcow2 [DIR]/bd.img 20G",
            "[DIR]/~/x does not exist | `~` and `$` are not expanded: write {{.env.HOME}}",
            "[DIR]/x/$y/z does not exist | `~` and `$` are not expanded: write {{.env.HOME}}",
            "[DIR]/quiet does not exist | QEMU takes a word without an option as a disk image: are quotes missing?",
        ]
    );
}

/// The command in the hint makes a file that QEMU accepts.
#[test]
fn images_to_make() {
    let options = [
        ("-drive file=a.img,format=raw,if=none,id=a", "-f raw a.img 20G"),
        ("-drive file=a.img,format=vmdk,if=none,id=a", "-f vmdk a.img 20G"),
        ("-drive file=a.img,if=none,id=a", "-f qcow2 a.img 20G"),
        ("-drive file=a.img,format=luks,if=none,id=a", "-"),
        ("-hda a.img", "-f qcow2 a.img 20G"),
        ("-fda a.img", "-f raw a.img 1440K"),
        ("-drive file=a.img,if=floppy", "-f raw a.img 1440K"),
        ("-drive file=a.img,if=sd,id=a", "-f raw a.img 8G"),
        (
            "-blockdev driver=raw,node-name=a,file.driver=file,file.filename=a.img",
            "-f raw a.img 20G",
        ),
        ("-blockdev driver=file,node-name=a,filename=a.img", "-f raw a.img 20G"),
        (
            "-blockdev driver=file,node-name=f,filename=a.img -blockdev driver=qcow2,node-name=a,file=f",
            "-f qcow2 a.img 20G",
        ),
        (
            "-blockdev driver=raw,node-name=a,size=1048576,file.driver=file,file.filename=a.img",
            "-f raw a.img 1048576",
        ),
    ];
    for (option, wanted) in options {
        let lab = Lab::new(&elsewhere("a", &format!("{NO_GUEST} {option}")));
        let json = lab.qqmgr("check --json").run().code(1).json();
        assert_eq!(json["findings"][0]["code"], "file_missing", "{json}");
        let hint = json["findings"][0]["hint"].as_str().unwrap_or("-");
        let hint = hint.replace(&lab.path("a.img").display().to_string(), "a.img");
        let Some(command) = hint.strip_prefix("make an image: ") else {
            assert_eq!(hint, wanted, "{option}");
            continue;
        };
        assert_eq!(command, format!("qemu-img create {wanted}"), "{option}");
        let words = shlex::split(command).unwrap();
        lab.program(&words[0]).args(&words[1..]).run().code(0);
        if !option.contains("if=sd") {
            lab.qqmgr("start a").run().code(0);
        }
    }
}

#[test]
fn flash_to_copy() {
    let code = "-drive if=pflash,format=raw,readonly=on,file=fw/OVMF_CODE_4M.fd";
    let vms = [
        ("a", format!("{code} -drive if=pflash,format=raw,file=vars.fd")),
        ("b", "-pflash fw/OVMF_CODE_4M.fd -pflash vars.fd".to_owned()),
        (
            "c",
            "-blockdev driver=raw,node-name=c,read-only=on,file.driver=file,file.filename=fw/OVMF_CODE_4M.fd \
             -blockdev driver=file,node-name=f,filename=vars.fd -blockdev driver=raw,node-name=v,file=f \
             -machine q35,pflash0=c,pflash1=v"
                .to_owned(),
        ),
        ("d", "-pflash fw/NO_CODE.fd -pflash vars.fd".to_owned()),
    ];
    let config: String = vms.iter().map(|(name, cmd)| elsewhere(name, cmd)).collect();
    let lab = Lab::new(&config);
    lab.write("fw/OVMF_CODE_4M.fd", "code");
    lab.write("fw/OVMF_VARS_4M.fd", "vars");
    let found = findings(&lab.qqmgr("check --json").run());
    let missing: Vec<_> = found.iter().filter(|line| line.contains("file_missing")).collect();
    let hints: Vec<_> = missing.iter().map(|line| line.split(" | ").nth(1).unwrap()).collect();
    let copy = "copy the firmware's variables: cp [DIR]/fw/OVMF_VARS_4M.fd [DIR]/vars.fd";
    assert_eq!(
        hints,
        [
            copy,
            copy,
            copy,
            "install the firmware (packages ovmf, edk2-ovmf, qemu-efi-aarch64)",
            "copy the variables of [DIR]/fw/NO_CODE.fd (OVMF_VARS.fd for OVMF_CODE.fd) of the same size",
        ]
    );
}

/// `check` must say about locks what QEMU does about them.
#[test]
fn images_in_use() {
    let drive =
        |options: &str| format!("{NO_GUEST} -drive file=disk.img,format=raw,if=virtio{options}");
    let users = [
        ("reader", ",readonly=on"),
        ("writer", ""),
        ("bold", ",file.locking=off"),
        ("snapshot", " -snapshot"),
    ];
    let config: String = users.map(|(name, options)| elsewhere(name, &drive(options))).concat();
    let lab = Lab::new(&config);
    lab.write("disk.img", vec![0; 1 << 20]);
    let mut locked = Vec::new();
    for (first, _) in users {
        lab.qqmgr(&format!("start {first}")).run().code(0);
        for (second, _) in users.iter().filter(|(name, _)| *name != first) {
            let found = findings(&lab.qqmgr(&format!("check {second} --json")).run());
            let starts = lab.qqmgr(&format!("start {second}")).run().code == 0;
            assert_eq!(found.is_empty(), starts, "{second} beside {first}: {found:?}");
            lab.qqmgr(&format!("stop {second} --force")).run().code(0);
            locked.extend((!starts).then(|| format!("{second} beside {first}")));
        }
        assert_eq!(findings(&lab.qqmgr(&format!("check {first} --json")).run()), [""; 0]);
        lab.qqmgr(&format!("stop {first} --force")).run().code(0);
    }
    assert_eq!(
        locked,
        [
            "writer beside reader",
            "reader beside writer",
            "snapshot beside writer",
            "writer beside snapshot"
        ]
    );

    lab.qqmgr("start writer").run().code(0);
    let outcome = lab.qqmgr("check reader").run();
    outcome.code(1);
    let text = outcome.text();
    assert!(text.contains("disk.img is in use by VM `writer` (pid "), "{outcome}");
}

#[test]
fn images_as_the_image_tool_sees_them() {
    let drives = [
        "-drive file=raw.img,format=raw,if=none,id=a",
        "-drive file=raw.img,if=none,id=b",
        "-drive file=raw.img,format=qcow2,if=none,id=c",
        "-blockdev driver=qcow2,node-name=d,file.driver=file,file.filename=raw.img",
        "-blockdev driver=file,node-name=e,filename=raw.img -blockdev driver=qcow2,node-name=f,file=e",
        "-drive file=base.qcow2,format=raw,if=none,id=g",
        "-blockdev driver=raw,node-name=h,size=65536,file.driver=file,file.filename=base.qcow2",
        "-drive file=over.qcow2,format=qcow2,if=none,id=i",
        "-drive file=lost.qcow2,format=qcow2,if=none,id=j",
        "-cdrom .",
    ];
    let config: String =
        drives.iter().zip('a'..).map(|(drive, vm)| elsewhere(&vm.to_string(), drive)).collect();
    let lab = Lab::new(&config);
    lab.write("raw.img", vec![0; 1 << 20]);
    let create = |line: &str| {
        let words = format!("create -q -f qcow2 {line}");
        lab.program("qemu-img").args(words.split(' ')).run().code(0);
    };
    create("base.qcow2 1M");
    create("-b base.qcow2 -F qcow2 over.qcow2");
    create("away.qcow2 1M");
    create("-b away.qcow2 -F qcow2 lost.qcow2");
    std::fs::remove_file(lab.path("away.qcow2")).unwrap();
    let found = findings(&lab.qqmgr("check --json").run());
    let wrong = "[DIR]/raw.img is a raw image, not qcow2 | did you mean `raw`?";
    assert_eq!(
        found,
        [
            &format!("c image_format_wrong 8:23 {wrong}"),
            &format!("d image_format_wrong 11:77 {wrong}"),
            &format!("e image_format_wrong 14:54 {wrong}"),
            "f image_read_raw 17:23 [DIR]/base.qcow2 is a qcow2 image, but the guest would see its raw bytes | did you mean `qcow2`?",
            "i image_broken 26:23 the image [DIR]/lost.qcow2 can't be used: Could not open \
             '[DIR]/away.qcow2': No such file or directory | -",
            "a image_shared 2:23 [DIR]/raw.img is shared: only one of these VMs can run at a time | \
             give each VM a copy, or make it read-only with `readonly=on`",
            "f image_shared 17:23 [DIR]/base.qcow2 is shared: only one of these VMs can run at a time | \
             give each VM a copy, or make it read-only with `readonly=on`",
        ]
    );
    // A missing tool does no harm, unless the config names it.
    lab.write(
        "qqmgr.toml",
        format!("[qemu]\nimg = 'no-img'\n{}", elsewhere("c", &drives[..3].join(" "))),
    );
    assert_eq!(
        findings(&lab.qqmgr("check --json").run()),
        ["c image_tool_not_run 2:7 can't run `no-img`: No such file or directory | -"]
    );
}
