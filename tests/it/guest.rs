//! The main job on a real Linux guest: start until a login works, check it, power it down.

use crate::harness::{Lab, guest_vm};

#[test]
fn from_start_to_powerdown_twice() {
    let lab = Lab::new(&guest_vm("a"));
    for _life in 0..2 {
        let started = lab.qqmgr("start a --wait --json").run();
        started.ok("{\"name\":\"a\",\"pid\":[PID],\"already_running\":false,\"ssh_port\":[PORT],\"ports\":{},\
             \"ignored_args\":[],\"warnings\":[],\"lease\":null,\"held\":[\"ssh\"],\"seconds\":[SECONDS]}\n");
        lab.qqmgr("ssh a true").run().ok("");
        let status = lab.qqmgr("status a --json").run().code(0).json();
        assert_eq!(status["state"], "running");
        assert_eq!(status["ssh"]["port"], started.json()["ssh_port"]);
        lab.qqmgr("start a --wait").run().code(0).stderr("");
        lab.qqmgr("stop a")
            .run()
            .ok("a: stopped (pid [PID]) after [SECONDS]: the guest powered down\n");
        // That includes the master of the shared connection.
        lab.nobody_is_left();
        let serial = std::fs::read(lab.vm_file("a", "serial")).unwrap();
        assert!(!serial.is_empty(), "the serial log survives");
    }
}

#[test]
fn a_button_pressed_while_the_guest_boots_is_pressed_again() {
    let lab = Lab::new(&guest_vm("a"));
    lab.qqmgr("start a").run().code(0);
    lab.qqmgr("stop a --timeout 170s")
        .run()
        .ok("a: stopped (pid [PID]) after [SECONDS]: the guest powered down\n");
}

#[test]
fn a_guest_that_panics_is_left_as_it_is() {
    let lab = Lab::new(&guest_vm("a").replace(" quiet", " rdinit=/none"));
    let started = lab.qqmgr("start a --wait").run();
    let stderr = String::from_utf8_lossy(&started.code(1).stdout("").stderr).into_owned();
    let (told, end) = stderr.split_once("\nhint: see its state: qqmgr status a\n").unwrap();
    let panicked = "error: VM `a`: the guest panicked: VFS: Unable to mount root fs on ";
    assert!(told.starts_with(panicked), "{started}");
    assert!(end.starts_with("crash bundle: "), "{started}");
    lab.qqmgr("status a --exit-code").run().code(0);
    let listed = lab.qqmgr("list --json").run().code(0).json();
    assert_eq!(listed[0]["state"], "panicked", "{listed}");
    // After a panic, no login will ever work, and no condition that needs an answer is met.
    for condition in ["--for ssh", "--for port:22 --for serial:x", "--for file:/x --for ssh --any"]
    {
        let waited = lab.qqmgr(&format!("wait a {condition} --timeout 170s --json")).run();
        let json = waited.code(1).json();
        assert_eq!(json["error"]["code"], "guest_panicked", "{condition}: {json}");
    }
    lab.qqmgr("wait a --for 'serial:end Kernel panic'").run().code(0);
    lab.qqmgr("wait a --for ssh --for running --any --timeout 1s").run().code(5).stdout("");
    lab.qqmgr("kill a").run().code(0);
    // A VM that ends with its panic leaves nothing.
    let config = guest_vm("a").replace(" quiet", " rdinit=/none panic=-1");
    lab.write("qqmgr.toml", config.replace("-nodefaults", "-nodefaults -no-reboot"));
    let started = lab.qqmgr("start a --wait").run();
    let stderr = String::from_utf8_lossy(&started.code(1).stderr).into_owned();
    assert!(stderr.starts_with(panicked), "{started}");
    assert!(!stderr.contains("hint"), "{started}");
    lab.qqmgr("status a --exit-code").run().code(4);
}

#[test]
fn a_guest_that_powers_itself_off_is_stopped() {
    let lab = Lab::new(&guest_vm("a"));
    lab.qqmgr("start a --wait").run().code(0);
    lab.qemu().ends(|| lab.qqmgr("ssh a poweroff -f").run());
    lab.qqmgr("status a --exit-code").run().code(4);
    lab.qqmgr("ssh a true").run().code(125);
    lab.qqmgr("stop a").run().ok("a: is not running\n");
    lab.nobody_is_left();
}
