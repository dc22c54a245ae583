//! VMs that were renamed in the config, or removed from it, while they were running.

use crate::harness::{Lab, NO_GUEST, fake_qemu, until, vm};
use rustix::process::Signal;

/// A VM `old` that the config has just stopped defining.
fn renamed() -> Lab {
    let lab = Lab::new(&vm("old", NO_GUEST).replace("2222", "2222, User = 'nobody'"));
    lab.qqmgr("start old").run().code(0);
    lab.write("qqmgr.toml", vm("new", NO_GUEST));
    lab
}

#[test]
fn a_vm_that_the_config_has_no_more() {
    let lab = renamed();
    let text = lab.qqmgr("list").run().code(0).stderr("").text();
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[1].starts_with("new   stopped"), "{text}");
    assert!(lines[2].starts_with("old   running"), "{text}");
    assert!(lines[2].ends_with("  2222  not in the config"), "{text}");
    let json = lab.qqmgr("list --json").run().code(0).json();
    assert_eq!((&json[0]["configured"], &json[1]["configured"]), (&true.into(), &false.into()));
    let text = lab.qqmgr("status old").run().code(0).text();
    assert!(text.contains("\n  note     no longer in the config\n"), "{text}");
    lab.qqmgr("gc").run().ok("stopped: none\nremoved: none\nnot in the config, but running: old\n");
    assert_eq!(lab.qqmgr("gc --json").run().code(0).json()["unconfigured"][0], "old");
    // The verbs work on this VM as on any other.
    lab.qqmgr("wait old --for running").run().ok("old: after [SECONDS]: running\n");
    lab.qqmgr("monitor old info name").run().code(0);
    lab.qqmgr("events old --all --timeout 0").run().code(0);
    assert!(lab.qqmgr("timeline old").run().code(0).text().starts_with("old:"));
    lab.qqmgr("serial old").run().ok("");
    let block = lab.qqmgr("ssh-config old").run().code(0).text();
    assert!(block.starts_with("Host old\n  Port 2222\n  User nobody\n"), "{block}");
    // It can be stopped, but not started.
    lab.qqmgr("start old").run().code(4).stdout("");
    lab.qqmgr("restart old").run().code(4).stdout("");
    assert_eq!(lab.qemus().len(), 1);
    lab.qqmgr("stop old --force").run().ok("old: stopped (pid [PID]) after [SECONDS]: QMP quit\n");
    // Once it has ended, it is no longer listed.
    assert_eq!(lab.qqmgr("list").run().code(0).text().lines().count(), 2);
    for verb in ["stop", "kill", "status"] {
        lab.qqmgr(&format!("{verb} old")).run().code(4).stdout("");
    }
}

#[test]
fn it_is_killed_and_stopped_with_all_others() {
    let lab = renamed();
    lab.qqmgr("kill old").run().ok("old: stopped (pid [PID]) after [SECONDS]: SIGKILL\n");
    let lab = renamed();
    let all = lab.qqmgr("stop --all --force").run().code(0).text();
    assert!(all.contains("old: stopped (pid "), "{all}");
    assert!(lab.processes().is_empty(), "{:?}", lab.processes());
}

#[test]
fn a_lease_holds_without_a_definition() {
    let lab = Lab::new(&fake_qemu("old", ""));
    let mut owner = lab.program("sleep").args(["1000"]).spawn();
    lab.qqmgr(&format!("start old --owner-pid {}", owner.id())).run().code(0);
    lab.write("qqmgr.toml", "");
    let keeper = lab.processes().into_iter().find(|process| process.args[0] == "qqmgr-keeper");
    keeper.unwrap().signal(Signal::KILL);
    owner.kill().unwrap();
    owner.wait().unwrap();
    let collected = || lab.qqmgr("gc").run().code(0).text() == "stopped: old\nremoved: none\n";
    until("its keeper has ended, and gc stops it", || collected().then_some(()));
}

#[test]
fn vms_of_another_config_beside_this_one() {
    let lab = Lab::empty();
    lab.write("one.toml", vm("a", NO_GUEST));
    lab.write("two.toml", vm("b", NO_GUEST));
    lab.qqmgr("start a -c one.toml").run().code(0);
    assert_eq!(lab.qqmgr("list -c two.toml").run().code(0).text().lines().count(), 2);
    lab.qqmgr("stop a -c two.toml --force").run().code(4).stdout("");
    lab.qqmgr("stop --all -c two.toml --force").run().ok("b: is not running\n");
    assert_eq!(lab.qemus().len(), 1);
}

#[test]
fn vms_of_a_config_that_has_become_wrong() {
    let lab = Lab::new(&(fake_qemu("a", "") + &fake_qemu("b", "") + &fake_qemu("c", "")));
    lab.qqmgr("start a b c").run().code(0);
    lab.write("qqmgr.toml", "[vm.a\n");
    let wrong = |level: &str| {
        format!(
            "{level}: not valid TOML: unclosed table, expected `]`\n --> [DIR]/qqmgr.toml:1:6\n  |\n1 | [vm.a\n  |      ^\n"
        )
    };
    lab.qqmgr("list").run().expect(3, "", &wrong("error"));
    let stopped =
        |vm: &str, how: &str| format!("{vm}: stopped (pid [PID]) after [SECONDS]: {how}\n");
    lab.qqmgr("stop a --force").run().expect(0, &stopped("a", "QMP quit"), &wrong("warning"));
    lab.qqmgr("kill b").run().expect(0, &stopped("b", "SIGKILL"), &wrong("warning"));
    let json = lab.qqmgr("stop --all --json").run().code(0).stderr("").json();
    assert_eq!((&json[0]["name"], &json[0]["method"]), (&"c".into(), &"powerdown".into()));
    let note = json[0]["notes"][0].as_str().unwrap();
    assert!(note.starts_with("the config was not read: not valid TOML: unclosed table"), "{note}");
    assert!(lab.processes().is_empty(), "{:?}", lab.processes());
    lab.qqmgr("stop --all").run().expect(0, "", &wrong("warning"));
    lab.qqmgr("stop a").run().expect(0, "a: is not running\n", &wrong("warning"));
    // Only the config could tell whether this VM exists.
    lab.qqmgr("stop d").run().expect(3, "", &wrong("error"));
    lab.qqmgr("stop a -c other.toml").run().code(3);
}
