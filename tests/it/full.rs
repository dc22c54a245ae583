//! Standard output on a full device: no verb succeeds if its output is lost.

use crate::events::Qmp;
use crate::harness::{Lab, NO_GUEST, Outcome, until, vm};
use std::path::Path;

const LOST: &str = "error: can't write to standard output: No space left on device\n";

/// Commands that print something about `a`, which is running, or `b`, which is not; and their exit
/// codes when they can't.
const LINES: [(&str, i32); 45] = [
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
    ("qmp a query-status", 1),
    ("blocks a", 1),
    ("device list a", 1),
    ("throttle a d0", 1),
    ("insert a cd null-co:// --format raw", 1),
    ("eject a cd", 1),
    ("screenshot a screen.png", 1),
    ("sendkey a a", 1),
    ("type a a", 1),
    ("pause a", 1),
    ("resume a", 1),
    ("-c new.toml init", 1),
    ("completions bash", 1),
    ("man start", 1),
    ("schema", 1),
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

/// These print something of their own only with `--json`.
const JSON_ALONE: [&str; 4] = ["run", "ssh", "put", "get"];

/// These have no JSON.
const TEXT_ALONE: [&str; 3] = ["--help", "--version", "help"];

/// A running VM with output in its logs, and an OpenSSH that always succeeds.
fn lab() -> Lab {
    let firmware_speaks = NO_GUEST.replace("q35", "q35,graphics=off");
    let firmware_speaks = format!(
        "{firmware_speaks} -drive if=none,id=d0,driver=null-co \
                                   -device virtio-scsi-pci -device scsi-cd,id=cd -device VGA,romfile="
    );
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

/// Runs a command with standard output full, while the guest's firmware prints now and then.
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
    // After each reset the firmware prints, and this waits for that: a machine that only resets has
    // no time to answer.
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
    let (verbs, _) = help.split_once("\nGlobal options:\n").unwrap();
    let verbs = verbs.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let missing = |verb: &&str| !LINES.iter().any(|(line, _)| line.split(' ').any(|w| w == *verb));
    let missing: Vec<_> = verbs.filter(missing).collect();
    assert_eq!(missing, [""; 0]);
}
