//! `start`: what it says, what it leaves, and why it fails.

use crate::harness::{Lab, NO_GUEST, fake_qemu, free_port, until, vm};
use std::net::TcpListener;

/// What may be left of a VM that has no process: its logs and what qqmgr writes itself.
#[track_caller]
fn assert_nothing_left(lab: &Lab, name: &str) {
    assert!(lab.processes().is_empty(), "{:?}", lab.processes());
    for file in ["pid", "qmp.socket", "monitor.socket", "serial.socket"] {
        assert!(!lab.vm_file(name, file).exists(), "{file} is left behind");
    }
}

#[test]
fn fresh_then_running_already() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.qqmgr("start a").run().ok("a: started (pid [PID]), SSH on port [PORT]\n");
    let [pid] = lab.qemus()[..] else { panic!("{:?}", lab.qemus()) };
    assert_eq!(lab.read(".qqmgr/vm.a/pid").trim(), pid.to_string());
    lab.qqmgr("start a").run().ok("a: is running already (pid [PID]), SSH on port [PORT]\n");
    let again = lab.qqmgr("start a --json").run();
    again.ok("{\"name\":\"a\",\"pid\":[PID],\"already_running\":true,\"ssh_port\":[PORT],\
         \"ignored_args\":[],\"lease\":null,\"held\":[],\"seconds\":[SECONDS]}\n");
    assert_eq!(again.json()["pid"], pid);
    assert_eq!(again.json()["ssh_port"], 2222);
    lab.qqmgr("stop a --force").run().code(0);
    lab.qqmgr("start a --json")
        .run()
        .ok("{\"name\":\"a\",\"pid\":[PID],\"already_running\":false,\"ssh_port\":[PORT],\
         \"ignored_args\":[],\"lease\":null,\"held\":[],\"seconds\":[SECONDS]}\n");
}

#[test]
fn extra_arguments_for_one_that_runs_already() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.qqmgr("start a -- -name 'my vm'").run().code(0);
    let running = "a: is running already (pid [PID]), SSH on port [PORT]\n";
    let said = "a: goes on without `-S -name x`; stop it first\n";
    lab.qqmgr("start a -- -S -name x").run().expect(0, running, said);
    let json = lab.qqmgr("start a --json -- -S").run().code(0).stderr("").json();
    assert_eq!(json["ignored_args"], serde_json::json!(["-S"]));
    // It has these.
    lab.qqmgr("start a -- -name 'my vm'").run().ok(running);
    assert_eq!(lab.qemus().len(), 1);
}

#[test]
fn extra_arguments_binary_environment_and_working_directory() {
    let lab = Lab::new(
        "[vm.a]\nbin = './qemu'\ncmd = ['-nodefaults -display none']\nssh = { port = 2222 }\n\
         env = { COLOUR = '{{.vm.name}}-red' }\n",
    );
    let script =
        lab.write("qemu", "#!/bin/sh\necho \"$COLOUR $PWD\"\nexec qemu-system-x86_64 \"$@\"\n");
    set_mode(&script, 0o755);
    lab.write("sub/file", "");
    lab.qqmgr("start a -- -name 'my vm' -S").cwd("sub").run().code(0).stderr("");
    let args = &lab.processes()[0].args;
    assert_eq!(args[args.len() - 3..], ["-name", "my vm", "-S"]);
    assert_eq!(lab.qqmgr("status a --json").run().json()["state"], "prelaunch");
    assert_eq!(
        lab.read(".qqmgr/vm.a/stdout"),
        format!("a-red {}\n", lab.path("qqmgr.toml").parent().unwrap().display())
    );
}

