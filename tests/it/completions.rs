//! Completion scripts: VM names come from the config.

use crate::harness::{Lab, guest_vm, vm};

/// What bash offers for the last word of `line`.
fn bash(lab: &Lab, line: &str) -> Vec<String> {
    let bin = std::path::Path::new(env!("CARGO_BIN_EXE_qqmgr")).parent().unwrap();
    let script = r#"
        PATH=$1:$PATH
        source <(qqmgr completions bash) || exit
        function=$(complete -p qqmgr | sed 's/.* -F \([^ ]*\).*/\1/')
        read -ra COMP_WORDS <<< "$2"
        [[ $2 == *' ' ]] && COMP_WORDS+=('')
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$2 COMP_POINT=${#2} COMP_TYPE=9
        $function qqmgr "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let outcome =
        lab.program("bash").args(["-c", script, "bash", bin.to_str().unwrap(), line]).run();
    let text = outcome.code(0).stderr("").text();
    text.lines().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
}

#[test]
fn bash_completes_verbs_and_vm_names() {
    let lab = Lab::new(&(vm("web-1", "") + &vm("web-2", "") + &vm("db", "")));
    lab.write("other.toml", vm("elsewhere", ""));
    assert_eq!(bash(&lab, "qqmgr sta"), ["start", "status"]);
    for verb in ["start", "stop", "status", "ssh", "put", "get"] {
        assert_eq!(bash(&lab, &format!("qqmgr {verb} w")), ["web-1", "web-2"], "{verb}");
        assert_eq!(bash(&lab, &format!("qqmgr {verb} d")), ["db"], "{verb}");
    }
    assert_eq!(bash(&lab, "qqmgr -c other.toml start e"), ["elsewhere"]);
    assert_eq!(bash(&lab, "qqmgr --config=other.toml start e"), ["elsewhere"]);
    assert_eq!(bash(&lab, "qqmgr start web-1 --dry"), ["--dry-run"]);
}

#[test]
fn options_come_after_a_dash() {
    let lab = Lab::new(&(vm("web-1", "") + &vm("web-2", "")));
    assert_eq!(bash(&lab, "qqmgr start "), ["web-1", "web-2"]);
    let verbs = bash(&lab, "qqmgr ");
    assert!(verbs.contains(&"start".to_owned()) && verbs.iter().all(|verb| !verb.starts_with('-')));
    let options = bash(&lab, "qqmgr start -");
    assert!(options.contains(&"--ttl".to_owned()), "{options:?}");
    assert!(options.iter().all(|option| option.starts_with('-')), "{options:?}");
}

#[test]
fn values_of_options_and_arguments() {
    let lab = Lab::new(&vm("a", ""));
    lab.write("big.img", "");
    let forms = ["event:", "file:", "paused", "port:", "running", "serial:", "ssh", "stopped"];
    for line in ["wait a --for ", "wait a --fail-on ", "start a --for "] {
        assert_eq!(bash(&lab, &format!("qqmgr {line}")), forms, "{line}");
    }
    assert_eq!(bash(&lab, "qqmgr wait a --for se"), ["serial:"]);
    assert_eq!(bash(&lab, "qqmgr timeline a --max "), ["qmp=", "serial=", "kernel=", "ssh="]);
    assert_eq!(bash(&lab, "qqmgr run a --put bi"), ["big.img"]);
    assert_eq!(bash(&lab, "qqmgr put a bi"), ["big.img"]);
    assert_eq!(bash(&lab, "qqmgr man ssh"), ["ssh", "ssh-config"]);
    // In fish, since bash splits the word at the colon.
    let ask = ["--", "qqmgr", "run", "a", "--get", "/var/log:bi"];
    let asked = lab.qqmgr("").args(ask).env("QQMGR_COMPLETE", "fish").run();
    asked.ok("/var/log:big.img\n");
}

#[test]
fn paths_in_a_guest_where_a_connection_is_shared() {
    let lab = Lab::new(&guest_vm("a"));
    lab.write("etc-here", "");
    lab.qqmgr("start a").run().code(0);
    // There is no shared connection yet, and a completion does not log in.
    assert_eq!(bash(&lab, "qqmgr get a /et"), [""; 0]);
    lab.qqmgr("wait a --for ssh").run().code(0);
    lab.qqmgr("ssh a 'mkdir -p \"/tmp/x y\" /tmp/it; touch \"/tmp/x y/f\"'").run().ok("");
    assert_eq!(bash(&lab, "qqmgr get a /tm"), ["/tmp/"]);
    assert_eq!(bash(&lab, "qqmgr get a /tmp/i"), ["/tmp/it/"]);
    assert_eq!(bash(&lab, "qqmgr get a /tmp/x et"), ["etc-here"]);
    let ask = ["--", "qqmgr", "wait", "a", "--for", "file:/tmp/x y/"];
    let asked = lab.qqmgr("").args(ask).env("QQMGR_COMPLETE", "fish").run();
    asked.ok("file:/tmp/x y/f\n");
    lab.qqmgr("kill a").run().code(0);
}

/// Interactive shells, with keys.
#[test]
fn zsh_and_bash_complete_at_a_terminal() {
    let lab = Lab::new(&(vm("web-1", "") + &vm("web-2", "") + &vm("db", "")));
    let bin = std::path::Path::new(env!("CARGO_BIN_EXE_qqmgr")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", bin.display());
    let zsh = "autoload -U compinit && compinit -u -D && source <(qqmgr completions zsh)";
    let bash = "bind 'set bell-style none'; source <(qqmgr completions bash)";
    // As `make install` does: zsh loads the file at the first key.
    lab.write("functions/_qqmgr", lab.qqmgr("completions zsh").run().text());
    let installed = "fpath=($PWD/functions $fpath); autoload -U compinit && compinit -u -D";
    for (program, args, setup) in [
        ("zsh", "-f -i", zsh),
        ("zsh", "-f -i", installed),
        ("bash", "--norc --noprofile -i", bash),
    ] {
        let run = lab.program(program).args(args.split(' ')).env("PATH", &path).env("TERM", "dumb");
        let mut shell = run.at_terminal();
        shell.types(&format!("{setup} && echo rea''dy\n")).shows("ready");
        shell.types("qqmgr status d\t\n").shows("db: stopped");
        // No space follows a word that is not finished.
        shell.types("qqmgr wait db --for por\t0\n").shows("invalid value 'port:0'");
        shell.types("qqmgr timeline db --max ss\t5x\n").shows("invalid value 'ssh=5x'");
        shell.types("qqmgr start \t\t").shows("web-2");
        shell.types("\u{15}exit\n").ends();
        assert!(!shell.text().contains("--dry-run"), "{}", shell.text());
    }
}

#[test]
fn a_wrong_config_completes_nothing_and_says_nothing() {
    let lab = Lab::new("[vm");
    assert_eq!(bash(&lab, "qqmgr start w"), [""; 0]);
}

#[test]
fn every_shell_has_a_script() {
    let lab = Lab::empty();
    for (shell, sign) in [("bash", "complete "), ("zsh", "compdef "), ("fish", "complete ")] {
        let script = lab.qqmgr(&format!("completions {shell}")).run().code(0).stderr("").text();
        assert!(script.contains(sign) && script.contains("QQMGR_COMPLETE"), "{script}");
    }
    let script = lab.qqmgr("completions fish").run().text();
    let json = lab.qqmgr("--json completions fish").run().code(0).json();
    assert_eq!(json, serde_json::json!({ "shell": "fish", "script": script }));
    lab.qqmgr("completions tcsh").run().code(2).stdout("");
}
