//! `device`: hotplug, and guests that do not release a device.

use crate::harness::{Lab, NO_GUEST, vm};

fn lab(machine: &str) -> Lab {
    let cmd = format!("{} -device virtio-serial-pci,id=ports", NO_GUEST.replace("q35", machine));
    let lab = Lab::new(&vm("a", &cmd));
    lab.qqmgr("start a").run().code(0);
    lab
}

#[test]
fn list_add_and_remove() {
    let lab = lab("pc");
    lab.qqmgr("device list a").run().ok("ID     DRIVER\nports  virtio-serial-pci\n");
    let port = "device add a driver=virtserialport id=p1 bus=ports.0";
    lab.qqmgr(port).run().ok("a: added p1 (virtserialport)\n");
    lab.qqmgr("device list a --json").run().ok("[{\"id\":\"p1\",\"driver\":\"virtserialport\"},\
         {\"id\":\"ports\",\"driver\":\"virtio-serial-pci\"}]\n");
    lab.qqmgr("device rm a p1 --json")
        .run()
        .ok("{\"name\":\"a\",\"id\":\"p1\",\"driver\":\"virtserialport\",\"present\":false}\n");
    lab.qqmgr("device list a").run().ok("ID     DRIVER\nports  virtio-serial-pci\n");
    // An alias is as good as a driver's name.
    lab.qqmgr("device add a driver=virtio-rng id=rng max-bytes=100")
        .run()
        .ok("a: added rng (virtio-rng-pci)\n");
}

#[test]
fn a_guest_that_does_not_release_a_device() {
    let lab = lab("pc");
    lab.qqmgr("pause a").run().code(0);
    for hint in
        ["the guest does not run: qqmgr resume a", "it may still do so: qqmgr device list a"]
    {
        lab.qqmgr("device rm a ports --timeout 100ms").run().expect(
            5,
            "",
            &format!("error: a: the guest did not release `ports` within 100ms\nhint: {hint}\n"),
        );
        lab.qqmgr("resume a").run().code(0);
    }
    let json = lab.qqmgr("device rm a ports --timeout 0 --json").run().code(5).json();
    assert_eq!(json["error"]["code"], "device_not_released", "{json}");
}

#[test]
fn what_qemu_refuses_comes_with_what_to_write() {
    let lab = lab("q35");
    for (line, code, error) in [
        (
            "add a driver=virtio-rgn-pci id=x",
            1,
            "error: a: can't add `x`: 'virtio-rgn-pci' is not a valid device model name\n\
             hint: did you mean `virtio-rng-pci`?\n",
        ),
        (
            "add a driver=virtserialport id=x nmae=y",
            1,
            "error: a: can't add `x`: Property 'virtserialport.nmae' not found\n\
             hint: did you mean `name`?\n",
        ),
        (
            "add a driver=virtio-rng-pci id=x",
            1,
            "error: a: can't add `x`: Bus 'pcie.0' does not support hotplugging\n\
             hint: start the VM with -device pcie-root-port,id=port1,chassis=1, and add `bus=port1` here\n",
        ),
        (
            "add a driver=virtserialport id=ports",
            1,
            "error: a: can't add `ports`: Duplicate device ID 'ports'\n",
        ),
        (
            "add a driver=virtserialport",
            2,
            "error: a device needs a driver and an id\nhint: write driver=virtio-rng-pci id=rng1\n",
        ),
        (
            "add a virtserialport",
            2,
            "error: `virtserialport` is not KEY=VALUE, KEY:=JSON or a JSON object\n\
             hint: write driver=virtio-rng-pci id=rng1\n",
        ),
        ("rm a prots", 4, "error: a: there is no device `prots`\nhint: did you mean `ports`?\n"),
        ("rm a x", 4, "error: a: there is no device `x`\nhint: the devices are: ports\n"),
        (
            "rm a ports",
            1,
            "error: a: can't remove `ports`: Bus 'pcie.0' does not support hotplugging\n",
        ),
        ("rm a", 2, "error: `device rm` takes one id\nhint: write: qqmgr device rm a ID\n"),
        (
            "list a x",
            2,
            "error: `device list` takes only a target\nhint: write: qqmgr device list a\n",
        ),
    ] {
        lab.qqmgr(&format!("device {line}")).run().expect(code, "", error);
    }
}