fn set_mode(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn qemus_own_words_and_the_line_that_they_are_about() {
    let lab = Lab::new(
        "[vars]\ndev = '-device nonsense,x=1'\n\
         [vm.a]\ncmd = [\n    '-nodefaults -display none',\n    '{{.dev}}',\n]\nssh = { port = 1 }\n",
    );
    lab.qqmgr("start a").run().expect(
        1,
        "",
        "error: VM `a` did not start: QEMU exited with code 1: qemu-system-x86_64: -device \
         nonsense,x=1: 'nonsense' is not a valid device model name\n \
         --> [DIR]/qqmgr.toml:6:6\n  |\n6 |     '{{.dev}}',\n  |      ^^^^^^^^\n\
         crash bundle: [DIR]/.qqmgr/vm.a/crashes/[BUNDLE]\n",
    );
    assert_nothing_left(&lab, "a");
    let json = lab.qqmgr("start a --json").run().code(1).stderr("").json();
    assert_eq!(json["error"]["code"], "qemu_failed");
    assert_eq!(json["error"]["location"]["line"], 6);
    assert_nothing_left(&lab, "a");
    lab.qqmgr("status a --exit-code").run().code(4);
    let stderr = lab.read(".qqmgr/vm.a/stderr");
    assert!(stderr.contains("not a valid device"), "the log can be examined: {stderr}");
}

#[test]
fn the_line_of_a_complaint_that_names_no_option() {
    for (cmd, column) in [
        ("-machine q36", 18),
        ("-machine q35,accel=tcg,foo=1", 18),
        ("-M q35 -cpu qemu65", 21),
        ("-M q35 -cpu qemu64,+nope", 21),
        ("-M q35 -kernel /nonexistent", 24),
    ] {
        let lab = Lab::new(&vm("a", &format!("{cmd} -display none")));
        let json = lab.qqmgr("start a --json").run().code(1).json();
        assert_eq!(json["error"]["code"], "qemu_failed", "{cmd}");
        assert_eq!(json["error"]["location"]["line"], 2, "{cmd}: {json}");
        assert_eq!(json["error"]["location"]["column"], 2 + column, "{cmd}: {json}");
    }
}

#[test]
fn a_failure_in_extra_arguments_has_no_line() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.qqmgr("start a -- -device nonsense").run().expect(
        1,
        "",
        "error: VM `a` did not start: QEMU exited with code 1: qemu-system-x86_64: -device \
         nonsense: 'nonsense' is not a valid device model name\n\
         crash bundle: [DIR]/.qqmgr/vm.a/crashes/[BUNDLE]\n",
    );
    assert_nothing_left(&lab, "a");
}

#[test]
fn a_binary_that_is_not_there() {
    let lab = Lab::new("[vm.a]\nbin = 'qemu-nope'\ncmd = []\nssh = { port = 1 }\n");
    lab.qqmgr("start a").run().expect(
        1,
        "",
        "error: can't run `qemu-nope`: No such file or directory (os error 2)\n \
         --> [DIR]/qqmgr.toml:2:7\n  |\n2 | bin = 'qemu-nope'\n  |       ^^^^^^^^^^^\n  |\n  \
         = help: is it installed and in $PATH?\n",
    );
    assert_nothing_left(&lab, "a");
    let lab = Lab::new("[qemu]\nbin = '{{.config_dir}}'\n[vm.a]\ncmd = []\nssh = { port = 1 }\n");
    lab.qqmgr("start a").run().expect(
        1,
        "",
        "error: can't run `[DIR]`: Permission denied (os error 13)\n \
         --> [DIR]/qqmgr.toml:2:7\n  |\n2 | bin = '{{.config_dir}}'\n  |       ^^^^^^^^^^^^^^^^^\n",
    );
}

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
            "error: VM `second` did not start: its SSH port {port} is taken by {owner}\n\
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
    assert_eq!(json["error"]["code"], "qemu_failed", "{json}");
    assert_eq!(json["error"]["location"]["line"], 2, "{json}");
    let message = json["error"]["message"].as_str().unwrap();
    let program = std::env::current_exe().unwrap();
    let program = program.file_name().unwrap().to_str().unwrap();
    let owner = format!("`{program}` (pid {})", std::process::id());
    let end = format!("'tcp:127.0.0.1:{taken}-:80'\nport {taken} of the host is taken by {owner}");
    assert!(message.ends_with(&end), "{message}");
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
    lab.qqmgr("check a").run().ok("1 VM checked: nothing found\n");
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

