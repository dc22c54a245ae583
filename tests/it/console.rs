//! `console`: at a terminal and without one, alone and against others.

use crate::harness::{Lab, Live, guest_vm, until};
use rustix::process::Signal;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

const ENTERED: &str = "attached to the serial port of a; Ctrl-] detaches\r\n";

fn attached(lab: &Lab) -> Live {
    let mut terminal = lab.qqmgr("console a").at_terminal();
    terminal.shows(ENTERED);
    until("it is raw", || terminal.is_raw().then_some(()));
    terminal
}

#[test]
fn both_ways_on_a_real_guest() {
    let lab = Lab::new(&guest_vm("a"));
    lab.qqmgr("start a").run().code(0);
    let boot = lab.qqmgr("console a --until '^~ # $' --timeout 2m --json").run();
    assert_eq!(boot.code(0).json()["ended_by"], "until");

    let mut terminal = attached(&lab);
    terminal.types("echo $((40+2))\r").shows("\n42\r\n");
    // Ctrl-C and Ctrl-S go to the guest. Its shell ignores them between two commands.
    terminal.types("sh -c 'echo go$((1)); exec sleep 1000'\r").shows("\ngo1\r\n");
    terminal.types("\x03").shows("~ # ");
    terminal.types("sh -c 'echo go$((2)); exec cat'\r").shows("\ngo2\r\n");
    terminal.types("\x13\x11typed\r").shows("typed\r\ntyped\r\n").types("\x03").shows("~ # ");
    // A program in the guest asks the terminal for its size, and gets the answer.
    terminal.types("printf '\\033[1%dt' 8; read -s -r -n 11 x; echo \"=${x#?}\"\r");
    terminal.shows("\x1b[18t").types("\x1b[8;43;132t").shows("=[8;43;132t\r\n");
    // Pressed twice, the key goes to the guest. With `b` it sends a break, for a SysRq key.
    terminal.types("cat\r").shows("cat\r\n").types("\x1d\x1d").shows("\x1d").types("\x03");
    terminal.shows("~ # ").types("\x1dbh").shows("sysrq: HELP");
    terminal.types("\r").shows("~ # ").types("\x1d").shows("detached from a\r\n");
    assert_eq!(terminal.ends(), 0);
    assert!(lab.read(".qqmgr/vm.a/serial").contains("\n42\r\n"), "the log goes on");

    // The guest writes nothing now, so this is earlier output.
    let mut terminal = lab.qqmgr("console a --escape ^a").at_terminal();
    terminal.shows("attached to the serial port of a; Ctrl-A detaches\r\n").shows("sysrq: HELP");
    let text = terminal.shows("~ # ").text();
    assert!(text.lines().count() <= 23, "{text}");
    until("it is raw", || terminal.is_raw().then_some(()));
    terminal
        .types("cat\r")
        .shows("cat\r\n")
        .types("\x1d")
        .shows("\x1d")
        .types("\x03")
        .shows("~ # ");
    terminal.types("\x01q").shows("\x1b[J").shows("detached from a\r\n");
    assert_eq!(terminal.ends(), 0);

    let outcome = lab.qqmgr("console a").stdin("echo $((6*7))\n").run();
    assert!(outcome.code(0).stderr("").text().contains("\r\n42\r\n"), "{outcome}");
    let outcome = lab.qqmgr("console a --json --until '^x4$'").stdin("echo x$((2+2))\n").run();
    let answer = outcome.code(0).json();
    assert_eq!(answer["ended_by"], "until");
    // A prompt may come before it.
    let ends_with = |output: &str, end| assert!(output.ends_with(end), "{output:?}");
    ends_with(answer["output"].as_str().unwrap(), "echo x$((2+2))\r\nx4\r\n");
    // The whole line is printed, and nothing after it.
    let echoed =
        lab.qqmgr("console a --until '^b=gun'").stdin("echo b''=gun so; echo more\n").run();
    ends_with(&echoed.code(0).text(), "echo b''=gun so; echo more\r\nb=gun so\r\n");
    // A line that never ends, such as a prompt, gets a line break.
    let outcome = lab.qqmgr("console a --until '^=# $'").stdin("PS1='=''# '\n").run();
    // The shell's question to the terminal may be part of the output.
    let text = outcome.code(0).text().replace("\x1b[6n", "");
    ends_with(&text, "PS1='=''# '\r\n=# \n");
    // A question to the terminal is removed: the answer would go to the local shell.
    let line = r#"printf '%s\n' "printf 'one\\033[6n\\n'" 'echo two' | "$0" console a --until '^two'
        echo over"#;
    let shell = lab.program("sh").args(["-c", line, env!("CARGO_BIN_EXE_qqmgr")]);
    let mut terminal = shell.at_terminal();
    terminal.shows("\none\r").shows("\ntwo\r").shows("over");
    assert!(!terminal.text().contains('\x1b'), "{:?}", terminal.text());
    // The command asked for this end, so it is no failure.
    lab.qemu().ends(|| lab.qqmgr("console a").stdin("poweroff -f\n").run()).code(0);
}

