//! The input and output of a run: the command's words and streams, files, the report.

use super::gone;
use crate::harness::{Lab, NO_GUEST, guest_vm, until, vm};
use rustix::process::Signal;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;

/// A file name that is not valid UTF-8.
fn no_text() -> OsString {
    OsString::from_vec(b"\xff".into())
}

#[test]
fn a_commands_streams_files_and_exit_code() {
    let lab = Lab::new(&guest_vm("a"));
    lab.write("in", "put\n");
    lab.qqmgr("run a --put in:/tmp/in --get /tmp/out:out --get /tmp/out:new/dir/ -- 'cat /tmp/in -; echo err >&2; echo got >/tmp/out; exit 7'")
        .stdin("stdin\n")
        .run()
        .expect(7, "put\nstdin\n", "err\n");
    assert_eq!(lab.read("out"), "got\n");
    assert_eq!(lab.read("new/dir/out"), "got\n");
    gone(&lab);
    // Without a command, it is a shell.
    let outcome = lab.qqmgr("run a").stdin("echo $((6*7)); exit 3\n").run();
    assert_eq!(outcome.code(3).text(), "42\n");
    gone(&lab);
}

#[test]
fn how_far_the_copies_are_is_shown_on_a_terminal() {
    let lab = Lab::new(&guest_vm("a"));
    lab.write("in", "put");
    let line = "run a --put in:/tmp/in --get /tmp/in:out -- true";
    let mut run = lab.qqmgr(line).at_terminal();
    assert_eq!(run.shows("in ").shows("100%").shows("in ").shows("100%").ends(), 0);
    let mut run = lab.qqmgr(&format!("-q {line}")).at_terminal();
    assert_eq!((run.ends(), run.text()), (0, String::new()));
    gone(&lab);
}

#[test]
fn one_word_is_a_shell_line_and_several_are_exact() {
    let lab = Lab::new(&guest_vm("a"));
    let put = OsString::from_vec(b"--put=\xff:/root/\xff".into());
    fs::write(lab.path(no_text()), "no text\n").unwrap();
    let script = "for word; do echo \"<$word>\"; done; cat /root/*; exit 7";
    lab.qqmgr("run a")
        .args([put])
        .args(["--", "sh", "-c", script, "sh", "it's  $HOME", "*", "", "A=1"])
        .run()
        .code(7)
        .stdout("<it's  $HOME>\n<*>\n<>\n<A=1>\nno text\n");
    gone(&lab);
    lab.qqmgr("run a -- 'false || echo $((6*7)) && exit 3'").run().expect(3, "42\n", "");
    assert_eq!(lab.qqmgr("run a -- -t test -t 0").at_terminal().ends(), 0);
    gone(&lab);
}

#[test]
fn a_report_of_it_and_what_can_not_be_copied() {
    let lab = Lab::new(&guest_vm("a"));
    let json = lab.qqmgr("run a --json -- 'echo out; echo err >&2; exit 3'").run();
    let json = json.code(3).stderr("").json();
    for (key, value) in [("stdout", "out\n"), ("stderr", "err\n"), ("ended_by", "command")] {
        assert_eq!(json[key], value, "{json}");
    }
    assert_eq!((&json["exit_code"], &json["command_exit_code"]), (&3.into(), &3.into()));
    assert!(json["name"].as_str().unwrap().starts_with("a+"), "{json}");
    assert!(json["seconds"].as_f64().unwrap() > 0.0);
    assert!(json["message"].is_null() && json["bundle"].is_null() && json["kept"].is_null());
    lab.write("in", "");
    let json = lab.qqmgr("run a --json --put in:/nowhere/x -- true").run().code(125).json();
    assert_eq!(json["ended_by"], "failure");
    assert!(json["message"].as_str().unwrap().contains("`in` was not copied: "), "{json}");
    assert!(json["command_exit_code"].is_null() && json["stdout"].is_null(), "{json}");
    gone(&lab);
}

