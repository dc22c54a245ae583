//! `wait` and `start --for`: each condition, its failures, and what is said of them.

use crate::events::{Listener, Qmp, relay};
use crate::harness::{Alive, Lab, NO_GUEST, Outcome, fake_qemu, free_port, guest_vm, until, vm};
use rustix::process::Signal;
use std::fs::File;
use std::io::Write;
use std::net::TcpListener;

/// A guest's output, as far as a wait can tell; it goes where QEMU keeps the log.
fn say(lab: &Lab, text: &str) {
    let mut log = File::options().append(true).open(lab.vm_file("a", "serial")).unwrap();
    log.write_all(text.as_bytes()).unwrap();
}

fn running() -> Lab {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.qqmgr("start a").run().code(0);
    lab
}

/// What comes of a wait when something is done while it waits. It watches the directory or the
/// log of its VM by then, and the VM's process.
#[track_caller]
fn meanwhile(lab: &Lab, line: &str, act: impl FnOnce()) -> Outcome {
    let has = |pid: u32, kind: &str| {
        let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let mut targets = fds.filter_map(|fd| std::fs::read_link(fd.path()).ok());
        targets.any(|target| target.to_string_lossy().contains(kind))
    };
    let waits = || {
        let mut found = lab.processes().into_iter();
        let waiter = found.find(|process| process.args.iter().any(|arg| arg == "wait"))?;
        has(waiter.pid, "inotify").then_some(())
    };
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| lab.qqmgr(line).run());
        until("it waits", waits);
        act();
        waiter.join().unwrap()
    })
}

#[test]
fn usage() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    for line in ["wait a", "wait a --for nonsense", "wait a --for serial:(", "wait a --for port:0"]
    {
        lab.qqmgr(line).run().code(2).stdout("");
    }
    let not_running = "error: VM `a` is not running\nhint: start it: qqmgr start a\n";
    for condition in ["ssh", "paused", "serial:x", "event:STOP", "port:22", "file:/x"] {
        let line = format!("wait a --for {condition}");
        lab.qqmgr(&line).run().expect(4, "", not_running);
    }
    lab.qqmgr("wait a --for running --timeout 100ms").run().expect(
        5,
        "",
        "error: VM `a`: waited 100ms for running: nobody started it\n\
         hint: the VM is left as it is: qqmgr status a\n",
    );
    lab.qqmgr("wait a --for stopped --for ssh").run().expect(4, "", not_running);
    lab.qqmgr("wait b --for running").run().code(4);
    let stopped = lab.qqmgr("wait a --for stopped --json").run();
    stopped.ok("{\"name\":\"a\",\"held\":[\"stopped\"],\"seconds\":[SECONDS]}\n");
}

#[test]
fn running_when_somebody_starts_it_meanwhile() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    let waited = meanwhile(&lab, "wait a --for running --json", || {
        lab.qqmgr("start a").run().code(0);
    });
    waited.ok("{\"name\":\"a\",\"held\":[\"running\"],\"seconds\":[SECONDS]}\n");
    lab.qqmgr("wait a --for running").run().ok("a: after [SECONDS]: running\n");
}

#[test]
fn states_and_events() {
    let lab = running();
    let mut qmp = Qmp::open(&lab);
    qmp.run(&["stop"]);
    drop(qmp);
    lab.qqmgr("wait a --for paused").run().ok("a: after [SECONDS]: paused\n");
    // Each is told by the event itself, long before the wait would be over.
    for (condition, back, forth) in [("running", "stop", "cont"), ("paused", "cont", "stop")] {
        Qmp::open(&lab).run(&[back]);
        let line = format!("wait a --for {condition} --for serial:x --any --fail-on serial:y");
        let waited = meanwhile(&lab, &line, || Qmp::open(&lab).run(&[forth]));
        waited.ok(&format!("a: after [SECONDS]: {condition}\n"));
    }
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| lab.qqmgr("wait a --for event:reset --timeout 10s").run());
        let mut qmp = Qmp::open(&lab);
        until("it hears", || {
            qmp.run(&["system_reset"]);
            waiter.is_finished().then_some(())
        });
        waiter.join().unwrap().ok("a: after [SECONDS]: event:RESET\n");
    });
    Qmp::open(&lab).run(&["cont"]);
    let line = "wait a --for stopped --for serial:x --any";
    let waited = meanwhile(&lab, line, || {
        lab.qqmgr("stop a --force").run().code(0);
    });
    waited.ok("a: after [SECONDS]: stopped\n");
}

