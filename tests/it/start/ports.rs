//! `start` and the host's ports: the port for SSH, and who uses it.

use super::assert_nothing_left;
use crate::harness::{Lab, NO_GUEST, free_port, vm};
use std::net::TcpListener;

#[test]
fn the_owner_of_a_taken_port_is_named() {
    let port = free_port();
    let cmd = "-nodefaults -machine q35,accel=tcg -m 64 -display none \
               -netdev user,id=n,hostfwd=tcp:127.0.0.1:{{.vm.ssh.port}}-:22";
    let config = vm("first", cmd) + &vm("second", cmd);
    let lab = Lab::new(&config.replace("2222", &port.to_string()));
    lab.qqmgr("start first").run().code(0);
    let error = |owner: &str| {
        format!(
            "error: VM `second` did not start: its SSH port {port} is in use by {owner}\n\
             hint: write `port = \"auto\"` and `{{{{.vm.ssh.port}}}}` in `cmd` for a free one\n"
        )
    };
    lab.qqmgr("start second").run().expect(1, "", &error("VM `first` (pid [PID])"));
    assert_eq!(lab.qemus().len(), 1);
    lab.qqmgr("stop --force first").run().code(0);

    let _ours = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let program = std::env::current_exe().unwrap();
    let program = program.file_name().unwrap().to_str().unwrap();
    let outcome = lab.qqmgr("start second").run();
    outcome.expect(1, "", &error(&format!("`{program}` (pid [PID])")));
    let stderr = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert!(stderr.contains(&format!("(pid {})", std::process::id())), "{outcome}");
    assert_nothing_left(&lab, "second");
}

#[test]
fn the_owner_of_another_port_is_named_with_its_line() {
    let ours = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let taken = ours.local_addr().unwrap().port();
    let ssh = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let rules = format!("-netdev user,id=n,hostfwd=tcp:127.0.0.1:{taken}-:80");
    let ssh_port = ssh.local_addr().unwrap().port().to_string();
    let lab = Lab::new(&vm("a", &format!("{NO_GUEST} {rules}")).replace("2222", &ssh_port));
    let json = lab.qqmgr("start a --json").run().code(1).stderr("").json();
    assert_eq!(json["error"]["code"], "port_taken", "{json}");
    assert_eq!(json["error"]["location"]["line"], 2, "{json}");
    assert!(json["error"]["hint"].as_str().unwrap().contains("[vm.NAME.ports]"), "{json}");
    let program = std::env::current_exe().unwrap();
    let program = program.file_name().unwrap().to_str().unwrap();
    let owner = format!("`{program}` (pid {})", std::process::id());
    let message = format!("VM `a` did not start: its port {taken} is in use by {owner}");
    assert_eq!(json["error"]["message"], message);
    assert_nothing_left(&lab, "a");
}

#[test]
fn forwards_in_json_are_seen() {
    let port = free_port();
    let rule = format!("tcp:127.0.0.1:{port}-:22");
    let net = format!(
        "-netdev '{{\"type\":\"user\",\"id\":\"n\",\"hostfwd\":[{{\"str\":\"{rule}\"}}]}}' -S"
    );
    let lab = Lab::new(&vm("a", &format!("{NO_GUEST} {net}")).replace("2222", &port.to_string()));
    lab.qqmgr("check a").run().ok("1 VM checked: no problems found\n");
    lab.qqmgr("start a").run().code(0);
    let status = lab.qqmgr("status a --json").run().code(0).json();
    let forward = &status["forwards"][0];
    assert_eq!([&forward["host_port"], &forward["guest_port"]], [port, 22], "{status}");
    lab.qqmgr("wait a --for port:22 --timeout 100ms").run().code(5);
}

#[test]
fn an_automatic_port_is_kept_for_the_vms_life() {
    let cmd = "-netdev user,id=n,hostfwd=tcp:127.0.0.1:{{.vm.ssh.port}}-:{{.vm.ssh.vm_port}}";
    let config = vm("a", &format!("{NO_GUEST} {cmd}")).replace("2222", "'auto'");
    let lab = Lab::new(&config);
    assert!(lab.qqmgr("status a --json").run().json()["ssh"]["port"].is_null());
    let started = lab.qqmgr("start a --json").run().code(0).json();
    let port = started["ssh_port"].as_u64().unwrap();
    assert!((1024..65536).contains(&port), "{port}");
    assert!(TcpListener::bind(("127.0.0.1", port as u16)).is_err(), "QEMU listens on it");
    let status = lab.qqmgr("status a --json").run().code(0).json();
    assert_eq!(status["ssh"]["port"], port);
    assert_eq!(status["forwards"][0]["host_port"], port);
    assert_eq!(status["forwards"][0]["guest_port"], 22);
    assert_eq!(lab.qqmgr("start a --json").run().code(0).json()["ssh_port"], port);
    lab.qqmgr("stop --force a").run().code(0);
    assert!(lab.qqmgr("status a --json").run().json()["ssh"]["port"].is_null());
}