#[test]
fn files_that_can_not_be_copied_out() {
    let lab = Lab::new(&guest_vm("a"));
    let get = "--get /nowhere:one --get /etc/hostname:two";
    // The command succeeded, so the copy is the failure.
    let json = lab.qqmgr(&format!("run a --json {get} -- 'echo out'")).run();
    let json = json.code(125).stderr("").json();
    assert_eq!((&json["exit_code"], &json["command_exit_code"]), (&125.into(), &0.into()));
    assert_eq!((&json["ended_by"], &json["stdout"]), (&"failure".into(), &"out\n".into()));
    assert!(json["message"].as_str().unwrap().contains("`/nowhere` was not copied: "), "{json}");
    assert!(lab.path("two").exists(), "the others are copied all the same");
    gone(&lab);
    // The command failed, and perhaps made nothing to copy.
    let outcome = lab.qqmgr(&format!("run a {get} -- 'echo out; exit 7'")).run();
    outcome.code(7).stdout("out\n");
    let stderr = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert!(stderr.starts_with("error: VM `a+"), "{outcome}");
    assert!(stderr.contains("`/nowhere` was not copied: "), "{outcome}");
    let json = lab.qqmgr(&format!("run a --json {get} -- 'exit 7'")).run().code(7).json();
    assert_eq!((&json["ended_by"], &json["command_exit_code"]), (&"command".into(), &7.into()));
    assert!(json["message"].as_str().unwrap().contains("/nowhere"), "{json}");
    gone(&lab);
}

#[test]
fn what_a_guest_says_to_a_copy_without_end_is_not_kept() {
    let lab = Lab::new(&guest_vm("a"));
    lab.write("in", "");
    lab.script("bin/scp", "head -c 300000000 /dev/zero >&2; >tried; exec sleep 1000");
    let path = std::env::join_paths([lab.path("bin"), "/usr/bin".into(), "/bin".into()]).unwrap();
    let mut run = lab.qqmgr("run a --put in:/tmp/in -- true").env("PATH", path).in_pipe();
    until("it has tried to copy", || lab.path("tried").exists().then_some(()));
    assert!(run.peak() < 100_000, "{} kB", run.peak());
    run.signal(Signal::TERM);
    assert_eq!(run.ends(), 143);
    gone(&lab);
}

#[test]
fn an_empty_command_is_no_shell() {
    let forward = "-netdev user,id=n,hostfwd=tcp::{{.vm.ssh.port}}-:22";
    let lab = Lab::new(&vm("a", &format!("{NO_GUEST} {forward}")));
    let outcome = lab.qqmgr("run a -- ''").stdin("echo shell\n").run();
    outcome.expect(
        125,
        "",
        "error: the command is empty\n\
         hint: for a shell, leave it out; to do nothing, use `true`\n",
    );
    let json = lab.qqmgr("run a --json -- ''").run().code(125).stderr("").json();
    assert_eq!(json["error"]["code"], "usage");
    assert!(!lab.path(".qqmgr").exists());
}

#[test]
fn local_files_are_looked_at_before_the_boot() {
    let forward = "-netdev user,id=n,hostfwd=tcp::{{.vm.ssh.port}}-:22";
    let lab = Lab::new(&vm("a", &format!("{NO_GUEST} {forward}")));
    lab.write("file", "");
    for (option, said) in [
        ("--put nowhere:/tmp/x", "can't copy \"nowhere\": No such file or directory"),
        ("--get /tmp/x:nowhere/x", "can't copy to \"nowhere/x\": No such file or directory"),
        ("--get /tmp/x:file/x", "can't copy to \"file/x\": Not a directory"),
        ("--get /tmp/x:file/", "can't copy to \"file/\": File exists"),
    ] {
        let line = format!("run a {option} -- true");
        lab.qqmgr(&line).run().expect(125, "", &format!("error: {said}\n"));
    }
    let json = lab.qqmgr("run a --json --put nowhere:/tmp/x -- true").run().code(125).json();
    assert_eq!(json["error"]["code"], "file");
    assert!(!lab.path(".qqmgr").exists());
}
