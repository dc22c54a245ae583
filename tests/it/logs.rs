//! `serial`, `stdout` and `stderr`: the end of a log, and its new output.

use crate::harness::{Lab, NO_GUEST, until, vm};
use rustix::process::Signal;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;

/// Bytes that no terminal may get, and every pipe must.
const DIRTY: &[u8] = b"\x1b[31mred\x1b[m \x1b[2J\x1b]0;title\x07a\tb\xff\r\n\x1b[6nlast";

/// Writes output as if the guest did, into the file where QEMU keeps the log.
fn say(lab: &Lab, text: impl AsRef<[u8]>) {
    let mut log = File::options().append(true).open(lab.vm_file("a", "serial")).unwrap();
    log.write_all(text.as_ref()).unwrap();
}

#[test]
fn never_started() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    for verb in ["serial a", "stdout a -n all", "stderr a -f"] {
        lab.qqmgr(verb).run().expect(
            4,
            "",
            "error: VM `a` has never been started\nhint: start it: qqmgr start a\n",
        );
    }
    let answer = lab.qqmgr("serial a --json").run().code(4).json();
    assert_eq!(answer["error"]["code"], "vm_never_started");
    lab.qqmgr("serial b").run().code(4);
    lab.qqmgr("serial a -n some").run().code(2);
    lab.qqmgr("serial a --retry").run().code(2);
}

#[test]
fn last_lines_of_a_vm_that_has_stopped() {
    let lab = Lab::running();
    lab.qqmgr("serial a").run().ok("");
    let lines: String = (1..=30).map(|n| format!("line {n}\r\n")).collect();
    say(&lab, &lines);
    lab.qqmgr("stop a --force").run().code(0);
    say(&lab, "unfinished");
    let all = lines + "unfinished";
    let last = |count: usize| {
        let lines: Vec<_> = all.split_inclusive('\n').collect();
        lines[lines.len() - count..].concat()
    };
    lab.qqmgr("serial a").run().ok(&last(10));
    lab.qqmgr("serial a -n 2").run().ok("line 30\r\nunfinished");
    lab.qqmgr("serial a -n all").run().ok(&all);
    lab.qqmgr("serial a -n 1000").run().ok(&all);
    lab.qqmgr("serial a -n 0").run().ok("");
    lab.qqmgr("serial a -n 2 --json")
        .run()
        .ok("{\"name\":\"a\",\"file\":\"[DIR]/.qqmgr/vm.a/serial\",\
         \"lines\":[\"line 30\",\"unfinished\"]}\n");
    lab.qqmgr("serial a -f -n 1").run().expect(
        0,
        "unfinished",
        "a: is not running; --retry waits for its start\n",
    );
}

#[test]
fn qemus_own_output() {
    let lab = Lab::new("[vm.a]\nbin = './qemu'\ncmd = []\nssh = { port = 2222 }\n");
    lab.script("qemu", "echo out\necho err >&2\nexit 1");
    lab.qqmgr("start a").run().code(1);
    lab.qqmgr("stdout a").run().ok("out\n");
    lab.qqmgr("stderr a").run().ok("err\n");
    lab.qqmgr("serial a").run().ok("");
}

#[test]
fn the_end_of_a_log_that_is_too_big_to_read() {
    let lab = Lab::running();
    let mut log = File::options().write(true).open(lab.vm_file("a", "serial")).unwrap();
    log.seek(SeekFrom::Start(256 << 30)).unwrap();
    log.write_all(b"\nlast but one\nlast\n").unwrap();
    // The whole file would take minutes.
    lab.qqmgr("serial a -n 2").run().ok("last but one\nlast\n");
}

#[test]
fn a_line_without_an_end_comes_in_pieces() {
    let lab = Lab::running();
    let long = "0123456789abcdef".repeat(9 << 10);
    say(&lab, format!("first\n{long}\r\nlast"));
    let json = lab.qqmgr("serial a -n 2 --json").run().code(0).stderr("").json();
    let lines: Vec<_> = json["lines"].as_array().unwrap().iter().collect();
    let lengths: Vec<_> = lines.iter().map(|line| line.as_str().unwrap().len()).collect();
    assert_eq!(lengths, [64 << 10, 64 << 10, 16 << 10, 4]);
    assert_eq!((lines[0].as_str().unwrap(), lines[3]), (&long[..64 << 10], &"last".into()));
    // A log that may be larger than memory.
    let log = File::options().write(true).open(lab.vm_file("a", "serial")).unwrap();
    log.set_len(300 << 20).unwrap();
    let mut reader = lab.qqmgr("serial a -n 3 --json").in_pipe();
    reader.shows("{\"name\":\"a\",");
    until("much of it was read", || {
        (*lab.positions(reader.pid()).first()? > 20 << 20).then_some(())
    });
    assert!(reader.peak() < 20_000, "{} kB", reader.peak());
}

#[test]
fn exact_in_a_pipe_and_harmless_on_a_terminal() {
    let lab = Lab::running();
    say(&lab, DIRTY);
    assert_eq!(lab.qqmgr("serial a").run().code(0).stdout, DIRTY);
    for verb in ["serial a", "serial a -f"] {
        let mut terminal = lab.qqmgr(verb).at_terminal();
        // The terminal turns `\n` into `\r\n`, so there is one more `\r`.
        terminal.shows("\x1b[31mred\x1b[0m a\tb\u{fffd}\r\r\nlast");
        assert!(!terminal.text().contains("\x1b[2J"));
        if verb == "serial a" {
            assert_eq!(terminal.ends(), 0);
        }
    }
}

