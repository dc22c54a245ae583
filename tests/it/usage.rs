//! The command line itself: help, mistakes, pipes.

use crate::harness::{Lab, NO_GUEST, vm};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

#[test]
fn help_and_version_are_results() {
    let lab = Lab::empty();
    let version = format!("qqmgr {}\n", env!("CARGO_PKG_VERSION"));
    lab.qqmgr("--version").run().ok(&version);
    let help = lab.qqmgr("--help").run().code(0).stderr("").text();
    for verb in ["start", "stop", "status", "list", "ssh", "put", "get", "check", "init"] {
        assert!(help.contains(&format!("\n  {verb} ")), "{help}");
        let own = lab.qqmgr(&format!("{verb} --help")).run();
        assert!(own.code(0).stderr("").text().contains("Examples:"), "{own}");
    }
}

#[test]
fn mistakes_are_exit_code_2() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.qqmgr("").run().code(2).stdout("");
    lab.qqmgr("strat a").run().code(2).stdout("");
    lab.qqmgr("start").run().code(2).stdout("");
    lab.qqmgr("start a --timeout never").run().code(2).stdout("");
    lab.qqmgr("start a --wait --dry-run").run().code(2).stdout("");
    lab.qqmgr("put a only-one").run().code(2).stdout("");
    lab.qqmgr("--json completion bash").run().expect(
        2,
        "{\"error\":{\"code\":\"usage\",\"message\":\"unrecognized subcommand 'completion'\",\
         \"hint\":\"a similar subcommand exists: 'completions'\",\"location\":null}}\n",
        "",
    );
    for time in ["500ms", "20s", "2m", "1.5", "0"] {
        lab.qqmgr(&format!("stop a --timeout {time}")).run().ok("a: is not running\n");
    }
}

#[test]
fn the_words_of_another_program_come_after_dashes() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.qqmgr("run a uname -r").run().expect(
        2,
        "",
        "error: unexpected argument 'uname' found\n\n  tip: put `--` before COMMAND: `-- uname`\n\n\
         Usage: qqmgr run [OPTIONS] <VM> [-- <COMMAND>...]\n\n\
         For more information, try '--help'.\n",
    );
    for (line, hint) in [
        ("run a uname", "put `--` before COMMAND: `-- uname`"),
        ("gdb a vmlinux", "put `--` before GDB ARGS: `-- vmlinux`"),
        ("run a --tiemout 5s", "a similar argument exists: '--timeout'"),
        ("start a -s", "to pass '-s' as a value, use '-- -s'"),
        ("console a b", "see `qqmgr --help`"),
    ] {
        let json = lab.qqmgr(&format!("--json {line}")).run().code(2).stderr("").json();
        assert_eq!(json["error"]["hint"], hint, "{json}");
    }
}

#[test]
fn quiet_leaves_errors() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.write(".qqmgr/vm.a/serial", "said\n");
    let note = "a: is not running; --retry waits for its start\n";
    lab.qqmgr("serial a -f").run().expect(0, "said\n", note);
    for line in ["-q serial a -f", "serial a -f --quiet"] {
        lab.qqmgr(line).run().expect(0, "said\n", "");
    }
    lab.qqmgr("-q stop a").run().ok("a: is not running\n");
    for line in ["status nope", "strat", "ssh a true"] {
        let told = lab.qqmgr(line).run();
        let quiet = lab.qqmgr(&format!("-q {line}")).run();
        assert_eq!(quiet.code(told.code).stdout("").stderr, told.stderr, "{quiet}");
    }
}

#[test]
fn arguments_need_not_be_text() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    let no_text = || OsString::from_vec(b"\xff".into());
    for line in ["", "start", "run a", "wait a --for"] {
        let outcome = lab.qqmgr(line).args([no_text()]).run();
        let stderr = String::from_utf8_lossy(&outcome.stderr).into_owned();
        assert!(outcome.code(2).stdout("").stderr.starts_with(b"error: "), "{stderr}");
    }
    let json = lab.qqmgr("--json start").args([no_text()]).run().code(2).stderr("").json();
    assert_eq!(json["error"]["code"], "usage");
    // Files and the guest's commands are bytes, not text.
    for line in ["ssh a", "put a x", "get a x", "run b --", "run b --put"] {
        let word = OsString::from_vec(b"\xff:\xff".into());
        lab.qqmgr(line).args([word]).run().code(125).stdout("");
    }
}

#[test]
fn durations() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    for time in ["1x", "1y", "9000h", &"9".repeat(400)] {
        lab.qqmgr(&format!("stop a --timeout {time}")).run().expect(
            2,
            "",
            &format!(
                "error: invalid value '{time}' for '--timeout <TIME>': `{time}` is not a duration of up \
                 to 8784h: write 500ms, 20s, 1h30m, 2d or plain seconds\n\n\
                 For more information, try '--help'.\n"
            ),
        );
    }
    for time in ["8784h", "366d", "1h30m", "1h 30m", "2d", "0.5m", "5"] {
        lab.qqmgr("stop a --timeout").args([time]).run().ok("a: is not running\n");
    }
}

