//! `start --dry-run`: how it splits and expands `cmd`, word by word.

use crate::harness::Lab;
use serde_json::json;

/// The user's own words: those before the arguments that qqmgr adds.
#[track_caller]
fn words_of(config: &str, env: &[(&str, &str)]) -> serde_json::Value {
    let lab = Lab::new(config);
    let run = lab.qqmgr("start a --dry-run --json");
    let run = env.iter().fold(run, |run, (name, value)| run.env(name, value));
    let outcome = run.run();
    let words = outcome.code(0).stderr("").json();
    let dir = lab.path("").display().to_string();
    let words = words.as_array().unwrap().iter().map(|word| word.as_str().unwrap());
    let words = words.map(|word| word.replace(dir.trim_end_matches('/'), "[DIR]"));
    json!(words.take_while(|word| word != "-pidfile").collect::<Vec<_>>())
}

#[test]
fn variables_of_every_kind() {
    let words = words_of(
        r#"
[qemu]
bin = "{{.tools}}/qemu"
[vars]
tools = "/opt/{{.versions.qemu}}"
text = "plain"
integer = 0x10
float = 1.50
yes = true
deep = "{{.vm.mine}}"
"dotted-key" = "d"
[vars.versions]
qemu = "q-{{.text}}"
"a-b" = "dash"
[vars.versions.more]
last = "end"
[vm.a]
cmd = [
    "{{.text}} {{ .integer }} {{.float}} {{.yes}}",
    "{{.versions.qemu}} {{index .versions \"a-b\"}} {{index . \"dotted-key\"}}",
    "{{.versions.more.last}} {{index .versions \"more\" \"last\"}}",
    "{{.deep}} {{.env.QQMGR_TEST}} {{.env.HOME}}",
    "{{.vm.name}} {{.vm.dir}} {{.vm.ssh.port}}:{{.vm.ssh.vm_port}} {{.config_dir}}",
]
[vm.a.vars]
mine = "{{.vm.table.own}}/x"
table = { own = "{{.vm.name}}" }
[vm.a.ssh]
port = 0x8AE
vm_port = 2200
"#,
        &[("QQMGR_TEST", "of env")],
    );
    assert_eq!(
        words,
        json!([
            "/opt/q-plain/qemu",
            "plain",
            "0x10",
            "1.50",
            "true",
            "q-plain",
            "dash",
            "d",
            "end",
            "end",
            "a/x",
            "of",
            "env",
            "[DIR]/home",
            "a",
            "[DIR]/.qqmgr/vm.a",
            "2222:2200",
            "[DIR]",
        ])
    );
}

#[test]
fn splitting_is_a_shells_and_variables_never_split_a_word() {
    let words = words_of(
        r##"
[vars]
disk = "/with space/it's.img"
base = "-machine q35 -cpu 'max x'"
outer = "{{.base}} -m 1"
empty = ""
[vm.a]
cmd = [
    "{{.base}}",
    "  {{.outer}}  {{.empty}} end",
    "-drive file={{.disk}},if=virtio",
    "\"{{.base}}\" '{{.disk}}'",
    "a\\ b 'c \"d' \"e 'f\\\"\" '' #no-comment $HOME *",
    '''-blockdev '{"driver":"qcow2","file":{"driver":"file","filename":"{{.disk}}"}}' ''',
    '''-device {"driver":"nvme","x":{}}''',
    ["exact words", "-append", "root={{.disk}} 'quoted'", "{{.base}}", ""],
    "",
]
ssh = { port = 22 }
"##,
        &[],
    );
    assert_eq!(
        words,
        json!([
            "qemu-system-x86_64",
            "-machine",
            "q35",
            "-cpu",
            "max x",
            "-machine",
            "q35",
            "-cpu",
            "max x",
            "-m",
            "1",
            "end",
            "-drive",
            "file=/with space/it's.img,if=virtio",
            "-machine q35 -cpu 'max x'",
            "/with space/it's.img",
            "a b",
            "c \"d",
            "e 'f\"",
            "",
            "#no-comment",
            "$HOME",
            "*",
            "-blockdev",
            "{\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\",\"filename\":\"/with space/it's.img\"}}",
            "-device",
            "{driver:nvme,x:{}}",
            "exact words",
            "-append",
            "root=/with space/it's.img 'quoted'",
            "-machine q35 -cpu 'max x'",
            "",
        ])
    );
}