#[test]
fn the_serial_log_of_this_boot() {
    let lab = running();
    say(&lab, "there before\r\nlogin: ");
    lab.qqmgr("wait a --for 'serial:^there before$'")
        .run()
        .ok("a: after [SECONDS]: serial:^there before$\n");
    lab.qqmgr("wait a --for 'serial:^login: $' --for serial:there")
        .run()
        .ok("a: after [SECONDS]: serial:^login: $, serial:there\n");
    let waited = meanwhile(&lab, "wait a --for 'serial:^login: root$' --json", || {
        say(&lab, "ro");
        say(&lab, "ot");
    });
    waited.ok("{\"name\":\"a\",\"held\":[\"serial:^login: root$\"],\"seconds\":[SECONDS]}\n");
    lab.qqmgr("wait a --for serial:nowhere --for serial:before --any")
        .run()
        .ok("a: after [SECONDS]: serial:before\n");
    lab.qqmgr("stop a --force").run().code(0);
    lab.qqmgr("start a").run().code(0);
    lab.qqmgr("wait a --for serial:before --timeout 100ms").run().code(5);
}

#[test]
fn milestones_that_come_at_once() {
    let lab = running();
    let noted = || lab.qqmgr("timeline a --json").run().code(0).json()["kernel"].is_number();
    let waited = meanwhile(&lab, "wait a --for serial:end", || {
        say(&lab, "[    0.000000] Linux version 6\nand more\n");
        until("the kernel's first line is noted", || noted().then_some(()));
        say(&lab, "end\n");
    });
    waited.ok("a: after [SECONDS]: serial:end\n");
}

#[test]
fn what_must_not_hold() {
    let lab = running();
    say(&lab, "Kernel says\n");
    let failed = "error: VM `a`: serial:says holds, which was not to be\n";
    lab.qqmgr("wait a --for serial:x --fail-on serial:says").run().expect(1, "", failed);
    let json = lab.qqmgr("wait a --for serial:x --fail-on serial:says --json").run();
    assert_eq!(json.code(1).stderr("").json()["error"]["code"], "wait_failed");
    let line = "wait a --for serial:x --fail-on serial:Oops --fail-on stopped";
    let failed = failed.replace("serial:says", "serial:Oops");
    meanwhile(&lab, line, || say(&lab, "Oops")).expect(1, "", &failed);
    // What the VM did not survive comes with a bundle.
    let bundle = "crash bundle: [DIR]/.qqmgr/vm.a/crashes/[BUNDLE]\n";
    let line = "wait a --for serial:x --fail-on 'serial:Kernel panic'";
    let failed = failed.replace("serial:Oops", "serial:Kernel panic") + bundle;
    let waited = meanwhile(&lab, line, || say(&lab, "Kernel panic - not syncing: test\n"));
    waited.expect(1, "", &failed);
    let failed = failed.replace("serial:Kernel panic", "stopped");
    let line = "wait a --for serial:x --fail-on stopped";
    let waited = meanwhile(&lab, line, || {
        lab.qqmgr("kill a").run().code(0);
    });
    waited.expect(1, "", &failed);
}

/// QEMU's process; a relay of the life before may be there beside it.
fn qemu(lab: &Lab) -> Alive {
    let pid = lab.qemus().remove(0);
    let mut found = lab.processes().into_iter();
    found.find(|process| process.pid == pid).unwrap()
}

