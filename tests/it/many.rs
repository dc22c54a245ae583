//! Verbs for several VMs: side by side, one line each, the worst exit code; `kill`.

use crate::harness::{Lab, NO_GUEST, Outcome, fake_qemu, until, vm};
use std::io::Write;

/// Three VMs that start, one of them slowly by a fake, and one that does not.
fn config() -> String {
    let broken = vm("bad", "-nodefaults -machine nonsense");
    vm("a", NO_GUEST) + &broken + &fake_qemu("b", "") + &fake_qemu("c", "slow-socket=2000")
}

/// The lines in order, without pids and times.
fn lines(outcome: &Outcome) -> Vec<String> {
    let text = outcome.text();
    let what = |line: &str| line.split(" (pid ").next().unwrap().to_owned();
    let mut lines: Vec<_> = text.lines().map(what).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn a_line_each_in_the_order_of_their_ends() {
    let lab = Lab::new(&config());
    let started = lab.qqmgr("start c b a b").run();
    started.code(0).stderr("");
    assert_eq!(lines(&started), ["a: started", "b: started", "c: started"]);
    let at = |vm: &str| started.text().lines().position(|line| line.starts_with(vm)).unwrap();
    assert!(at("b: ") < at("c: "), "{started}");
    assert_eq!(lab.qemus().len(), 3);
    let stopped = lab.qqmgr("stop c bad a --force").run();
    assert_eq!(lines(stopped.code(0)), ["a: stopped", "bad: is not running", "c: stopped"]);
    assert_eq!(lab.qemus().len(), 1);
    let killed = lab.qqmgr("kill b a").run();
    assert_eq!(lines(killed.code(0)), ["a: is not running", "b: stopped"]);
    assert!(killed.text().ends_with("SIGKILL\n"), "{killed}");
    assert!(lab.processes().is_empty(), "{:?}", lab.processes());
}

#[test]
fn several_by_a_pattern() {
    let lab = Lab::new(&(vm("web-1", NO_GUEST) + &vm("web-2", NO_GUEST) + &vm("db", NO_GUEST)));
    let started = lab.qqmgr("start web-* web-1").run();
    assert_eq!(lines(started.code(0)), ["web-1: started", "web-2: started"]);
    let json = lab.qqmgr("stop ?b --json").run().code(0).json();
    assert_eq!(json[0]["name"], "db");
    let stopped = lab.qqmgr("stop --force *").run();
    assert_eq!(lines(stopped.code(0)), ["db: is not running", "web-1: stopped", "web-2: stopped"]);
    for line in [
        "start x*",
        "stop x*",
        "kill ?",
        "check x*",
        "restart x*",
        "status x*",
        "wait x* --for running",
    ] {
        let json = lab.qqmgr(&format!("{line} --json")).run().code(4).json();
        assert_eq!(json["error"]["code"], "vm_not_found", "{line}");
    }
    assert!(lab.processes().is_empty(), "{:?}", lab.processes());
}

#[test]
fn one_that_fails_among_others() {
    let lab = Lab::new(&config());
    let started = lab.qqmgr("start --all").run();
    assert_eq!(lines(started.code(1)), ["a: started", "b: started", "c: started"]);
    let stderr = String::from_utf8_lossy(&started.stderr).into_owned();
    assert!(stderr.starts_with("error: VM `bad` did not start: "), "{started}");
    let json = lab.qqmgr("start --all --json").run();
    let json = json.code(1).stderr("").json();
    let names: Vec<_> = json.as_array().unwrap().iter().map(|vm| &vm["name"]).collect();
    assert_eq!(names, ["a", "bad", "b", "c"]);
    assert_eq!(json[0]["already_running"], true);
    assert_eq!(json[1]["error"]["code"], "qemu_failed");
    assert_eq!(json[1]["error"]["location"]["line"], 5);
    // A wait that times out is worse than a QEMU that ends.
    lab.qqmgr("start a bad --for serial:x --timeout 1s").run().code(5);
    lab.qqmgr("start a nobody").run().code(4).stdout("");
    lab.qqmgr("start a --all").run().code(2);
    lab.qqmgr("start").run().code(2);
    let stopped = lab.qqmgr("stop --all --timeout 3s --json").run().code(0).json();
    let methods: Vec<_> = stopped.as_array().unwrap().iter().map(|vm| &vm["method"]).collect();
    assert_eq!(methods[0], "quit");
    assert!(methods[1].is_null());
    assert_eq!(methods[2..], ["powerdown", "powerdown"]);
    assert!(lab.processes().is_empty(), "{:?}", lab.processes());
    // The output is a list even with one VM.
    let lab = Lab::new(&vm("a", NO_GUEST));
    assert_eq!(lab.qqmgr("start --all --json").run().code(0).json()[0]["name"], "a");
}

#[test]
fn all_verbs_of_a_life() {
    let lab = Lab::new(&(vm("web-1", NO_GUEST) + &vm("web-2", NO_GUEST) + &vm("db", NO_GUEST)));
    let restarted = lab.qqmgr("restart web-*").run();
    assert_eq!(lines(restarted.code(0)), ["web-1: started", "web-2: started"]);
    let stopped = "web-1: is not running\nweb-2: is not running\n";
    let stderr = String::from_utf8_lossy(&restarted.stderr).into_owned();
    let mut said: Vec<_> = stderr.split_inclusive('\n').collect();
    said.sort_unstable();
    assert_eq!(said.concat(), stopped);
    let reset = lab.qqmgr("restart --reset web-1 db web-2").run();
    assert_eq!(lines(reset.code(4)), ["web-1: reset", "web-2: reset"]);
    reset.stderr("error: VM `db` is not running\nhint: start it: qqmgr start db\n");
    let waited = lab.qqmgr("wait web-* --for running --json").run().code(0).json();
    for (at, name) in ["web-1", "web-2"].iter().enumerate() {
        assert_eq!(waited[at]["name"], *name);
        assert_eq!(waited[at]["held"], serde_json::json!(["running"]));
    }
    let waited = lab.qqmgr("wait --all --for stopped --timeout 100ms").run();
    waited.code(5).stdout("db: after [SECONDS]: stopped\n");
    // The VMs are asked side by side, but printed in the order of the arguments.
    let status = lab.qqmgr("status db web-*").run().code(0).stderr("").text();
    let heads: Vec<_> = status.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(heads, ["db: stopped", "web-1: running", "web-2: running"]);
    let status = lab.qqmgr("status --all --exit-code --json").run().code(4).json();
    let states: Vec<_> = status.as_array().unwrap().iter().map(|vm| &vm["state"]).collect();
    assert_eq!(states, ["running", "running", "stopped"]);
    lab.qqmgr("status web-* --exit-code").run().code(0);
    let killed = lab.qqmgr("kill --all").run();
    assert_eq!(lines(killed.code(0)), ["db: is not running", "web-1: stopped", "web-2: stopped"]);
    let restarted = lab.qqmgr("restart --all --json").run().code(0).stderr("").json();
    let names: Vec<_> = restarted.as_array().unwrap().iter().map(|vm| &vm["name"]).collect();
    assert_eq!(names, ["web-1", "web-2", "db"]);
    assert_eq!(lab.qemus().len(), 3);
    for verb in ["restart", "status", "kill", "wait --for running"] {
        lab.qqmgr(verb).run().code(2);
        lab.qqmgr(&format!("{verb} --all db")).run().code(2);
    }
    lab.qqmgr("kill --all").run().code(0);
}

#[test]
fn each_error_names_its_vm() {
    let broken = |vm: &str| format!("[vm.{vm}]\ncmd = ['{{{{.undef}}}}']\nssh = {{ port = 22 }}\n");
    let absent = "[vm.c]\nbin = '/nonexistent/qemu'\ncmd = []\nssh = { port = 22 }\n";
    let lab = Lab::new(&(broken("a") + &broken("b") + absent));
    let started = lab.qqmgr("start --all").run();
    let stderr = String::from_utf8_lossy(&started.code(3).stdout("").stderr).into_owned();
    for (vm, line) in [("a", 2), ("b", 5)] {
        let error = format!("error: VM `{vm}`: there is no variable `{{{{.undef}}}}`\n");
        let place = format!("qqmgr.toml:{line}:");
        let told = stderr
            .split_once(&error)
            .is_some_and(|(_, rest)| rest.lines().next().unwrap().contains(&place));
        assert!(told, "{vm}: {started}");
    }
    assert!(stderr.contains("error: VM `c`: can't run `/nonexistent/qemu`: "), "{started}");
    // A command for one VM reports that VM alone.
    let alone = lab.qqmgr("start a").run();
    let stderr = String::from_utf8_lossy(&alone.code(3).stderr).into_owned();
    assert!(stderr.starts_with("error: there is no variable"), "{alone}");
}

#[test]
fn kill_is_sigkill_and_cleans_up() {
    let lab = Lab::new(&fake_qemu("a", "ignore-powerdown,ignore-quit,ignore-term"));
    lab.qqmgr("kill a").run().ok("a: is not running\n");
    lab.qqmgr("start a").run().code(0);
    lab.qqmgr("kill a").run().ok("a: stopped (pid [PID]) after [SECONDS]: SIGKILL\n");
    assert!(lab.processes().is_empty(), "{:?}", lab.processes());
    for entry in std::fs::read_dir(lab.vm_file("a", "")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.ends_with(".socket") && name != "pid", "{name} is left behind");
    }
    lab.qqmgr("start a").run().code(0);
    let json = lab.qqmgr("kill a --json").run();
    json.ok("{\"name\":\"a\",\"pid\":[PID],\"method\":\"sigkill\",\"seconds\":[SECONDS],\"notes\":[]}\n");
    lab.qqmgr("kill").run().code(2);
}