#[test]
fn the_terminal_is_itself_again_however_it_ends() {
    let lab = Lab::running();
    for (end, code, said) in [
        (None, 0, "detached from a\r\n"),
        (Some(Signal::TERM), 143, "\r\n\x1b[J"),
        (Some(Signal::INT), 130, "\r\n\x1b[J"),
        (Some(Signal::HUP), 129, "\r\n\x1b[J"),
        (Some(Signal::QUIT), 131, "\r\n\x1b[J"),
    ] {
        let mut terminal = attached(&lab);
        match end {
            None => drop(terminal.types("typed\x1d")),
            Some(signal) => terminal.signal(signal),
        }
        assert_eq!(terminal.ends(), code);
        until("its last word", || terminal.text().ends_with(said).then_some(()));
        assert!(!terminal.is_raw(), "{end:?}");
    }
    let mut terminal = attached(&lab);
    lab.qqmgr("stop a --force").run().code(0);
    terminal.shows("a: ended\r\n");
    assert_eq!(terminal.ends(), 0);
    assert!(!terminal.is_raw());
}

#[test]
fn a_signal_that_was_ignored_stays_so() {
    let lab = Lab::running();
    let line = r#"trap '' HUP; exec "$0" console a"#;
    let shell = lab.program("sh").args(["-c", line, env!("CARGO_BIN_EXE_qqmgr")]);
    let mut terminal = shell.at_terminal();
    terminal.shows(ENTERED);
    terminal.signal(Signal::HUP);
    terminal.types("\x1d").shows("detached from a\r\n");
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn a_terminal_that_takes_no_more_is_restored() {
    let lab = Lab::running();
    let mut terminal = lab.qqmgr("monitor a").at_terminal();
    terminal.shows("(qemu)");
    terminal.unread("help\r");
    terminal.signal(Signal::TERM);
    assert_eq!(terminal.ends(), 143);
    assert!(!terminal.is_raw());
}

#[test]
fn time_is_over_though_nobody_reads() {
    let lab = Lab::new(&guest_vm("a"));
    lab.qqmgr("start a --wait").run().code(0);
    let line = r#"mkfifo full; exec 3<>full; head -c 65536 /dev/zero >full
        echo | "$0" console a --until never --timeout 1s >full"#;
    let outcome = lab.program("sh").args(["-c", line, env!("CARGO_BIN_EXE_qqmgr")]).run();
    outcome.expect(5, "", "error: VM `a`: the session on its serial port timed out after 1s\n");
}

#[test]
fn in_the_background_it_ends_without_the_terminal() {
    let lab = Lab::running();
    let line = r#"set -m; "$0" console a; echo goes on; exec sleep 1000"#;
    let shell = lab.program("bash").args(["-c", line, env!("CARGO_BIN_EXE_qqmgr")]);
    let mut terminal = shell.at_terminal();
    terminal.shows(ENTERED);
    until("it is raw", || terminal.is_raw().then_some(()));
    let mut processes = lab.processes().into_iter();
    let console = processes.find(|process| process.args.ends_with(&["console".into(), "a".into()]));
    let console = console.unwrap();
    console.signal(Signal::STOP);
    terminal.shows("goes on");
    console.signal(Signal::TERM);
    until("it has ended", || {
        // It is still reading the terminal, which stops it again (SIGTTIN).
        console.signal(Signal::CONT);
        lab.processes().iter().all(|process| process.pid != console.pid).then_some(())
    });
}

#[test]
fn one_at_a_time_unless_by_force() {
    let lab = Lab::running();
    let mut first = attached(&lab);
    let pid = first.pid();
    lab.qqmgr("console a").run().expect(
        1,
        "",
        "error: VM `a`: its serial port is in use by another qqmgr (pid [PID])\n\
         hint: to take it over, add --force\n",
    );
    let answer = lab.qqmgr("console a --json").run().code(1).json();
    assert_eq!(answer["error"]["code"], "console_held");
    assert!(answer["error"]["message"].as_str().unwrap().contains(&format!("(pid {pid})")));
    // The monitor is a different port.
    lab.qqmgr("monitor a --json").stdin("info status\n").run().code(0);

    let mut second = lab.qqmgr("console a --force").at_terminal();
    second.shows(ENTERED);
    first.shows(&format!("another qqmgr (pid {}) took over its serial port", second.pid()));
    assert_eq!(first.ends(), 1);
    assert!(!first.is_raw());
    // A stopped holder does not handle the signal.
    second.signal(Signal::STOP);
    let mut third = lab.qqmgr("console a --force").at_terminal();
    third.shows(ENTERED);
    assert_eq!(second.ends(), 1);
    // A killed holder holds nothing.
    third.signal(Signal::KILL);
    third.ends();
    lab.qqmgr("console a --idle 10ms").run().ok("");
}

#[test]
fn one_that_is_not_yet_attached_is_told_who_took_over() {
    let lab = Lab::running();
    // It waits until QEMU serves it.
    let other = UnixStream::connect(lab.vm_file("a", "serial.socket")).unwrap();
    let mut first = lab.qqmgr("console a --json --until never").in_pipe();
    let lock = lab.vm_file("a", "console.lock");
    let holder = || std::fs::read_to_string(&lock).ok()?.trim().parse::<u32>().ok();
    until("it has the lock", || (holder()? == first.pid()).then_some(()));
    first.signal(Signal::STOP);
    let second = lab.qqmgr("console a --force --until never").in_pipe();
    assert_eq!(first.ends(), 1);
    let said = format!("another qqmgr (pid {}) took over its", second.pid());
    first.shows("{\"error\":{\"code\":\"console_taken\",").shows(&said);
    drop(other);
}

#[test]
fn an_input_that_can_not_be_read() {
    let lab = Lab::running();
    let line = r#""$0" console a </; "$0" --json console a </"#;
    let outcome = lab.program("sh").args(["-c", line, env!("CARGO_BIN_EXE_qqmgr")]).run();
    let said = "can't read \"standard input\": Is a directory";
    outcome.code(1).stderr(&format!("error: {said}\n"));
    let error = &outcome.json()["error"];
    assert_eq!((&error["code"], &error["message"]), (&"file".into(), &said.into()));
}

#[test]
fn ten_at_once_by_force_leave_one() {
    let lab = Lab::running();
    let mut takers: Vec<_> =
        (0..10).map(|_| lab.qqmgr("console a --force").at_terminal()).collect();
    let lives =
        |terminal: &Live| lab.processes().iter().any(|process| process.pid == terminal.pid());
    until("one is left, and attached", || {
        let left: Vec<_> = takers.iter().filter(|taker| lives(taker)).collect();
        (left.len() == 1 && left[0].text().contains(ENTERED)).then_some(())
    });
    let at = takers.iter().position(lives).unwrap();
    let mut winner = takers.swap_remove(at);
    winner.types("\x1d").shows("detached from a");
    assert_eq!(winner.ends(), 0);
}

#[test]
fn a_program_that_is_not_qqmgr_holds_the_socket() {
    let lab = Lab::running();
    let _other = UnixStream::connect(lab.vm_file("a", "serial.socket")).unwrap();
    let started = Instant::now();
    lab.qqmgr("console a --force").run().expect(
        1,
        "",
        "error: VM `a`: its serial port is in use by another program\n\
         hint: close the other client: QEMU serves only one on serial.socket\n",
    );
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn not_running_timeouts_and_a_death() {
    let lab = Lab::running();
    lab.qqmgr("console a --until never --timeout 50ms").run().expect(
        5,
        "",
        "error: VM `a`: the session on its serial port timed out after 50ms\n",
    );
    let answer = lab.qqmgr("console a --json --timeout 50ms --until x").run().code(5).json();
    assert_eq!(answer["error"]["code"], "console_timeout");
    let answer = lab.qqmgr("console a --json --idle 1ms").run().code(0).json();
    assert_eq!(answer, serde_json::json!({"output": "", "ended_by": "idle"}));
    lab.qqmgr("console a --until '('").run().code(2);

    let mut waiting = lab.qqmgr("console a --until never").at_terminal();
    waiting.shows(ENTERED);
    let mut piped = lab.qqmgr("console a --force --until never").in_pipe();
    assert_eq!(waiting.ends(), 1);
    let lock = lab.vm_file("a", "console.lock");
    let holder = || std::fs::read_to_string(&lock).unwrap().trim().parse() == Ok(piped.pid());
    until("it is attached", || holder().then_some(()));
    lab.qqmgr("stop a --force").run().code(0);
    assert_eq!(piped.ends(), 1);
    lab.qqmgr("console a").run().expect(
        4,
        "",
        "error: VM `a` is not running: it was stopped\nhint: start it: qqmgr start a\n",
    );
}
