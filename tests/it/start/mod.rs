//! `start`: what it prints, what it leaves, and why it fails.

mod ports;
mod refused;

use crate::harness::{Lab, NO_GUEST, vm};

/// The files that may remain of a stopped VM: its logs and what qqmgr writes itself.
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
    lab.qqmgr("start a").run().ok("a: is already running (pid [PID]), SSH on port [PORT]\n");
    let again = lab.qqmgr("start a --json").run();
    again.ok(
        "{\"name\":\"a\",\"pid\":[PID],\"already_running\":true,\"ssh_port\":[PORT],\"ports\":{},\
         \"ignored_args\":[],\"warnings\":[],\"lease\":null,\"held\":[],\"seconds\":[SECONDS]}\n",
    );
    assert_eq!(again.json()["pid"], pid);
    assert_eq!(again.json()["ssh_port"], 2222);
    lab.qqmgr("stop a --force").run().code(0);
    lab.qqmgr("start a --json").run().ok(
        "{\"name\":\"a\",\"pid\":[PID],\"already_running\":false,\"ssh_port\":[PORT],\"ports\":{},\
         \"ignored_args\":[],\"warnings\":[],\"lease\":null,\"held\":[],\"seconds\":[SECONDS]}\n",
    );
}

#[test]
fn extra_arguments_for_one_that_runs_already() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.qqmgr("start a -- -name 'my vm'").run().code(0);
    let running = "a: is already running (pid [PID]), SSH on port [PORT]\n";
    let said = "a: runs without `-S -name x`; to use them: qqmgr restart a -- -S -name x\n";
    lab.qqmgr("start a -- -S -name x").run().expect(0, running, said);
    let json = lab.qqmgr("start a --json -- -S").run().code(0).stderr("").json();
    assert_eq!(json["ignored_args"], serde_json::json!(["-S"]));
    // It was started with these arguments.
    lab.qqmgr("start a -- -name 'my vm'").run().ok(running);
    assert_eq!(lab.qemus().len(), 1);
}

#[test]
fn extra_arguments_binary_environment_and_working_directory() {
    let lab = Lab::new(
        "[vm.a]\nbin = './qemu'\ncmd = ['-nodefaults -display none']\nssh = { port = 2222 }\n\
         env = { COLOUR = '{{.vm.name}}-red' }\n",
    );
    lab.script("qemu", "echo \"$COLOUR $PWD\"\nexec qemu-system-x86_64 \"$@\"");
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
fn what_qemu_says_as_it_comes_up() {
    let config =
        "[vm.a]\nbin = './qemu'\ncmd = ['-nodefaults -display none -S']\nssh = { port = 1 }\n";
    let lab = Lab::new(config);
    let lines = "printf 'warning: \\033[31mred\\nand more\\n' >&2\nexec qemu-system-x86_64 \"$@\"";
    lab.script("qemu", lines);
    let told = "a: warning: red\na: and more\n";
    lab.qqmgr("start a").run().expect(0, "a: started (pid [PID]), SSH on port [PORT]\n", told);
    let running = lab.qqmgr("start a --json").run().code(0).stderr("").json();
    assert_eq!(running["warnings"], serde_json::json!([]));
    let restarted = lab.qqmgr("restart a --json").run().code(0).stderr("").json();
    assert_eq!(restarted["warnings"], serde_json::json!(["warning: red", "and more"]));
    let restarted = lab.qqmgr("restart a").run();
    let stderr = String::from_utf8_lossy(&restarted.code(0).stderr);
    assert!(stderr.ends_with(told), "{restarted}");
}