#[test]
fn the_death_of_qemu() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    for condition in ["serial:x", "paused", "event:STOP", "ssh"] {
        lab.qqmgr("start a").run().code(0);
        let qemu = qemu(&lab);
        let line = format!("wait a --for serial:never --for {condition} --timeout 50s");
        let outcome = meanwhile(&lab, &line, || qemu.signal(Signal::KILL));
        outcome.expect(
            1,
            "",
            "error: VM `a` ended while it was waited for\n\
             crash bundle: [DIR]/.qqmgr/vm.a/crashes/[BUNDLE]\n",
        );
    }
    lab.qqmgr("start a").run().code(0);
    let qemu = qemu(&lab);
    // What else was waited for can't come any more, but for what came with the end.
    let line = "wait a --for stopped --for serial:x --timeout 50s --json";
    let json = meanwhile(&lab, line, || qemu.signal(Signal::KILL)).code(1).stderr("").json();
    assert_eq!(json["error"]["code"], "vm_died");
    lab.qqmgr("start a").run().code(0);
    let waited = meanwhile(&lab, "wait a --for stopped --for event:SHUTDOWN", || {
        lab.qqmgr("stop a --force").run().code(0);
    });
    waited.ok("a: after [SECONDS]: stopped, event:SHUTDOWN\n");
}

#[test]
fn an_end_that_was_asked_for_is_no_crash() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    for end in ["stop a --force", "kill a", "stop a --timeout 100ms"] {
        lab.qqmgr("start a").run().code(0);
        let waited = meanwhile(&lab, "wait a --for serial:never", || {
            lab.qqmgr(end).run().code(0);
        });
        waited.expect(1, "", "error: VM `a` ended while it was waited for\n");
    }
    assert!(!lab.vm_file("a", "crashes").exists());
}

#[test]
fn a_panic_before_the_end_is_told() {
    let lab = running();
    let said = "Kernel panic - not syncing: no init";
    let panicked = "error: VM `a`: the guest panicked\nthe serial log ends:\nKernel panic - not \
                    syncing: no init\ncrash bundle: [DIR]/.qqmgr/vm.a/crashes/[BUNDLE]\n";
    let death = || {
        say(&lab, said);
        qemu(&lab).signal(Signal::KILL);
    };
    meanwhile(&lab, "wait a --for serial:never", death).expect(1, "", panicked);
    lab.qqmgr("start a").run().code(0);
    let json = meanwhile(&lab, "wait a --for serial:never --json", death).code(1).json();
    assert_eq!(json["error"]["code"], "guest_panicked");
}

/// How many descriptors the relay has: each listener adds one.
fn descriptors(lab: &Lab) -> usize {
    let fds =
        relay(lab).and_then(|relay| std::fs::read_dir(format!("/proc/{}/fd", relay.pid())).ok());
    fds.map_or(0, Iterator::count)
}

#[test]
fn a_panic_that_only_qemu_tells() {
    let lab = Lab::new(&vm("a", &format!("{NO_GUEST} -device pvpanic")));
    lab.qqmgr("start a").run().code(0);
    let other = Listener::start(&lab, "out", "");
    other.hears(&mut Qmp::open(&lab));
    let before = descriptors(&lab);
    let outcome = meanwhile(&lab, "wait a --for serial:never", || {
        until("it listens", || (descriptors(&lab) > before).then_some(()));
        // As the guest's driver does it.
        lab.qqmgr("monitor a o /b 0x505 1").run().code(0);
    });
    let bundle = "crash bundle: [DIR]/.qqmgr/vm.a/crashes/[BUNDLE]\n";
    outcome.expect(1, "", &format!("error: VM `a`: the guest panicked\n{bundle}"));
    assert_eq!(other.end(), 0);
}

