//! What a VM is doing, in `status`, `list` and every verb that needs the guest.

use crate::harness::{Lab, NO_GUEST, until, vm};
use serde_json::Value;

fn state(lab: &Lab) -> Value {
    lab.qqmgr("status a --json").run().code(0).stderr("").json()["state"].clone()
}

/// Waits for a state: nothing reports when the firmware is ready for what leads to it.
#[track_caller]
fn comes_to(lab: &Lab, wanted: &str, command: &str) {
    until(wanted, || {
        if state(lab) == wanted {
            return Some(());
        }
        lab.qqmgr(&format!("monitor a {command}")).run();
        None
    });
}

#[test]
fn of_a_machine_that_stands_still() {
    let lab =
        Lab::new(&vm("a", &format!("{NO_GUEST} -no-shutdown -device pvpanic -action panic=pause")));
    lab.qqmgr("start a").run().code(0);
    assert_eq!(state(&lab), "running");
    // As a guest's drivers do it: sleep (ACPI, PM1 control), panic, and power off.
    comes_to(&lab, "suspended", "o /w 0x604 0x2400");
    let told = "a: its state is `suspended`; `qqmgr resume a` wakes it\n";
    lab.qqmgr("wait a --for serial:x --timeout 0").run().code(5).stdout("");
    lab.qqmgr("start a").run().expect(
        0,
        "a: is already running (pid [PID]), SSH on port [PORT]\n",
        told,
    );
    lab.qqmgr("resume a").run().ok("a: resumed; it was suspended\n");
    assert_eq!(state(&lab), "running");
    lab.qqmgr("monitor a o /b 0x505 1").run().code(0);
    assert_eq!(state(&lab), "panicked");
    let text = lab.qqmgr("list").run().code(0).text();
    assert!(text.contains("\na     panicked  "), "{text}");
    for line in ["ssh a true", "get a /x ."] {
        lab.qqmgr(line).run().expect(
            125,
            "",
            "error: VM `a`: the guest can't answer: its state is `panicked`; \
             `qqmgr restart a --reset` boots it again\n",
        );
    }
    lab.qqmgr("start a")
        .run()
        .code(0)
        .stderr("a: its state is `panicked`; `qqmgr restart a --reset` boots it again\n");
    lab.qqmgr("monitor a system_reset").run().code(0);
    until("it is reset", || (state(&lab) == "prelaunch").then_some(()));
    lab.qqmgr("resume a").run().ok("a: resumed; it was prelaunch\n");
    comes_to(&lab, "shutdown", "o /w 0x604 0x2000");
    lab.qqmgr("start a")
        .run()
        .code(0)
        .stderr("a: its state is `shutdown`; `qqmgr restart a` starts it again\n");
    lab.qqmgr("resume a").run().expect(
        4,
        "",
        "error: a: resuming it had no effect: its state is `shutdown`\n\
         hint: start it again: qqmgr restart a\n",
    );
    lab.qqmgr("restart a").run().code(0);
    assert_eq!(state(&lab), "running");
}

#[test]
fn of_a_kernel_that_panics_on_its_console() {
    let lab = Lab::running();
    let say = |text: &str| {
        use std::io::Write;
        let log = std::fs::File::options().append(true).open(lab.vm_file("a", "serial"));
        log.unwrap().write_all(text.as_bytes()).unwrap();
    };
    say("Kernel panic - not syncing: no init\n---[ end Kernel panic - not syncing: no init ]---\n");
    lab.qqmgr("status a").run().code(0);
    let status = lab.qqmgr("status a --json").run().code(0).json();
    assert_eq!(
        (&status["state"], &status["state_detail"]),
        (&"panicked".into(), &"no init".into())
    );
    let text = lab.qqmgr("list").run().code(0).text();
    assert!(text.lines().next().unwrap().ends_with("NOTE"), "{text}");
    assert!(text.trim_end().ends_with("  2222  no init"), "{text}");
    // The next boot has not panicked, whatever reset the machine.
    lab.qqmgr("monitor a system_reset").run().code(0);
    until("it is reset", || (state(&lab) == "running").then_some(()));
    say("Linux version 6\n");
    assert_eq!(state(&lab), "running");
    lab.qqmgr("monitor a stop").run().code(0);
    assert_eq!(state(&lab), "paused");
}

/// The guest is not asked, so nothing waits for it.
#[test]
fn no_login_is_tried_in_silence() {
    let lab =
        Lab::new(&vm("a", NO_GUEST).replace("2222", &crate::harness::free_port().to_string()));
    lab.qqmgr("start a -- -S").run().ok("a: started (pid [PID]), SSH on port [PORT]\n");
    let told = "a: its state is `prelaunch`; `qqmgr resume a` resumes it\n";
    lab.write("file", "");
    for line in ["ssh a true", "put a file /tmp/", "get a /x ."] {
        let outcome = lab.qqmgr(line).run();
        assert!(outcome.code == 255 || outcome.code == 1, "{outcome}");
        assert!(String::from_utf8_lossy(&outcome.stderr).starts_with(told), "{outcome}");
        let json = lab.qqmgr(&format!("--json {line}")).run().code(125).stderr("").json();
        assert_eq!(json["error"]["code"], "guest_not_running", "{json}");
    }
    let outcome = lab.qqmgr("start a --for serial:x --timeout 0").run();
    assert!(String::from_utf8_lossy(&outcome.code(5).stderr).starts_with(told), "{outcome}");
}