#[test]
fn follows_until_the_vm_has_ended() {
    let lab = Lab::running();
    say(&lab, "before\n");
    let mut exact = lab.qqmgr("serial a -f").in_pipe();
    let mut json = lab.qqmgr("serial a -f --json").in_pipe();
    let mut new = lab.qqmgr("serial a -f -n 0").at_terminal();
    exact.shows("before\n");
    json.shows("{\"line\":\"before\"}\n");
    // It prints nothing yet: its position in the file shows that it follows.
    until("it follows", || (lab.positions(new.pid()) == [7]).then_some(()));
    say(&lab, "half a ");
    exact.shows("half a ");
    say(&lab, "line\r\n\x1b[2Jrest");
    exact.shows("line\r\n\x1b[2Jrest");
    json.shows("{\"line\":\"half a line\"}\n");
    lab.qqmgr("stop a --force").run().code(0);
    assert_eq!(exact.ends(), 0);
    assert_eq!(exact.text(), "before\nhalf a line\r\n\x1b[2Jrest");
    json.shows("{\"line\":\"\\u001b[2Jrest\"}\n");
    assert_eq!(json.ends(), 0);
    new.shows("line\r\r\nrest").shows("a: ended\r\n");
    assert_eq!(new.ends(), 0);
}

#[test]
fn a_followed_line_without_an_end_comes_in_pieces() {
    let lab = Lab::running();
    let mut json = lab.qqmgr("serial a -f --json").in_pipe();
    let long = "0123456789abcdef".repeat(32 << 10);
    say(&lab, &long);
    json.shows("{\"line\":\"0123456789abcdef").shows("{\"line\":\"0123456789abcdef");
    say(&lab, "\nend\n");
    json.shows("{\"line\":\"end\"}\n");
    let text = json.text();
    let longest = text.lines().map(str::len).max().unwrap();
    assert!(longest < 160 << 10, "{longest}");
    let line = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let lines = text.lines().map(|text| line(text)["line"].as_str().unwrap().to_owned());
    assert_eq!(lines.collect::<String>(), long + "end");
}

#[test]
fn follows_through_all_boots_even_from_before_the_first() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    let mut all = lab.qqmgr("serial a -f --retry").in_pipe();
    for boot in ["first", "second", "third"] {
        lab.qqmgr("start a").run().code(0);
        say(&lab, format!("{boot} boot"));
        // The second log is followed to its end, although this does not wait for its output.
        match boot {
            "second" => until("it follows", || lab.positions(all.pid()).first().map(drop)),
            _ => drop(all.shows(&format!("{boot} boot"))),
        }
        say(&lab, "\n");
        lab.qqmgr("stop a --force").run().code(0);
    }
    say(&lab, "epilogue");
    all.shows("epilogue");
    assert_eq!(all.text(), "first boot\nsecond boot\nthird boot\nepilogue");
    all.signal(Signal::TERM);
    assert_eq!(all.ends(), 143);
}

#[test]
fn an_end_under_the_vms_lock_may_be_a_restart() {
    let lab = Lab::running();
    let mut follower = lab.qqmgr("serial a -f").in_pipe();
    say(&lab, "one\n");
    follower.shows("one\n");
    let lock = File::open(lab.vm_file("a", "lock")).unwrap();
    lock.lock().unwrap();
    let pid = lab.qemus()[0].try_into().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    // The holder of the lock may start it again, so the follower waits for the lock.
    let waits = format!(" {} ", follower.pid());
    let waiting = |line: &str| line.contains("-> FLOCK") && line.contains(&waits);
    let locks = || std::fs::read_to_string("/proc/locks").unwrap();
    until("it waits for the lock", || locks().lines().any(waiting).then_some(()));
    drop(lock);
    assert_eq!(follower.ends(), 0);
}

#[test]
fn a_log_that_is_truncated_by_hand() {
    let lab = Lab::running();
    say(&lab, "long line\n");
    let mut follower = lab.qqmgr("serial a -f").in_pipe();
    follower.shows("long line\n");
    let log = File::options().write(true).open(lab.vm_file("a", "serial")).unwrap();
    log.set_len(0).unwrap();
    say(&lab, "new\n");
    follower.shows("new\n");
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let lab = Lab::running();
    say(&lab, "line\n".repeat(200_000));
    let qqmgr = env!("CARGO_BIN_EXE_qqmgr");
    for args in ["serial a -n all", "serial a -f", "serial a -f --json", "serial a -n 3 --json"] {
        let script = format!("set -o pipefail; {qqmgr} {args} | head -c 4");
        let outcome = lab.program("bash").args(["-c", &script]).run();
        outcome.stderr("").code(0);
        assert_eq!(outcome.stdout.len(), 4);
    }
}

#[test]
fn a_serial_log_that_must_not_grow() {
    let limited = vm("a", NO_GUEST) + "serial_limit = '64K'\n";
    let lab = Lab::new(&limited);
    lab.qqmgr("start a").run().code(0);
    let path = lab.vm_file("a", "serial");
    let lines: Vec<_> = (0..100_000).map(|number| format!("line {number}\n")).collect();
    say(&lab, lines.concat());
    let used = || path.metadata().unwrap().blocks() * 512;
    until("it is small", || (used() <= 100 << 10).then_some(()));
    assert_eq!(path.metadata().unwrap().len(), lines.concat().len() as u64);

    let text = lab.qqmgr("serial a -n all").run().code(0).text();
    let kept: Vec<_> = text.split_inclusive('\n').collect();
    assert_eq!(kept, lines[lines.len() - kept.len()..]);
    assert!(text.len() > 50 << 10, "{}", text.len());
    lab.qqmgr("wait a --for 'serial:^line 99999$'").run().code(0);

    lab.qqmgr("stop a --force").run().code(0);
    until("its helper ends", || lab.processes().is_empty().then_some(()));
}
