//! Completion scripts: VM names come from the config.

use crate::harness::{Lab, vm};

/// What bash would offer for the last word of `line`.
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
