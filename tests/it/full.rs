//! Standard output on a full device: no verb succeeds when what it has to say is lost.

use crate::events::Qmp;
use crate::harness::{Lab, NO_GUEST, Outcome, until, vm};
use std::path::Path;

const LOST: &str = "error: can't write to standard output: No space left on device\n";

/// What tells something of `a`, which runs, or `b`, which doesn't, and how it ends when it can't.
const LINES: [(&str, i32); 33] = [
    ("--help", 1),
    ("--version", 1),
    ("help start", 1),
    ("list", 1),
    ("status a", 1),
    ("status b --exit-code", 4),
    ("serial a -n all", 1),
    ("serial a -f", 1),
    ("stdout a -n all", 1),
    ("stderr a -n all", 1),
    ("monitor a", 1),
    ("monitor a info status", 1),
    ("timeline a", 1),
    ("wait a --for running", 1),
    ("check b", 1),
    ("ssh-config a", 1),
    ("gdb a --guest --print", 1),
    ("-c new.toml init", 1),
    ("completions bash", 1),
    ("man pages", 1),
    ("events a --count 1", 1),
    ("console a --until SeaBIOS", 1),
    ("run b -- true", 125),
    ("ssh a true", 125),
    ("put a qqmgr.toml /", 125),
    ("get a /x x", 125),
    ("start a --dry-run", 1),
    ("start a", 1),
    ("start a b", 1),
    ("restart a --reset", 1),
    ("kill b", 1),
    ("stop a --force", 1),
    ("gc", 1),
];

/// They tell something of their own only with `--json`.
const JSON_ALONE: [&str; 5] = ["run", "ssh", "put", "get", "man"];

/// They have no JSON.
const TEXT_ALONE: [&str; 3] = ["--help", "--version", "help"];

/// A VM that runs, whose logs hold something, and an OpenSSH that succeeds at anything.
fn lab() -> Lab {
    let firmware_speaks = NO_GUEST.replace("q35", "q35,graphics=off");
    let lab = Lab::new(&(vm("a", &firmware_speaks) + &vm("b", NO_GUEST)));
    for tool in ["ssh", "scp"] {
        lab.script(format!("bin/{tool}"), "");
    }
    lab.qqmgr("start a").run().code(0);
    for log in ["serial", "stdout", "stderr"] {
        std::fs::write(lab.vm_file("a", log), "said\n").unwrap();
    }
    lab
}

/// Runs it, with standard output full and the guest's firmware speaking now and then.
fn told_in_vain(lab: &Lab, line: &str) -> Outcome {
    let bin = Path::new(env!("CARGO_BIN_EXE_qqmgr"));
    let tools =
        [lab.path("bin").as_path(), Path::new("/usr/bin"), Path::new("/bin")].map(Path::to_owned);
    let path = std::env::join_paths(tools).unwrap();
    let script = format!("exec \"$0\" {line} >/dev/full");
    let run = lab.program("sh").env("PATH", path).args(["-c", &script, bin.to_str().unwrap()]);
    if !["events", "console"].iter().any(|verb| line.contains(verb)) {
        return run.stdin("info status\n").run();
    }
    // Each reset has the firmware speak, which is waited for: a machine that does nothing but
    // reset has no time to answer anybody.
    let spoken = || std::fs::metadata(lab.vm_file("a", "serial")).unwrap().len();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| run.run());
        while !running.is_finished() {
            let before = spoken();
            Qmp::open(lab).run(&["system_reset"]);
            until("the firmware speaks", || {
                (spoken() != before || running.is_finished()).then_some(())
            });
        }
        running.join().unwrap()
    })
}

#[test]
fn every_verb_fails_when_its_results_are_lost() {
    for json in [false, true] {
        let lab = lab();
        for (line, code) in LINES {
            let verb = line.trim_start_matches("-c new.toml ").split(' ').next().unwrap();
            let other: &[_] = if json { &TEXT_ALONE } else { &JSON_ALONE };
            if !other.contains(&verb) {
                let line = format!("{}{line}", if json { "--json " } else { "" });
                told_in_vain(&lab, &line).expect(code, "", LOST);
            }
        }
    }
}

#[test]
fn what_a_get_writes_itself() {
    let lab = lab();
    lab.script("bin/ssh", "echo got\nexec sleep 1000");
    told_in_vain(&lab, "get a /x -").expect(125, "", LOST);
    lab.script("bin/ssh", "echo got");
    told_in_vain(&lab, "get a /x -").expect(125, "", LOST);
    let path = std::env::join_paths([lab.path("bin"), "/usr/bin".into(), "/bin".into()]).unwrap();
    lab.qqmgr("get a /x -").env("PATH", path).run().ok("got\n");
}

#[test]
fn the_table_has_every_verb() {
    let help = Lab::empty().qqmgr("--help").run().code(0).text();
    let (verbs, _) = help.split_once("\nOptions:\n").unwrap();
    let verbs = verbs.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let missing = |verb: &&str| !LINES.iter().any(|(line, _)| line.split(' ').any(|w| w == *verb));
    let missing: Vec<_> = verbs.filter(missing).collect();
    assert_eq!(missing, [""; 0]);
}