#[test]
fn a_qemu_that_never_answers_is_not_left_behind() {
    let lab = Lab::new(&(fake_qemu("mute", "mute") + &fake_qemu("late", "slow-socket=60000")));
    for name in ["mute", "late"] {
        lab.qqmgr(&format!("start {name} --timeout 300ms")).run().expect(
            5,
            "",
            &format!(
                "error: VM `{name}` did not start: QEMU did not answer on QMP within 300ms\n\
                 crash bundle: [DIR]/.qqmgr/vm.{name}/crashes/[BUNDLE]\n"
            ),
        );
        assert_nothing_left(&lab, name);
    }
    let json = lab.qqmgr("start mute --timeout 0.1 --json").run().code(5).json();
    assert_eq!(json["error"]["code"], "start_timeout");
}

#[test]
fn a_qemu_that_ends_while_it_comes_up() {
    let lab =
        Lab::new(&(fake_qemu("early", "exit-early=7") + &fake_qemu("bound", "die-after-bind")));
    lab.qqmgr("start early").run().expect(
        1,
        "",
        "error: VM `early` did not start: QEMU exited with code 7: fake-qemu: -device nonsense: \
         'nonsense' is not a valid device model name\n\
         crash bundle: [DIR]/.qqmgr/vm.early/crashes/[BUNDLE]\n",
    );
    assert_nothing_left(&lab, "early");
    lab.qqmgr("start bound").run().expect(
        1,
        "",
        "error: VM `bound` did not start: QEMU exited with code 1\n\
         crash bundle: [DIR]/.qqmgr/vm.bound/crashes/[BUNDLE]\n",
    );
    assert_nothing_left(&lab, "bound");
}

#[test]
fn descriptors_of_the_caller() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    let line = "exec 7>lock 8>kept; exec \"$0\" start a -- \
                -add-fd fd=8,set=1 -chardev file,id=c,path=/dev/fdset/1";
    lab.program("sh").args(["-c", line, env!("CARGO_BIN_EXE_qqmgr")]).run().code(0);
    let links = std::fs::read_dir(format!("/proc/{}/fd", lab.qemus()[0])).unwrap();
    let open: Vec<_> = links.filter_map(|link| link.unwrap().path().read_link().ok()).collect();
    assert!(open.contains(&lab.path("kept")), "{open:?}");
    assert!(!open.contains(&lab.path("lock")), "{open:?}");
}

#[test]
fn a_wrapper_that_ends_without_its_qemu() {
    let lab = Lab::new(&fake_qemu("a", "slow-pidfile=60000"));
    let config = lab.read("qqmgr.toml");
    let bin = config.split('"').nth(1).unwrap();
    // QEMU can't be seen yet; then it can, but has left the wrapper's session.
    for (script, wrapper) in [
        ("slow-pidfile=60000", format!("#!/bin/sh\n{bin} \"$@\" &\nexit 1\n")),
        (
            "slow-socket=60000",
            format!(
                "#!/bin/sh\nsetsid {bin} \"$@\" &\nuntil test -s .qqmgr/vm.a/pid; do :; done\nexit 1\n"
            ),
        ),
    ] {
        set_mode(&lab.write("wrapper", wrapper), 0o755);
        let config = config.replace(bin, "./wrapper").replace("slow-pidfile=60000", script);
        lab.write("qqmgr.toml", config);
        lab.qqmgr("start a").run().code(1).stdout("");
        until("QEMU is gone", || lab.processes().is_empty().then_some(()));
        assert_nothing_left(&lab, "a");
    }
}

#[test]
fn waiting_for_a_login_that_never_works_leaves_the_vm_running() {
    let lab = Lab::new(&vm("a", NO_GUEST).replace("2222", &free_port().to_string()));
    lab.qqmgr("start a --wait --timeout 1s").run().expect(
        5,
        "",
        "error: VM `a`: waited 1s for ssh\n\
         hint: the VM is left as it is: qqmgr status a\n\
         crash bundle: [DIR]/.qqmgr/vm.a/crashes/[BUNDLE]\n",
    );
    assert_eq!(lab.qemus().len(), 1);
}
