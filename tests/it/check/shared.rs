//! `check` warns of ports and files that several VMs use.

use super::{elsewhere, findings};
use crate::harness::{Lab, NO_GUEST, free_port};

/// The findings that several VMs share: their code, VMs and message.
fn shared(lab: &Lab) -> Vec<String> {
    let json = lab.qqmgr("check --json").run().json();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let list = json["findings"].as_array().unwrap();
    let found =
        list.iter().filter(|finding| finding["code"].as_str().unwrap().ends_with("_shared"));
    let line = |finding: &serde_json::Value| {
        let others = finding["others"].as_array().unwrap().iter().map(text);
        let vms: Vec<_> = std::iter::once(text(&finding["vm"])).chain(others).collect();
        let message = text(&finding["message"]);
        let message = message.replace(&lab.path("").display().to_string(), "");
        assert_eq!(finding["severity"], "warning");
        format!("{} {}: {message}", text(&finding["code"]), vms.join(" "))
    };
    found.map(line).collect()
}

#[test]
fn ports_of_several_vms() {
    let port = free_port();
    let forward =
        |address: &str| format!("{NO_GUEST} -boot n -nic user,hostfwd=tcp:{address}:{port}-:80");
    let config = [
        ("a", forward("127.0.0.1")),
        ("b", format!("{NO_GUEST} -boot n -gdb tcp:127.0.0.1:{port}")),
        // Another address, another protocol and a client's port are no conflict.
        ("c", forward("127.0.0.2")),
        ("d", forward("127.0.0.1").replace("tcp:", "udp:")),
        ("e", format!("{NO_GUEST} -boot n -chardev socket,id=c,host=127.0.0.1,port={port}")),
        ("f", forward("127.0.0.1")),
    ];
    let config = config.map(|(name, cmd)| elsewhere(name, &cmd)).concat();
    let lab = Lab::new(&config);
    let told =
        format!("port {port} of the host is shared: only one of these VMs can run at a time");
    assert_eq!(shared(&lab), [format!("port_shared a b f: {told}")]);
    assert_eq!(findings(&lab.qqmgr("check a c d e --json").run()), [""; 0]);
    // "All addresses" includes each of them.
    lab.write(
        "qqmgr.toml",
        config.replace(&format!("tcp:127.0.0.2:{port}"), &format!("tcp::{port}")),
    );
    assert_eq!(shared(&lab), [format!("port_shared a b c f: {told}")]);
    lab.write("qqmgr.toml", config);
    // A port that is already taken is an error instead.
    lab.qqmgr("start b").run().code(0);
    assert_eq!(shared(&lab), [""; 0]);
    let found = findings(&lab.qqmgr("check --json").run());
    let taken = |line: &String| {
        line.contains(" port_unavailable ") && line.contains("is in use by VM `b` (pid ")
    };
    assert!(found.len() == 2 && found.iter().all(taken), "{found:?}");
}

#[test]
fn ports_for_ssh() {
    let forward =
        format!("{NO_GUEST} -boot n -nic user,hostfwd=tcp:127.0.0.1:{{{{.vm.ssh.port}}}}-:22");
    let port = free_port();
    let both = elsewhere("a", &forward) + &elsewhere("b", &forward);
    let lab = Lab::new(&both.replace("2222", &port.to_string()));
    let found = findings(&lab.qqmgr("check --json").run());
    let hint = "let each start pick a free one: `port = \"auto\"`";
    assert!(found.len() == 1 && found[0].ends_with(hint), "{found:?}");
    lab.write("qqmgr.toml", both.replace("2222", "'auto'"));
    lab.qqmgr("check --strict").run().ok("2 VMs checked: no problems found\n");
}

#[test]
fn images_of_several_vms() {
    let vms = [
        ("a", "-drive file=disk.img,format=raw -pflash vars.fd"),
        ("b", "-hda ./disk.img -drive if=pflash,format=raw,file=vars.fd"),
        ("c", "-drive file=disk.img,format=raw,readonly=on -pflash other.fd"),
        ("d", "-hda disk.img -snapshot"),
        ("e", "-drive file=disk.img,format=raw,file.locking=off"),
        ("f", "-drive file=open.img,format=raw,file.locking=off"),
        ("g", "-drive file=open.img,format=raw,file.locking=off"),
    ];
    let lab = Lab::new(&vms.map(|(name, cmd)| elsewhere(name, cmd)).concat());
    for file in ["disk.img", "vars.fd", "other.fd", "open.img"] {
        lab.write(file, vec![0; 1 << 20]);
    }
    assert_eq!(
        shared(&lab),
        [
            "image_shared a b e: disk.img is shared: only one of these VMs can run at a time",
            "image_shared a b: vars.fd is shared: the VMs overwrite each other's boot options",
            "image_shared f g: open.img is shared: if two VMs write to it at the same time, they corrupt it",
        ]
    );
}
