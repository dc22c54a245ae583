//! `run`: one command in a throwaway instance, of which nothing stays whatever ends it.

mod job;

use crate::harness::{Lab, Live, NO_GUEST, guest_vm, until, vm};
use rustix::process::Signal;
use std::fs;
use std::process::Child;
use std::time::Duration;

/// The directories of instances of `a`.
fn instances(lab: &Lab) -> Vec<String> {
    let entries = fs::read_dir(lab.vm_file("a", "runs")).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// Nothing of any run is left; what qqmgr left to its keeper takes a moment.
fn gone(lab: &Lab) {
    until("nothing is left", || {
        (lab.processes().is_empty() && instances(lab).is_empty()).then_some(())
    });
}

/// Returns the name of the one instance when a login to it works.
fn reachable(lab: &Lab) -> String {
    let id = until("there is an instance", || instances(lab).pop());
    let name = format!("a+{id}");
    until("it runs", || {
        (lab.qqmgr(&format!("status {name} --json --exit-code")).run().code == 0).then_some(())
    });
    lab.qqmgr(&format!("wait {name} --for ssh")).run().code(0).stderr("");
    name
}

/// A run whose command has begun, and goes on.
fn busy(lab: &Lab) -> Live {
    let mut run = lab.qqmgr("run a -- 'echo begun; exec sleep 1000'").in_pipe();
    run.shows("begun\n");
    run
}

#[test]
fn definitions_that_it_refuses() {
    let open = "-blockdev driver=file,filename=/tmp/disk,node-name=d";
    let ssh = "-netdev user,id=n,hostfwd=tcp::{{.vm.ssh.port}}-:22";
    let lab = Lab::new(&(vm("a", &format!("{NO_GUEST} {ssh} {open}")) + &vm("b", NO_GUEST)));
    let refused = lab.qqmgr("run a -- true").run();
    refused.code(125).stdout("");
    let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(stderr.contains("can't keep the guest from writing to this image"), "{refused}");
    assert!(stderr.contains("qqmgr.toml:2:"), "{refused}");
    let json = lab.qqmgr("run a --json -- true").run().code(125).stderr("").json();
    assert_eq!(json["error"]["code"], "config_invalid");
    assert_eq!(json["error"]["location"]["line"], 2);
    let refused = lab.qqmgr("run b -- true").run();
    let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(stderr.contains("`run` can't reach an instance of VM `b`"), "{refused}");
    assert!(stderr.contains("hostfwd=tcp:127.0.0.1:{{.vm.ssh.port}}-:22"), "{refused}");
    refused.code(125);
    lab.qqmgr("run nobody -- true").run().code(125).stdout("");
    lab.qqmgr("run a --put nowhere -- true").run().code(2);
    lab.qqmgr("run a --get /tmp/x:- -- true").run().code(2);
    assert!(!lab.path(".qqmgr").exists());
}

#[test]
fn an_instance_that_is_reached_elsewhere() {
    for (option, code) in [
        ("HostName = 'h'", "qemu_death"),
        ("ProxyCommand = 'nc h 22'", "qemu_death"),
        ("proxyjump = 'h'", "qemu_death"),
        ("ProxyJump = 'none'", "config_invalid"),
    ] {
        let ssh = format!("port = 2222, {option}");
        let lab = Lab::new(&vm("a", "-machine nonsense").replace("port = 2222", &ssh));
        let json = lab.qqmgr("run a --json -- true").run().code(125).json();
        let end = json.get("ended_by").unwrap_or_else(|| &json["error"]["code"]);
        assert_eq!(end, code, "{option}: {json}");
        gone(&lab);
    }
}

#[test]
fn images_that_snapshot_does_not_protect() {
    let ssh = "-netdev user,id=n,hostfwd=tcp::{{.vm.ssh.port}}-:22";
    let json = r#"{"driver":"qcow2","file":"f","backing":{"driver":"null-co","read-only":true}}"#;
    for open in [
        &format!("-blockdev '{json}' -S"),
        "-blockdev driver=nbd,server.type=unix,server.path=/tmp/s,node-name=d",
        "-drive file=/tmp/d,snapshot=no",
        "-drive file=/tmp/d,nosnapshot",
        "-drive id=d,file=/tmp/d -set drive.d.snapshot=off",
    ] {
        let lab = Lab::new(&vm("a", &format!("{NO_GUEST} {ssh} {open}")));
        let json = lab.qqmgr("run a --json -- true").run().code(125).stderr("").json();
        let message = "`run` can't keep the guest from writing to this image";
        assert_eq!(json["error"]["message"], message, "{open}: {json}");
    }
}

#[test]
fn a_qemu_that_does_not_start() {
    let broken = guest_vm("a").replace("-machine q35,accel=tcg", "-machine nonsense");
    let lab = Lab::new(&broken);
    let json = lab.qqmgr("run a --json -- true").run().code(125).json();
    assert_eq!(json["ended_by"], "qemu_death");
    assert!(json["message"].as_str().unwrap().contains("unsupported machine type"), "{json}");
    let place = (&json["location"]["line"], &json["location"]["column"]);
    assert_eq!(place, (&3.into(), &27.into()), "{json}");
    assert!(fs::metadata(json["bundle"].as_str().unwrap()).unwrap().is_dir());
    gone(&lab);
    // As `start` shows it.
    let shown = |line: &str| String::from_utf8(lab.qqmgr(line).run().stderr).unwrap();
    let run = shown("run a -- true");
    let name = run.split('`').nth(1).unwrap().to_owned();
    let (run, bundle) = run.split_once("crash bundle: ").unwrap();
    assert!(run.contains("qqmgr.toml:3:27\n") && bundle.contains("/crashes/"), "{run}{bundle}");
    let start = shown("start a");
    assert_eq!(run.replace(&name, "a"), start.split_once("crash bundle: ").unwrap().0);
    gone(&lab);
}

#[test]
fn side_by_side_with_the_vm_and_each_other() {
    let lab = Lab::new(&guest_vm("a"));
    lab.qqmgr("start a").run().code(0);
    let (mut one, mut two) = (busy(&lab), busy(&lab));
    let listed = lab.qqmgr("list --json").run().code(0).stderr("").json();
    let names: Vec<_> =
        listed.as_array().unwrap().iter().map(|vm| vm["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(names[0], "a");
    assert!(names[1..].iter().all(|name| name.starts_with("a+")), "{names:?}");
    let ports: Vec<_> =
        listed.as_array().unwrap().iter().map(|vm| vm["ssh"]["port"].as_u64().unwrap()).collect();
    assert!(ports[0] != ports[1] && ports[1] != ports[2] && ports[0] != ports[2], "{ports:?}");
    lab.qqmgr(&format!("ssh {} hostname", names[1])).run().ok("guest\n");
    lab.qqmgr(&format!("stop {} --force", names[1])).run().code(0);
    until("one has ended", || (instances(&lab).len() == 1).then_some(()));
    for run in [&one, &two] {
        run.signal(Signal::TERM);
    }
    let mut codes = [one.ends(), two.ends()];
    codes.sort_unstable();
    assert_eq!(codes, [125, 143]);
    lab.qqmgr("wait a --for ssh").run().code(0);
    lab.qqmgr("stop a").run().code(0);
    gone(&lab);
}

#[test]
fn what_the_guest_writes_never_reaches_the_image() {
    let lab = Lab::empty();
    let image: Vec<u8> = (0..1 << 20).map(|at: u32| (at / 512 % 251) as u8).collect();
    let path = lab.write("disk", &image);
    let drive = format!(
        "\"-drive file={},format=raw,if=virtio\",\n    \"-device virtio-net",
        path.display()
    );
    lab.write("qqmgr.toml", guest_vm("a").replace("\"-device virtio-net", &drive));
    // The guest sees what is in the image, and reads back what it wrote.
    lab.qqmgr("run a -- 'yes x | head -c 65536 >/dev/vda && sync && echo 3 >/proc/sys/vm/drop_caches && head -c 4 /dev/vda && tail -c 1 /dev/vda | od -An -tu1'")
        .run()
        .ok(&format!("x\nx\n {:3}\n", image.last().unwrap()));
    assert!(fs::read(&path).unwrap() == image, "the image has changed");
    gone(&lab);
}

/// Gives the guest of the one instance a command of its own, when what the run's command said
/// before its `sleep 1000` has come out: both share a connection.
fn underway(lab: &Lab, command: &str) {
    let name = reachable(lab);
    let sleeps =
        || lab.qqmgr(&format!("ssh {name} \"ps | grep -q '[s]leep 1000'\"")).run().code == 0;
    until("the command is underway", || sleeps().then_some(()));
    // It may never be answered.
    let mut ssh = lab.qqmgr(&format!("ssh {name} '{command}'")).spawn();
    until("the run is over", || instances(lab).is_empty().then_some(()));
    let _ = ssh.kill();
    ssh.wait().unwrap();
}

#[test]
fn a_guest_that_is_reset() {
    let lab = Lab::new(&guest_vm("a"));
    let json = std::thread::scope(|scope| {
        let run = scope.spawn(|| lab.qqmgr("run a --json -- 'echo begun; sleep 1000'").run());
        underway(&lab, "reboot -f");
        run.join().unwrap().code(125).stderr("").json()
    });
    assert_eq!(json["ended_by"], "guest_reset", "{json}");
    assert_eq!(json["stdout"], "begun\n", "{json}");
    assert!(std::path::Path::new(json["bundle"].as_str().unwrap()).is_dir(), "{json}");
    gone(&lab);
}

#[test]
fn a_kernel_that_panics() {
    let lab = Lab::new(&guest_vm("a"));
    let json = std::thread::scope(|scope| {
        let run = scope.spawn(|| lab.qqmgr("run a --json -- 'echo begun; sleep 1000'").run());
        underway(&lab, "echo c >/proc/sysrq-trigger");
        run.join().unwrap().code(125).stderr("").json()
    });
    assert_eq!(json["ended_by"], "guest_panic", "{json}");
    assert_eq!((&json["stdout"], &json["stderr"]), (&"begun\n".into(), &"".into()), "{json}");
    assert!(json["command_exit_code"].is_null(), "{json}");
    let bundle = std::path::PathBuf::from(json["bundle"].as_str().unwrap());
    let story = fs::read_to_string(bundle.join("README")).unwrap();
    assert!(story.contains("panic"), "{story}");
    let serial = fs::read_to_string(bundle.join("serial")).unwrap();
    assert!(serial.contains("Kernel panic - not syncing: sysrq triggered crash"), "{serial}");
    gone(&lab);
}

#[test]
fn a_qemu_that_dies_and_a_time_that_is_over() {
    let lab = Lab::new(&guest_vm("a"));
    std::thread::scope(|scope| {
        let run = scope.spawn(|| lab.qqmgr("run a --json -- 'sleep 1000'").run());
        reachable(&lab);
        let qemu = lab.qemus()[0];
        lab.processes().iter().filter(|p| p.pid == qemu).for_each(|p| p.signal(Signal::KILL));
        let json = run.join().unwrap().code(125).stderr("").json();
        assert_eq!(json["ended_by"], "qemu_death", "{json}");
        assert!(fs::metadata(json["bundle"].as_str().unwrap()).unwrap().is_dir());
    });
    gone(&lab);
    let json = lab.qqmgr("run a --json --timeout 300ms -- true").run().code(125).json();
    assert_eq!(json["ended_by"], "timeout", "{json}");
    assert!(json["stdout"].is_null() && json["stderr"].is_null(), "{json}");
    gone(&lab);
    // Enough for a guest to boot on a slow machine, both times at once.
    let line = "run a --timeout 45s -- 'echo begun; echo err >&2; sleep 1000'";
    let late = || lab.qqmgr(line).run();
    let (json, late) = std::thread::scope(|scope| {
        let late = scope.spawn(late);
        (lab.qqmgr(&format!("--json {line}")).run().code(125).json(), late.join().unwrap())
    });
    assert_eq!((&json["stdout"], &json["stderr"]), (&"begun\n".into(), &"err\n".into()), "{json}");
    late.expect(
        125,
        "begun\n",
        &format!(
            "err\nerror: VM `{}`: waited 45s for the command's end\n\
             crash bundle: [DIR]/.qqmgr/vm.a/crashes/[BUNDLE]\n",
            String::from_utf8_lossy(&late.stderr).split('`').nth(1).unwrap()
        ),
    );
    gone(&lab);
}

#[test]
fn a_failure_that_is_kept() {
    let lab = Lab::new(&guest_vm("a"));
    lab.qqmgr("run a --keep-on-failure -- true").run().ok("");
    gone(&lab);
    let json = lab.qqmgr("run a --keep-on-failure --json -- 'touch /tmp/here; false'").run();
    let json = json.code(1).json();
    let name = json["kept"].as_str().unwrap();
    lab.qqmgr(&format!("ssh {name} ls /tmp/here")).run().ok("/tmp/here\n");
    lab.qqmgr("gc").run().ok("stopped: none\nremoved: none\n");
    // Its keeper would end what was started in its place.
    for verb in ["start", "start --ttl 1h", "restart"] {
        lab.qqmgr(&format!("{verb} {name}")).run().expect(
            2,
            "",
            &format!(
                "error: `{name}` is a throwaway instance, which can't be started again\n\
                 hint: start another one: qqmgr run a\n"
            ),
        );
    }
    lab.qqmgr(&format!("ssh {name} true")).run().ok("");
    lab.qqmgr(&format!("stop {name}")).run().code(0);
    gone(&lab);
    // Killed before it has failed, it has nothing to keep.
    let run = lab.qqmgr("run a --keep-on-failure -- false").in_pipe();
    until("QEMU runs", || lab.qemus().pop());
    run.signal(Signal::KILL);
    gone(&lab);
    // What a killed keeper leaves is for gc.
    let json = lab.qqmgr("run a --keep-on-failure --json -- false").run().code(1).json();
    let name = json["kept"].as_str().unwrap();
    let processes = lab.processes();
    let keeper = processes.iter().find(|process| process.args[0] == "qqmgr-keeper").unwrap();
    keeper.signal(Signal::KILL);
    let lives = || lab.processes().iter().any(|process| process.pid == keeper.pid);
    until("the keeper is gone", || (!lives()).then_some(()));
    lab.qqmgr("gc").run().ok(&format!("stopped: {name}\nremoved: {name}\n"));
    lab.nobody_is_left();
    assert!(instances(&lab).is_empty());
}

#[test]
fn signals_end_it_and_leave_nothing() {
    let lab = Lab::new(&guest_vm("a"));
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        // The command has begun, or QEMU has just been started, or is about to be.
        let mut run = if code == 143 { busy(&lab) } else { lab.qqmgr("run a -- true").in_pipe() };
        until("there is an instance", || instances(&lab).pop());
        run.signal(signal);
        assert_eq!(run.ends(), code);
        // It has been waited for: there is no VM left already.
        lab.nobody_is_left();
        assert!(instances(&lab).is_empty());
    }
    // SIGKILL, while all there is of a run is there: QEMU, its keeper, and ssh's connections.
    let run = busy(&lab);
    assert!(lab.processes().len() > 3, "{:?}", lab.processes());
    run.signal(Signal::KILL);
    gone(&lab);
}

#[test]
fn a_shell_whose_run_ends_under_it_leaves_the_terminal_as_it_was() {
    let lab = Lab::new(&guest_vm("a"));
    for (line, code) in [("\n", 143), ("echo c >/proc/sysrq-trigger\n", 125)] {
        let mut terminal = lab.qqmgr("run a").at_terminal();
        terminal.shows("# ");
        assert!(terminal.is_raw());
        terminal.types(line);
        if code == 143 {
            terminal.signal(Signal::TERM);
        }
        assert_eq!(terminal.ends(), code);
        assert!(!terminal.is_raw(), "{code}");
        gone(&lab);
    }
}

#[test]
fn what_a_signal_ends_is_not_kept() {
    let lab = Lab::new(&guest_vm("a"));
    let line = "run a --keep-on-failure -- 'echo begun; exec sleep 1000'";
    // Ctrl-C ends ssh as well.
    for (key, code) in [(None, 143), (Some("\x03"), 130)] {
        let mut run = lab.qqmgr(line).at_terminal();
        run.shows("begun");
        match key {
            Some(key) => drop(run.types(key)),
            None => run.signal(Signal::TERM),
        }
        assert_eq!(run.ends(), code);
        assert!(!run.text().contains("kept"), "{}", run.text());
        gone(&lab);
    }
}

#[test]
fn a_signal_that_was_ignored_stays_so() {
    let lab = Lab::new(&guest_vm("a"));
    let line = r#"trap '' HUP INT; exec "$0" run a -- 'echo begun; sleep 1; echo done'"#;
    let shell = lab.program("sh").args(["-c", line, env!("CARGO_BIN_EXE_qqmgr")]);
    let mut run = shell.in_pipe();
    run.shows("begun\n");
    run.signal(Signal::HUP);
    run.signal(Signal::INT);
    run.shows("done\n");
    assert_eq!(run.ends(), 0);
    gone(&lab);
}

/// The rounds of a stress, and how many of them are underway at once.
const ROUNDS: u64 = 15;
const AT_ONCE: u64 = 5;

/// The longest that a run may live before it is killed, in milliseconds.
const LONGEST: u64 = 4000;

#[test]
fn killed_at_any_moment_it_leaves_nothing() {
    let lab = Lab::new(&guest_vm("a"));
    let rounds = std::env::var("QQMGR_KILLS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    // Delays that cover the span evenly, in no order.
    let delays: Vec<u64> = (0..rounds).map(|round| round * 1597 % LONGEST).collect();
    for delays in delays.chunks(AT_ONCE as usize) {
        std::thread::scope(|scope| {
            for &delay in delays {
                let run = lab.qqmgr("run a -- 'cat; exec sleep 1000'").spawn();
                scope.spawn(move || kill_after(run, delay));
            }
        });
        gone(&lab);
    }
}

fn kill_after(mut run: Child, milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
    run.kill().unwrap();
    run.wait().unwrap();
}