#[test]
fn with_few_descriptors_they_take_turns() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let lab = Lab::new(&names.map(|name| fake_qemu(name, "")).concat());
    let few = |line: &str| {
        let line = format!("ulimit -n 30; exec \"$0\" {line}");
        lab.program("sh").args(["-c", &line, env!("CARGO_BIN_EXE_qqmgr")]).run()
    };
    few("start --all --ttl 1h").code(0).stderr("");
    assert_eq!(lab.qemus().len(), names.len());
    few("stop --all").code(0).stderr("");
    assert!(lab.qemus().is_empty());
}

/// A user has 128 inotify instances for all processes together.
#[test]
fn sixty_are_watched_by_one_instance_of_inotify() {
    let names: Vec<_> = (0..60).map(|number| format!("vm-{number}")).collect();
    let lab = Lab::new(&names.iter().map(|name| fake_qemu(name, "")).collect::<String>());
    let mut start = lab.qqmgr("start --all --for serial:up --timeout 170s").spawn();
    let instances = || {
        let fds = std::fs::read_dir(format!("/proc/{}/fd", start.id())).unwrap().flatten();
        let is_inotify = |fd: &std::fs::DirEntry| {
            std::fs::read_link(fd.path()).is_ok_and(|file| file.ends_with("anon_inode:inotify"))
        };
        fds.filter(is_inotify).map(|fd| fd.file_name()).collect::<Vec<_>>()
    };
    let watches = until("all are watched", || {
        let [fd] = &instances()[..] else { return None };
        let path = format!("/proc/{}/fdinfo/{}", start.id(), fd.display());
        let watches = std::fs::read_to_string(path).unwrap().matches("inotify wd:").count();
        (watches >= 2 * names.len()).then_some(watches)
    });
    assert_eq!((watches, instances().len()), (2 * names.len(), 1));
    for name in &names {
        let mut log = std::fs::File::options().append(true).open(lab.vm_file(name, "serial"));
        log.as_mut().unwrap().write_all(b"up\n").unwrap();
    }
    assert_eq!(start.wait().unwrap().code(), Some(0));
    lab.qqmgr("kill *").run().code(0);
}
