//! `gdb`: QEMU under a debugger, and a debugger on the guest. Here gdb is a script that prints its
//! arguments; QEMU's real stub answers.

use crate::harness::{Lab, NO_GUEST, until, vm};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

fn lab(gdb: &str) -> Lab {
    let lab = Lab::new(&vm("a", NO_GUEST).replace("cmd =", "env = { COLOUR = 'red' }\ncmd ="));
    lab.script("gdb", gdb);
    lab
}

#[test]
fn qemu_gets_the_vms_arguments_environment_and_directory() {
    let lab = lab("echo \"$COLOUR $PWD\"; printf '%s\\n' \"$@\"; exit 3");
    lab.write("sub/file", "");
    let outcome = lab.qqmgr("gdb a --gdb ./gdb -- -q -ex 'break main'").cwd("sub").run();
    let text = outcome.code(3).stderr("").text();
    let words = lab.qqmgr("start a --dry-run --json").run().code(0).json();
    let words: Vec<_> = words.as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
    let expected = format!(
        "red {}\n-ex\nhandle SIGUSR1 nostop noprint pass\n-x\n{}\n-q\n-ex\nbreak main\n--args\n{}\n",
        lab.path("qqmgr.toml").parent().unwrap().display(),
        lab.vm_file("a", "gdb.commands").display(),
        words.join("\n")
    );
    assert_eq!(text, expected);
    lab.qqmgr("status a --exit-code").run().code(4);
}

#[test]
fn a_vm_under_gdb_is_seen_and_can_be_stopped() {
    let lab = lab("while [ \"$1\" != --args ]; do shift; done; shift; \"$@\"");
    // No record of the previous life counts for this one.
    lab.qqmgr("start a").run().code(0);
    lab.qqmgr("stop a --force").run().code(0);
    let mut gdb = lab.qqmgr("gdb a --gdb ./gdb").spawn();
    until("it runs", || (lab.qqmgr("status a --exit-code").run().code == 0).then_some(()));
    until("QMP answers", || {
        let status = lab.qqmgr("status a --json").run().json();
        (status["state"] == "running").then_some(())
    });
    let pid = lab.qqmgr("status a --json").run().json()["pid"].to_string();
    assert_eq!(lab.read(".qqmgr/vm.a/pid").trim(), pid, "it is QEMU and not gdb");
    lab.qqmgr("gdb a --gdb ./gdb").run().expect(
        4,
        "",
        "error: VM `a` is running (pid [PID])\n\
         hint: stop it: qqmgr stop a; or debug its guest: qqmgr gdb --guest a\n",
    );
    assert!(lab.qqmgr("timeline a --json").run().code(0).json()["qmp"].is_null());
    assert!(!lab.vm_file("a", "end.json").exists());
    lab.qqmgr("stop a --force").run().code(0);
    gdb.wait().unwrap();
}

/// Asks the stub why the guest stopped (GDB manual, "Packets": `?`).
fn ask_stub(socket: &Path) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(b"$?#3f").unwrap();
    let mut answer = Vec::new();
    while !answer.contains(&b'#') {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.extend(byte);
    }
    String::from_utf8(answer).unwrap()
}

#[test]
fn the_guests_stub_opens_again_and_again() {
    let lab = lab("printf '%s\\n' \"$@\"");
    lab.qqmgr("gdb a --guest --print").run().expect(
        4,
        "",
        "error: VM `a` is not running\nhint: start it: qqmgr start a\n",
    );
    lab.qqmgr("start a").run().code(0);
    let socket = lab.vm_file("a", "gdb.socket");
    for _time in 0..2 {
        lab.qqmgr("gdb a --guest --print").run().ok("target remote [DIR]/.qqmgr/vm.a/gdb.socket\n");
        let answer = ask_stub(&socket);
        assert!(answer.contains("$T"), "{answer}");
    }
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    lab.qqmgr("gdb a --guest --print --json")
        .run()
        .ok("{\"target\":\"[DIR]/.qqmgr/vm.a/gdb.socket\"}\n");
    lab.qqmgr("gdb a --guest --gdb ./gdb -- vmlinux -ex c")
        .run()
        .ok("-ex\ntarget remote [DIR]/.qqmgr/vm.a/gdb.socket\nvmlinux\n-ex\nc\n");
    lab.qqmgr("stop a --force").run().code(0);
    assert!(!socket.exists());
}

#[test]
fn a_stub_for_a_directory_with_a_long_path() {
    let lab = Lab::empty();
    let dir = "d".repeat(150);
    lab.write(format!("{dir}/qqmgr.toml"), vm("a", NO_GUEST));
    lab.qqmgr("start a").cwd(&dir).run().code(0);
    let json = lab.qqmgr("gdb a --guest --print --json").cwd(&dir).run().code(0).json();
    let socket = Path::new(json["target"].as_str().unwrap());
    let answer = ask_stub(socket);
    assert!(answer.contains("$T"), "{answer}");
    assert_eq!(socket.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
    lab.qqmgr("stop a --force").cwd(&dir).run().code(0);
    assert!(!socket.exists());
}

#[test]
fn a_stub_for_a_directory_with_an_odd_name() {
    let lab = Lab::empty();
    let dir = "a b, \"c\" \\d";
    lab.write(format!("{dir}/qqmgr.toml"), vm("a", NO_GUEST));
    lab.qqmgr("start a").cwd(dir).run().code(0);
    let json = lab.qqmgr("gdb a --guest --print --json").cwd(dir).run().code(0).json();
    let answer = ask_stub(Path::new(json["target"].as_str().unwrap()));
    assert!(answer.contains("$T"), "{answer}");
}

#[test]
fn a_gdb_that_is_not_there() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.qqmgr("gdb a --gdb gdb-nope").run().expect(
        1,
        "",
        "error: can't run `gdb-nope`: No such file or directory\n\
         hint: is it installed and in $PATH?\n",
    );
}
