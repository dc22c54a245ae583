//! `pause` and `resume`, of VMs and of any other QEMU.

use crate::harness::{Lab, NO_GUEST, until, vm};
use std::os::unix::net::UnixStream;
use std::process::Child;

/// A QEMU that qqmgr has not started, with its files in the lab's directory. The lab ends it.
fn other(lab: &Lab, line: &str) -> Child {
    let pidfile = format!("-pidfile {}", lab.path("other.pid").display());
    let line = format!("{NO_GUEST} {pidfile} {line}");
    let child = lab.program("qemu-system-x86_64").args(line.split(' ')).spawn();
    let socket = lab.path("q.sock");
    until("QEMU is there", || match line.contains("unix:") {
        true => UnixStream::connect(&socket).ok().map(drop),
        false => lab.path("other.pid").exists().then_some(()),
    });
    child
}

#[test]
fn vms_by_name_by_pattern_and_all() {
    let lab = Lab::new(&(vm("a", NO_GUEST) + &vm("b", NO_GUEST) + &vm("c", NO_GUEST)));
    lab.qqmgr("start a b").run().code(0);
    lab.qqmgr("pause a").run().ok("a: paused\n");
    lab.qqmgr("pause a").run().ok("a: is already paused\n");
    assert_eq!(lab.qqmgr("status a --json").run().json()["state"], "paused");
    lab.qqmgr("resume a --json")
        .run()
        .ok("{\"name\":\"a\",\"state\":\"running\",\"was\":\"paused\"}\n");
    lab.qqmgr("resume a").run().ok("a: is already running\n");
    let json = lab.qqmgr("pause --all --json").run().code(0).json();
    assert_eq!(json.as_array().unwrap().len(), 2, "{json}");
    let text = lab.qqmgr("resume ?").run().code(4).text();
    assert!(text.contains("a: resumed; it was paused\n"), "{text}");
    assert!(text.contains("b: resumed; it was paused\n"), "{text}");
    lab.qqmgr("pause c").run().expect(
        4,
        "",
        "error: VM `c` is not running\nhint: start it: qqmgr start c\n",
    );
}

#[test]
fn any_qemu_by_pid_and_by_socket() {
    let lab = Lab::empty();
    let mut qemu =
        other(&lab, "-qmp unix:q.sock,server=on,wait=off -qmp tcp:127.0.0.1:0,server=on,wait=off");
    let pid = format!("pid:{}", qemu.id());
    lab.qqmgr(&format!("pause {pid}")).run().ok("pid:[PID]: paused\n");
    let resumed = "unix:[DIR]/q.sock: resumed; it was paused\n";
    lab.qqmgr("resume unix:q.sock").run().ok(resumed);
    // One client at a time: another one is told of, not waited for.
    let held = UnixStream::connect(lab.path("q.sock")).unwrap();
    lab.qqmgr(&format!("pause {pid}")).run().expect(
        5,
        "",
        "error: pid:[PID]: another client uses the QMP socket unix:[DIR]/q.sock\n\
         hint: close the other client, or give QEMU a second -qmp: QEMU serves one client at a time\n",
    );
    drop(held);
    let both = lab.qqmgr(&format!("pause {pid} unix:nothing --json")).run().code(1).json();
    assert_eq!(both[0]["state"], "paused", "{both}");
    assert_eq!(both[1]["error"]["code"], "qmp_unreachable", "{both}");
    qemu.kill().unwrap();
    qemu.wait().unwrap();
    let gone = lab.qqmgr(&format!("pause {pid} --json")).run().code(4).json();
    assert_eq!(gone["error"]["code"], "no_such_process", "{gone}");
}

#[test]
fn every_qemu_is_listed() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.qqmgr("start a").run().code(0);
    let mut qemu = other(&lab, "-qmp unix:q.sock,server=on,wait=off -name guest=lab");
    let list = lab.qqmgr("list --any --json").run().code(0).json();
    let ours = |name: &str| {
        let mut all = list.as_array().unwrap().iter();
        let socket = lab.path(name).display().to_string();
        all.find(|row| row["qmp"].as_str().is_some_and(|qmp| qmp.ends_with(&socket))).cloned()
    };
    let other = ours("q.sock").unwrap();
    assert_eq!((&other["name"], &other["pid"]), (&"lab".into(), &qemu.id().into()), "{other}");
    assert!(other["started_by"].is_null() && other["memory"].as_u64() > Some(1 << 20), "{other}");
    let vm = ours(".qqmgr/vm.a/qmp.socket").unwrap();
    assert_eq!((&vm["name"], &vm["started_by"]), (&"a".into(), &"qqmgr".into()), "{vm}");
    let text = lab.qqmgr("list --any").run().code(0).text();
    let row = text.lines().find(|line| line.contains(&format!(" {} ", qemu.id()))).unwrap();
    assert!(row.starts_with("lab  ") && row.ends_with("/q.sock"), "{text}");
    qemu.kill().unwrap();
    qemu.wait().unwrap();
}

#[test]
fn what_is_no_target() {
    let lab = Lab::empty();
    let mut without = other(&lab, "-qmp stdio");
    let pid = without.id();
    lab.qqmgr(&format!("pause pid:{pid}")).run().expect(
        4,
        "",
        "error: QEMU (pid [PID]) can't be reached by QMP: QMP is on `stdio`\n\
         hint: start it with -qmp unix:/path/to.sock,server=on,wait=off\n",
    );
    without.kill().unwrap();
    without.wait().unwrap();
    let us = std::process::id();
    let json = lab.qqmgr(&format!("pause pid:{us} --json")).run().code(4).json();
    assert_eq!(json["error"]["code"], "not_qemu", "{json}");
    for target in ["pid:x", "pid:0", "unix:", "tcp:4444", "tcp:host:port"] {
        let outcome = lab.qqmgr(&format!("pause {target}")).run();
        let stderr = String::from_utf8_lossy(&outcome.code(2).stderr).into_owned();
        assert!(
            stderr.starts_with(&format!("error: `{target}` is not a target\nhint: write ")),
            "{stderr}"
        );
    }
}
