//! Starts that fail: the reason, its place in the config, and that nothing is left.

use super::assert_nothing_left;
use crate::harness::{Lab, NO_GUEST, fake_qemu, free_port, until, vm};
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

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
fn an_option_at_the_end_that_lacks_its_value() {
    let lab = Lab::new("[vm.a]\ncmd = ['-display none -smp']\nssh = { port = 1 }\n");
    lab.qqmgr("start a").run().expect(
        1,
        "",
        "error: VM `a` did not start: QEMU exited with code 1: qemu-system-x86_64: \
         [DIR]/.qqmgr/vm.a/pid: Could not open '[DIR]/.qqmgr/vm.a/pid': No such file or directory\n       \
         `-smp`, the last word of `cmd`, needs a value\n \
         --> [DIR]/qqmgr.toml:2:23\n  |\n2 | cmd = ['-display none -smp']\n  |                       ^^^^\n\
         crash bundle: [DIR]/.qqmgr/vm.a/crashes/[BUNDLE]\n",
    );
    assert_nothing_left(&lab, "a");
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
        "error: can't run `qemu-nope`: No such file or directory\n \
         --> [DIR]/qqmgr.toml:2:7\n  |\n2 | bin = 'qemu-nope'\n  |       ^^^^^^^^^^^\n  |\n  \
         = help: is it installed and in $PATH?\n",
    );
    assert_nothing_left(&lab, "a");
    let lab = Lab::new("[qemu]\nbin = '{{.config_dir}}'\n[vm.a]\ncmd = []\nssh = { port = 1 }\n");
    lab.qqmgr("start a").run().expect(
        1,
        "",
        "error: can't run `[DIR]`: Permission denied\n \
         --> [DIR]/qqmgr.toml:2:7\n  |\n2 | bin = '{{.config_dir}}'\n  |       ^^^^^^^^^^^^^^^^^\n",
    );
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
fn a_wrapper_that_ends_without_its_qemu() {
    let lab = Lab::new(&fake_qemu("a", "slow-pidfile=60000"));
    let config = lab.read("qqmgr.toml");
    let bin = config.split('"').nth(1).unwrap();
    // QEMU can't be seen yet; then it can, but it has left the wrapper's session.
    for (script, wrapper) in [
        ("slow-pidfile=60000", format!("{bin} \"$@\" &\nexit 1")),
        (
            "slow-socket=60000",
            format!("setsid {bin} \"$@\" &\nuntil test -s .qqmgr/vm.a/pid; do :; done\nexit 1"),
        ),
    ] {
        lab.script("wrapper", &wrapper);
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
    lab.qqmgr("start a --wait --timeout 5s").run().expect(
        5,
        "",
        "error: VM `a`: timed out after 5s waiting for ssh: the SSH port is not forwarded to the guest; \
         the guest has written nothing to its serial port\n\
         hint: see its state: qqmgr status a\n\
         crash bundle: [DIR]/.qqmgr/vm.a/crashes/[BUNDLE]\n",
    );
    assert_eq!(lab.qemus().len(), 1);
}

#[test]
fn a_qemu_that_has_ended_but_can_not_be_waited_for() {
    let lab = Lab::new(&fake_qemu("a", "slow-socket=60000"));
    let mut start = lab.qqmgr("start a").in_pipe();
    let qemu = until("QEMU is there", || lab.qemus().pop());
    let pid = Pid::from_raw(qemu.try_into().unwrap());
    // As under a debugger, which is told first that the process has ended.
    ptrace::seize(pid, ptrace::Options::empty()).unwrap();
    lab.qemu().end();
    assert_eq!(start.ends(), 1);
    assert!(!lab.vm_file("a", "pid").exists());
    waitpid(pid, Some(WaitPidFlag::__WALL)).unwrap();
}
