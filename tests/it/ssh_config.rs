//! `ssh-config`: a block that plain OpenSSH understands.

use crate::harness::{Lab, NO_GUEST, guest_vm, vm};

#[test]
fn a_fixed_port_needs_no_running_vm() {
    let config = vm("a", NO_GUEST) + &vm("b", NO_GUEST).replace("2222", "'auto'");
    let lab = Lab::new(&config);
    let json = lab.qqmgr("ssh-config a --json").run().code(0).json();
    let block = json[0]["config"].as_str().unwrap();
    let normal = block.replace(&lab.path("").display().to_string(), "[DIR]/");
    let (before, after) = normal.split_once("  ControlPath \"").unwrap();
    assert_eq!(
        before,
        "Host a\n  Port 2222\n  HostName 127.0.0.1\n  NoHostAuthenticationForLocalhost yes\n  \
         UserKnownHostsFile \"[DIR]/.qqmgr/vm.a/known_hosts\"\n  StrictHostKeyChecking no\n  \
         LogLevel ERROR\n  ControlMaster auto\n  ControlPersist 60\n\
         Match originalhost a exec \"sh -c 'mkdir -m 700 [DIR]/run/qqmgr 2>/dev/null; \
         test -d [DIR]/run/qqmgr && test ! -L [DIR]/run/qqmgr && test -O [DIR]/run/qqmgr && \
         test -w [DIR]/run/qqmgr'\"\n"
    );
    assert!(after.starts_with("[DIR]/run/qqmgr/") && after.ends_with("-%r\"\n"), "{after}");
    assert_eq!(json[0]["name"], "a");
    assert_eq!(json[0]["host"], "127.0.0.1");
    assert_eq!(json[0]["port"], 2222);

    assert_eq!(lab.qqmgr("ssh-config a").run().code(0).stderr("").text(), block);
    let left_out =
        "note: VM `b` is not running, and its SSH port is picked when it starts; skipped\n";
    let all = lab.qqmgr("ssh-config --all").run();
    assert_eq!(all.code(0).stderr(left_out).text(), block);
    assert_eq!(lab.qqmgr("ssh-config --all --json").run().code(0).stderr("").json(), json);
    lab.qqmgr("ssh-config a b").run().expect(
        4,
        "",
        "error: VM `b` is not running, and its SSH port is picked when it starts\n\
         hint: start it: qqmgr start b; or set its port in the config\n",
    );
    lab.qqmgr("ssh-config").run().code(2);
}

#[test]
fn one_broken_vm_is_in_no_others_way() {
    let broken = vm("b", NO_GUEST).replace("2222", "2223, User = '{{.env.NOBODY}}'");
    let config = vm("a", "-m {{.env.MEM}}") + &broken;
    let lab = Lab::new(&config);
    let block = lab.qqmgr("ssh-config a").run().code(0).stderr("").text();
    let left_out = "note: VM `b`: there is no environment variable `NOBODY`; skipped\n";
    let all = lab.qqmgr("ssh-config --all").run();
    assert_eq!(all.code(0).stderr(left_out).text(), block);
    let json = lab.qqmgr("ssh-config --all --json").run().code(0).stderr(left_out).json();
    assert_eq!(json.as_array().unwrap().len(), 1);
    lab.qqmgr("ssh-config b").run().code(3).stdout("");
}

#[test]
fn plain_ssh_reaches_the_guest_over_the_shared_connection() {
    let lab = Lab::new(&guest_vm("a"));
    lab.qqmgr("start a --wait").run().code(0);
    let config = lab.qqmgr("ssh-config a").run().code(0).text();
    lab.write("config", config);
    lab.program("ssh").args(["-F", "config", "a", "echo", "reached"]).run().ok("reached\n");
    // `qqmgr ssh` uses the same master, and `stop` ends it.
    lab.program("ssh").args(["-F", "config", "-O", "check", "a"]).run().code(0);
    lab.program("ssh").args(["-F", ".qqmgr/vm.a/ssh.conf", "-O", "check", "a"]).run().code(0);
    lab.qqmgr("stop a").run().code(0);
    lab.nobody_is_left();
}