#[test]
fn a_guest_that_stands_still() {
    let lab = Lab::new(&(vm("a", NO_GUEST) + &vm("b", NO_GUEST)));
    lab.qqmgr("start a").run().code(0);
    lab.qqmgr("start b -- -S").run().code(0);
    lab.qqmgr("monitor a stop").run().code(0);
    say(&lab, "one\n");
    let resume = |vm: &str, state: &str| {
        format!("its state is `{state}`; `qqmgr monitor {vm} cont` resumes it")
    };
    let expected = |vm: &str, state: &str, end: &str| {
        format!(
            "{vm}: {state}\nerror: VM `{vm}`: waited 3s for ssh: {state}\n{end}\
             hint: the VM is left as it is: qqmgr status {vm}\n"
        )
    };
    // Time enough to ask for the state, on a slow machine too; all at once.
    let wait = |vm: &str| lab.qqmgr(&format!("wait {vm} --for ssh --timeout 3s"));
    std::thread::scope(|scope| {
        let text = scope.spawn(|| wait("a").run());
        let json = scope.spawn(|| wait("a").args(["--json"]).run());
        let unstarted = scope.spawn(|| wait("b").run());
        let (paused, end) = (resume("a", "paused"), "the serial log ends:\none\n");
        text.join().unwrap().expect(5, "", &expected("a", &paused, end));
        let json = json.join().unwrap().code(5).stderr("").json();
        let message = json["error"]["message"].as_str().unwrap();
        assert!(message.contains(&paused), "{message}");
        let prelaunch = resume("b", "prelaunch");
        unstarted.join().unwrap().expect(5, "", &expected("b", &prelaunch, ""));
    });
    lab.qqmgr("wait a --for paused").run().ok("a: after [SECONDS]: paused\n");
}

#[test]
fn events_that_are_lost() {
    let lab = running();
    let other = Listener::start(&lab, "out", "");
    other.hears(&mut Qmp::open(&lab));
    // An event that may have been missed can't be waited for any longer, a state can be asked for.
    let lost = "error: VM `a`: events may have been missed here: the relay was killed\n";
    for (condition, code, stdout, stderr) in
        [("event:STOP", 1, "", lost), ("paused", 0, "a: after [SECONDS]: paused\n", "")]
    {
        let before = descriptors(&lab);
        let line = format!("wait a --for {condition} --for serial:x --any --timeout 20s");
        let outcome = meanwhile(&lab, &line, || {
            until("it listens", || (descriptors(&lab) == before + 2).then_some(()));
            // What the other one has got went to this one as well.
            let heard = other.events().len();
            Qmp::open(&lab).run(&["system_reset"]);
            until("the other one hears", || (other.events().len() > heard).then_some(()));
            relay(&lab).unwrap().signal(Signal::KILL).unwrap();
            if condition == "paused" {
                Qmp::open(&lab).run(&["stop"]);
            }
        });
        outcome.expect(code, stdout, stderr);
        until("the next relay is alone with the other one", || {
            (relay(&lab).is_some() && descriptors(&lab) == before).then_some(())
        });
    }
    lab.qqmgr("stop a --force").run().code(0);
    assert_eq!(other.end(), 0);
}

#[test]
fn an_event_that_qemu_does_not_have() {
    let lab = running();
    lab.qqmgr("wait a --for event:STPO").run().expect(
        2,
        "",
        "error: VM `a`: its QEMU has no event `STPO`\nhint: did you mean `STOP`?\n",
    );
    let json = lab.qqmgr("wait a --for serial:x --fail-on event:x --json").run().code(2).json();
    assert_eq!(json["error"]["code"], "usage");
}

#[test]
fn a_timeout_tells_what_held_and_how_the_log_ends() {
    let lab = running();
    say(&lab, "one\r\n\x1b[1mtw\x1b]0;title\x07o\x1b[m\x1b[6n");
    lab.qqmgr("wait a --for serial:one --for serial:three --for event:STOP --timeout 100ms")
        .run()
        .expect(
            5,
            "",
            "error: VM `a`: waited 100ms for serial:three, event:STOP; serial:one held\n\
             the serial log ends:\none\ntwo\n\
             hint: the VM is left as it is: qqmgr status a\n",
        );
    let json = lab.qqmgr("wait a --for serial:three --timeout 0.1 --json").run().code(5).json();
    assert_eq!(json["error"]["code"], "wait_timeout");
}