#[test]
fn the_help_groups_its_verbs() {
    let lab = Lab::empty();
    let help = lab.qqmgr("--help").run().code(0).text();
    let titles = [
        "\nRun VMs:\n",
        "\nSee:\n",
        "\nReach:\n",
        "\nDrive:\n",
        "\nSet up:\n",
        "\nGlobal options:\n",
    ];
    let places: Vec<_> = titles.iter().map(|title| help.find(title).unwrap()).collect();
    assert!(places.is_sorted(), "{help}");
    assert!(help.lines().all(|line| line.len() <= 100), "{help}");
    // A comment on arguments that several verbs share would take the place of their own.
    let verbs = help.lines().filter_map(|line| line.strip_prefix("  ")?.split_once("  "));
    let told: Vec<_> = verbs.map(|(_, about)| about.trim()).collect();
    assert!(
        told.iter().all(|about| told.iter().filter(|other| other == &about).count() == 1),
        "{help}"
    );
}

#[test]
fn the_help_of_every_verb_has_one_layout() {
    let lab = Lab::empty();
    let end = "\nGlobal options:\n  \
        -c, --config <FILE>  The config file [default: $QQMGR_CONFIG, else the nearest qqmgr.toml in this\n                       \
                             directory or a parent, else the user's own]\n      \
            --json           Print one JSON document instead of text; a stream prints one per line\n  \
        -q, --quiet          Print only errors: no notes, no progress\n  \
        -h, --help           Print help\n\nExamples:\n";
    // Verbs with and without a long description, and one without its own options.
    for (verb, options) in [("start", true), ("kill", true), ("gc", false), ("stop", true)] {
        let help = lab.qqmgr(&format!("help {verb}")).run().code(0).stderr("").text();
        assert!(help.contains(end), "{help}");
        assert_eq!(help.contains("\nOptions:\n      --"), options, "{help}");
        for option in ["-h", "--help"] {
            lab.qqmgr(&format!("{verb} {option}")).run().ok(&help);
        }
    }
    let help = lab.qqmgr("stop -h").run().text();
    assert!(help.contains("Asks the guest to power down (ACPI)"), "{help}");
    let help = lab.qqmgr("list --help").run().text();
    assert!(help.contains("`qqmgr ls` is the same."), "{help}");
}

#[test]
fn mistakes_say_what_to_write() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.qqmgr("ps").run().expect(
        2,
        "",
        "error: unrecognized subcommand 'ps'\n\n  tip: use `qqmgr list`\n\n\
         Usage: qqmgr [OPTIONS] <COMMAND>\n\nFor more information, try '--help'.\n",
    );
    let all = "`--all` means every VM of the config: leave out `--all` or the names";
    for (line, hint) in [
        ("up", "use `qqmgr start VM`"),
        ("down", "use `qqmgr stop VM`"),
        ("halt", "use `qqmgr stop VM`"),
        ("reboot", "use `qqmgr restart VM`"),
        ("rm a", "`qqmgr kill VM` ends it, `qqmgr gc` cleans up; the config defines it"),
        ("logs a", "use `qqmgr serial VM`"),
        ("exec a ls", "use `qqmgr ssh VM COMMAND`"),
        ("shell a", "use `qqmgr ssh VM`"),
        ("cp x a:/", "use `qqmgr put VM LOCAL REMOTE` or `qqmgr get VM REMOTE LOCAL`"),
        ("images", "`qqmgr check` checks the images in a VM's `cmd`"),
        ("stop", "name the VMs, or use all: `qqmgr stop --all`"),
        ("ssh-config", "name the VMs, or use all: `qqmgr ssh-config --all`"),
        ("restart", "name the VMs, or use all: `qqmgr restart --all`"),
        ("pause", "name the VMs, or use all: `qqmgr pause --all`"),
        ("ssh", "name a VM: `qqmgr list` shows them"),
        ("wait a ssh", "use `--for ssh`"),
        ("wait a serial:x", "use `--for serial:x`"),
        ("wait a", "add a condition, such as `--for ssh`"),
        ("start --all nope", all),
        ("start nope --all", all),
    ] {
        let json = lab.qqmgr(&format!("--json {line}")).run().code(2).stderr("").json();
        assert_eq!((line, &json["error"]["hint"]), (line, &hint.into()), "{json}");
    }
    assert_eq!(lab.qqmgr("ls").run().text(), lab.qqmgr("list").run().text());
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let config: String = (0..1000).map(|number| vm(&format!("vm-{number}"), "")).collect();
    let lab = Lab::new(&config);
    let binary = env!("CARGO_BIN_EXE_qqmgr");
    let line = format!("set -o pipefail; {binary} list --json | head -c 10");
    lab.program("bash").args(["-c", &line]).run().expect(0, "[{\"name\":\"", "");
}