const COMMAS: &str =
    "[vm.a]\nbin = 'q'\ncmd = ['-m 1']\nssh = { port = 1 }\nenv = { A = 'x y', B = 2 }\n";

#[test]
fn what_is_added_and_how_it_is_quoted() {
    let lab = Lab::new(COMMAS);
    lab.qqmgr("start a --dry-run -- -name 'it is' -S").run().ok(
        "A='x y' B=2 q -m 1 -pidfile [DIR]/.qqmgr/vm.a/pid \
         -monitor 'unix:[DIR]/.qqmgr/vm.a/monitor.socket,server=on,wait=off' \
         -qmp 'unix:[DIR]/.qqmgr/vm.a/qmp.socket,server=on,wait=off' \
         -chardev 'socket,id=qqmgr-serial,path=[DIR]/.qqmgr/vm.a/serial.socket,server=on,wait=off,\
         logfile=[DIR]/.qqmgr/vm.a/serial' -serial chardev:qqmgr-serial \
         -chardev 'pipe,id=qqmgr-events,path=[DIR]/.qqmgr/vm.a/events' \
         -mon 'chardev=qqmgr-events,mode=control' -name 'it is' -S\n",
    );
    lab.qqmgr("start a --dry-run -- --serial stdio").run().expect(
        2,
        "",
        "error: qqmgr sets `--serial` itself\n\
         hint: the first serial port's output is in {{.vm.dir}}/serial; to add another, use -chardev with -device\n",
    );
    lab.write("a,b/qqmgr.toml", COMMAS);
    let words = lab.qqmgr("start a --dry-run --json").cwd("a,b").run().code(0).json();
    let words: Vec<_> = words.as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
    assert!(words[4].ends_with("/a,b/.qqmgr/vm.a/pid"), "{words:?}");
    assert!(words[6].ends_with("/a,,b/.qqmgr/vm.a/monitor.socket,server=on,wait=off"), "{words:?}");
}

#[test]
fn control_characters_can_be_pasted() {
    let words = r#"["a\u0001\u001b[31m\u007f\u0085\r'\\ $x 1", "it's\n\t"]"#;
    let lab = Lab::new(&format!(
        "[vm.a]\nbin = 'q'\ncmd = [{words}]\nssh = {{ port = 1 }}\nenv = {{ A = \"\\b\", B = 2 }}\n"
    ));
    let line = lab.qqmgr("start a --dry-run").run().code(0).stderr("").text();
    let start = r"A=$'\010' B=2 q $'a\001\033[31m\177\302\205\015\'\\ $x 1' ";
    assert!(line.starts_with(start), "{line}");
    let pasted = lab.program("bash").args(["-c", &format!("printf '%s\\0' {line}")]).run();
    let pasted = pasted.code(0).stderr("").text();
    let words = lab.qqmgr("start a --dry-run --json").run().code(0).json();
    let words: Vec<_> = words.as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
    let pasted: Vec<_> = pasted.trim_end_matches('\0').split('\0').collect();
    assert_eq!(pasted[..2], ["A=\u{8}", "B=2"]);
    assert_eq!(pasted[2..], words);
}

#[test]
fn elsewhere_the_working_directory_is_told() {
    let lab = Lab::new(COMMAS);
    lab.write("sub/file", "");
    let outcome = lab.qqmgr("start a --dry-run").cwd("sub").run();
    outcome.code(0).stderr("note: QEMU's working directory is [DIR]\n");
}

#[test]
fn a_pasted_command_line_is_a_vm_that_qqmgr_sees() {
    let lab = Lab::new(&crate::harness::vm("a", crate::harness::NO_GUEST));
    let line = lab.qqmgr("start a --dry-run").run().code(0).stderr("").text();
    let mut shell = lab.program("sh").args(["-c", &format!("exec {line}")]).spawn();
    let state = crate::harness::until("the pasted VM runs", || {
        let outcome = lab.qqmgr("status a --json").run();
        (outcome.code == 0).then(|| outcome.json()).filter(|status| status["state"] == "running")
    });
    assert_eq!(state["pid"], shell.id());
    lab.qqmgr("start a").run().ok("a: is already running (pid [PID]), SSH on port [PORT]\n");
    lab.qqmgr("stop a --force").run().ok("a: stopped (pid [PID]) after [SECONDS]: QMP quit\n");
    assert!(shell.wait().unwrap().success());
}