/// A VM `a` with two named ports; the VM `b` has one of them, too.
fn with_named_ports(http: &str) -> String {
    let cmd = "-netdev user,id=n,hostfwd=tcp:127.0.0.1:{{.vm.ssh.port}}-:22,\
               hostfwd=tcp:127.0.0.1:{{.vm.ports.http}}-:80 \
               -chardev socket,id=c,server=on,wait=off,host=127.0.0.1,port={{.vm.ports.chat}}";
    let vm = |name: &str| {
        vm(name, &format!("{NO_GUEST} {cmd}")).replace("2222", "'auto'")
            + &format!("[vm.{name}.ports]\nhttp = {http}\nchat = \"auto\"\n")
    };
    vm("a") + &vm("b")
}

#[test]
fn named_ports_are_picked_shown_and_waited_for() {
    let lab = Lab::new(&with_named_ports("\"auto\""));
    assert_eq!(lab.qqmgr("status a --json").run().json()["ports"], serde_json::json!({}));
    let started = lab.qqmgr("start a b --json").run().code(0).json();
    let ports = [0, 1].map(|vm| started[vm]["ports"].clone());
    let all: std::collections::HashSet<_> =
        ports.iter().flat_map(|ports| [&ports["http"], &ports["chat"]]).collect();
    assert_eq!(all.len(), 4, "{started}");
    let http = ports[0]["http"].as_u64().unwrap();
    let status = lab.qqmgr("status a --json").run().json();
    assert_eq!(status["ports"], ports[0]);
    assert_eq!(status["forwards"][1]["host_port"], http);
    let text = lab.qqmgr("status a").run().code(0).text();
    assert!(
        text.contains(&format!("\n  port     chat {}\n  port     http {http}\n", ports[0]["chat"])),
        "{text}"
    );
    let text = lab.qqmgr("start a").run().code(0).text();
    assert!(text.ends_with(&format!(", chat on {}, http on {http}\n", ports[0]["chat"])), "{text}");

    lab.qqmgr("wait a --for port:http --timeout 100ms").run().code(5);
    lab.qqmgr("wait a --for port:chat").run().expect(
        2,
        "",
        "error: VM `a` does not forward its port `chat`\n\
         hint: add hostfwd=tcp:127.0.0.1:{{.vm.ports.chat}}-:PORT to its -netdev user\n",
    );
    lab.qqmgr("wait a --for port:htp").run().expect(
        2,
        "",
        "error: VM `a` has no port `htp`\nhint: did you mean `port:http`?\n",
    );
}

#[test]
fn the_owner_of_a_named_port_is_told() {
    let ours = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let taken = ours.local_addr().unwrap().port();
    let lab = Lab::new(&with_named_ports(&taken.to_string()));
    let json = lab.qqmgr("start a --json").run().code(1).stderr("").json();
    assert_eq!(json["error"]["code"], "port_taken", "{json}");
    let message = json["error"]["message"].as_str().unwrap();
    let begin = format!("VM `a` did not start: its port `http` ({taken}) is in use by `");
    assert!(message.starts_with(&begin), "{message}");
    assert_eq!(
        json["error"]["hint"],
        "write `http = \"auto\"` and `{{.vm.ports.http}}` in `cmd` for a free one"
    );
    assert_nothing_left(&lab, "a");
}

#[test]
fn a_port_that_qemu_picks_is_asked_for() {
    let net = "-netdev user,id=n,hostfwd=tcp:127.0.0.1:0-:80";
    let lab = Lab::new(&vm("a", &format!("{NO_GUEST} {net}")));
    lab.qqmgr("start a").run().code(0);
    let status = lab.qqmgr("status a --json").run().code(0).json();
    let port = status["forwards"][0]["host_port"].as_u64().unwrap() as u16;
    assert!(port > 0, "{status}");
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok(), "QEMU listens on it");
    lab.qqmgr("wait a --for port:80 --timeout 100ms").run().code(5);
}
