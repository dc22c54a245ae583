//! A runtime directory whose path is too long for a unix socket.

use crate::harness::{Lab, NO_GUEST, fake_qemu, guest_vm, vm};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

#[test]
fn everything_works() {
    let lab = Lab::empty();
    let deep = format!("{}/{}", "long ".repeat(20).trim(), "path,%h".repeat(16));
    let name = "a".repeat(64);
    lab.write(format!("{deep}/qqmgr.toml"), guest_vm(&name) + &fake_qemu("fake", ""));
    let qqmgr = |line: &str| lab.qqmgr(&line.replace("VM", &name)).cwd(&deep);
    qqmgr("start VM --wait").run().code(0).stderr("");
    let status = qqmgr("status VM --json").run().code(0).stderr("").json();
    assert_eq!(status["state"], "running");
    let dir = status["dir"].as_str().unwrap();
    assert!(dir.len() > 300, "{dir}");
    qqmgr("ssh VM echo reached").run().ok("reached\n");
    qqmgr("put VM - /root/x").stdin("x").run().ok("");
    qqmgr("get VM /root/x .").run().ok("");
    qqmgr("start fake").run().code(0).stderr("");
    qqmgr("list").run().code(0).stderr("");

    let handle = std::fs::File::open(dir).unwrap();
    for (socket, greeting) in [("monitor.socket", "QEMU "), ("qmp.socket", "{\"QMP\"")] {
        let path = format!("/proc/self/fd/{}/{socket}", handle.as_raw_fd());
        let mut stream = UnixStream::connect(path).unwrap();
        stream.write_all(b"\n").unwrap();
        let mut start = vec![0; greeting.len()];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(String::from_utf8(start).unwrap(), greeting);
    }
    qqmgr("stop fake").run().code(0).stderr("");
    qqmgr("stop VM").run().code(0).stderr("");
    lab.nobody_is_left();
}

#[test]
fn clients_of_another_project_are_not_its_own() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    let deep = "deep/".repeat(30);
    lab.write(format!("{deep}/qqmgr.toml"), vm("a", NO_GUEST));
    lab.qqmgr("start a").cwd(&deep).run().code(0);
    // One connection is served and one waits: the kernel lists them under
    // `.qqmgr/vm.a/serial.socket`.
    let handle = std::fs::File::open(lab.path(format!("{deep}/.qqmgr/vm.a"))).unwrap();
    let socket = format!("/proc/self/fd/{}/serial.socket", handle.as_raw_fd());
    let _clients = [&socket, &socket].map(|socket| UnixStream::connect(socket).unwrap());
    lab.qqmgr("start a").run().code(0);
    lab.qqmgr("console a --idle 10ms").run().code(0);
    // The VM's own connections are found.
    let held = lab.qqmgr("console a --json").cwd(&deep).run().code(1).json();
    assert_eq!(held["error"]["code"], "console_held");
}