#[test]
fn a_start_that_waits() {
    let lab = Lab::new(&(vm("a", NO_GUEST) + &fake_qemu("b", "")));
    lab.qqmgr("start a --for running")
        .run()
        .ok("a: started (pid [PID]), SSH on port [PORT]; after [SECONDS]: running\n");
    let again = lab.qqmgr("start a --for running --json").run();
    again.ok("{\"name\":\"a\",\"pid\":[PID],\"already_running\":true,\"ssh_port\":[PORT],\
              \"ignored_args\":[],\"warnings\":[],\"lease\":null,\"held\":[\"running\"],\"seconds\":[SECONDS]}\n");
    lab.qqmgr("start a --for serial:x --timeout 100ms").run().code(5).stdout("");
    lab.qqmgr("start b --for nonsense").run().code(2);
    assert_eq!(lab.qemus().len(), 1);
}

#[test]
fn a_port_of_another_address() {
    let stranger = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = stranger.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in stranger.incoming() {
            let _ = client.and_then(|mut client| client.write_all(b"hello"));
        }
    });
    let forward = format!("-netdev user,id=n,hostfwd=tcp:127.0.0.2:{port}-:80");
    let lab = Lab::new(&vm("a", &format!("{NO_GUEST} {forward}")));
    lab.qqmgr("start a").run().code(0);
    lab.qqmgr("wait a --for port:80 --timeout 1s").run().code(5).stdout("");
}

#[test]
fn what_only_a_guest_has() {
    let forward = "127.0.0.1:{{.vm.ssh.port}}-:{{.vm.ssh.vm_port}}";
    let more = format!("{forward},hostfwd=tcp:127.0.0.2:{}-:8080", free_port());
    let lab = Lab::new(&guest_vm("a").replace(forward, &more));
    lab.qqmgr("start a --for 'serial:^~ # ' --for ssh --for port:22").run().ok(
        "a: started (pid [PID]), SSH on port [PORT]; after [SECONDS]: serial:^~ # , ssh, port:22\n",
    );
    lab.qqmgr("wait a --for port:443").run().expect(
        2,
        "",
        "error: VM `a` forwards no port to the guest's 443\n\
         hint: add hostfwd=tcp:127.0.0.1:PORT-:443 to its -netdev user\n",
    );
    lab.qqmgr("wait a --for port:8080 --for file:/tmp/made --timeout 1s").run().code(5);
    std::thread::scope(|scope| {
        let both =
            scope.spawn(|| lab.qqmgr("wait a --for port:8080 --for \"file:/tmp/it's made\"").run());
        // A server that says nothing: only QEMU knows that the guest accepts.
        lab.qqmgr("ssh a 'nc -ll -p 8080 -e sleep 100 >/dev/null 2>&1 </dev/null &'").run().code(0);
        lab.qqmgr("wait a --for port:8080").run().code(0);
        assert!(!both.is_finished(), "the file is still to come");
        lab.qqmgr("ssh a \"touch \\\"/tmp/it's made\\\"\"").run().code(0);
        both.join().unwrap().ok("a: after [SECONDS]: port:8080, file:/tmp/it's made\n");
    });
    // What looks for a file in the guest goes on no longer than the wait.
    let looks = |name: &str| {
        let line = format!("ssh a \"ps | grep -q '[u]ntil test -e .{name}'\"");
        lab.qqmgr(&line).run().code == 0
    };
    std::thread::scope(|scope| {
        let line = "wait a --for file:/never --fail-on file:/tmp/enough";
        let wait = scope.spawn(|| lab.qqmgr(line).run());
        until("it looks for the file", || looks("/never").then_some(()));
        lab.qqmgr("ssh a touch /tmp/enough").run().code(0);
        wait.join().unwrap().code(1);
        until("it does no more", || (!looks("/never")).then_some(()));
    });
    lab.qqmgr("stop a").run().code(0);
}
