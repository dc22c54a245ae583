//! Messages about a wrong config file: every error at once, each with its place.

mod found;
mod variables;

use crate::harness::{Lab, vm};

fn one_vm() -> String {
    vm("a", "-m 64")
}

#[test]
fn all_that_is_wrong_with_the_structure() {
    let lab = Lab::new(include_str!("structure.toml"));
    lab.qqmgr("list").run().expect(3, "", include_str!("structure.stderr"));
}

#[test]
fn all_that_is_wrong_with_the_variables() {
    let lab = Lab::new(include_str!("variables.toml"));
    lab.qqmgr("list").run().code(0).stderr("");
    lab.qqmgr("start a").run().expect(3, "", include_str!("variables.stderr"));
    assert!(!lab.path(".qqmgr").exists(), "a wrong config makes no directory");
}

#[test]
fn errors_as_json_have_a_location() {
    let lab = Lab::new("[vm.a]\ncmd = [\"-m {{.vm.nam}}\", \"{{.hom}}\"]\nssh = { port = 1 }\n");
    lab.qqmgr("start a --json --dry-run").run().expect(
        3,
        "{\"error\":{\"code\":\"config_invalid\",\
         \"message\":\"there is no variable `{{.vm.nam}}` (and 1 more)\",\
         \"hint\":\"did you mean `{{.vm.name}}`?\",\
         \"location\":{\"file\":\"[DIR]/qqmgr.toml\",\"line\":2,\"column\":12},\
         \"errors\":[{\"message\":\"there is no variable `{{.vm.nam}}`\",\
         \"hint\":\"did you mean `{{.vm.name}}`?\",\
         \"location\":{\"file\":\"[DIR]/qqmgr.toml\",\"line\":2,\"column\":12}},\
         {\"message\":\"there is no variable `{{.hom}}`\",\"hint\":null,\
         \"location\":{\"file\":\"[DIR]/qqmgr.toml\",\"line\":2,\"column\":27}}]}}\n",
        "",
    );
}

/// The message, hint, line and column of every error in a file.
fn wrong(text: impl AsRef<[u8]>) -> Vec<(String, String, [u64; 2])> {
    let lab = Lab::empty();
    lab.write("qqmgr.toml", text);
    let json = lab.qqmgr("list --json").run().code(3).stderr("").json();
    assert_eq!(json["error"]["code"], "config_invalid");
    let told = |error: &serde_json::Value| {
        let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
        let place = ["line", "column"].map(|key| error["location"][key].as_u64().unwrap());
        (text("message"), text("hint"), place)
    };
    json["error"]["errors"].as_array().unwrap().iter().map(told).collect()
}

#[test]
fn a_port_in_quotes_or_misspelled() {
    for (port, hint) in [
        ("autoo", "did you mean `\"auto\"`?"),
        ("AUTO", "did you mean `\"auto\"`?"),
        ("22", "write 22, without quotes"),
        ("0", ""),
        ("any", ""),
    ] {
        let of = |key: &str, wanted: &str| {
            format!("`{key}` in [vm.a.ssh] must be a port number{wanted}, not \"{port}\"")
        };
        let port_hint = (of("port", " or \"auto\""), hint.to_owned(), [3, 16]);
        assert_eq!(wrong(one_vm().replace("2222", &format!("'{port}'"))), [port_hint]);
        let hint = if hint.contains("auto") { "" } else { hint };
        let vm_port = one_vm().replace("2222", &format!("2222, vm_port = '{port}'"));
        assert_eq!(wrong(vm_port), [(of("vm_port", ""), hint.to_owned(), [3, 32])]);
    }
}

#[test]
fn keywords_for_ssh_in_upper_and_lower_case() {
    let with = |ssh: &str| one_vm().replace("port = 2222", ssh);
    let ports = vm("a", "{{.vm.ssh.port}} {{.vm.ssh.vm_port}}");
    let lab = Lab::new(&ports.replace("port = 2222", "PORT = 2022, VM_Port = 23"));
    let line = lab.qqmgr("start a --dry-run --json").run().code(0).stderr("").json();
    assert_eq!([&line[1], &line[2]], ["2022", "23"]);
    let twice = |key: &str, column| {
        let hint = "upper and lower case make no difference".to_owned();
        (format!("`{key}` in [vm.a.ssh] is set twice"), hint, [3, column])
    };
    assert_eq!(wrong(with("PORT = 2022, port = 2023")), [twice("port", 22)]);
    let ports = "port = 1, vm_port = 2, Vm_Port = 3";
    assert_eq!(wrong(with(ports)), [twice("Vm_Port", 32)]);
    let no_keyword = "`vm_prot` in [vm.a.ssh] is not an OpenSSH keyword".to_owned();
    let hint = "did you mean `vm_port`?".to_owned();
    assert_eq!(wrong(with("port = 1, vm_prot = 2")), [(no_keyword, hint, [3, 19])]);
    let global = "`VM_PORT` can't be set in [ssh]".to_owned();
    let hint = "set it in [vm.NAME.ssh]".to_owned();
    assert_eq!(wrong("[ssh]\nVM_PORT = 1\n"), [(global, hint, [2, 1])]);
}

#[test]
fn a_file_that_is_not_utf_8() {
    let lab = Lab::empty();
    lab.write("qqmgr.toml", b"# one\n# \xc3\xa9t\xe9 -\n");
    lab.qqmgr("list").run().expect(
        3,
        "",
        "error: the file is not UTF-8 from here: 0xe9\n \
         --> [DIR]/qqmgr.toml:2:5\n  |\n2 | # \u{e9}t\u{fffd} -\n  |     ^\n  |\n  = help: save it as UTF-8\n",
    );
    let cut = "the file is not UTF-8 from here: 0xc3".to_owned();
    assert_eq!(wrong(b"# \xc3"), [(cut, "save it as UTF-8".to_owned(), [1, 3])]);
}

#[test]
fn a_byte_order_mark_is_no_column() {
    let unknown =
        ("unknown key `vmm` in the file".to_owned(), "did you mean `vm`?".to_owned(), [1, 1]);
    assert_eq!(wrong("\u{feff}vmm = 1\n"), [unknown]);
    Lab::new(&format!("\u{feff}{}", one_vm())).qqmgr("list").run().code(0).stderr("");
}

#[test]
fn text_that_is_not_toml() {
    let lab = Lab::new("a = [1\nb = \"x\n\n[vm.a\n");
    lab.qqmgr("list").run().expect(
        3,
        "",
        "error: not valid TOML: missing comma between array elements, expected `,`\n \
         --> [DIR]/qqmgr.toml:2:1\n  |\n2 | b = \"x\n  | ^\n\
         error: not valid TOML: missing comma between array elements, expected `,`\n \
         --> [DIR]/qqmgr.toml:4:1\n  |\n4 | [vm.a\n  | ^\n",
    );
}

#[test]
fn a_vm_that_is_there_twice() {
    let lab = Lab::new(&(one_vm() + "[vm.b]\n" + &one_vm()));
    lab.qqmgr("list").run().expect(
        3,
        "",
        "error: not valid TOML: duplicate key\n --> [DIR]/qqmgr.toml:5:5\n  |\n\
         5 | [vm.a]\n  |     ^\n",
    );
}

#[test]
fn an_array_of_tables_where_none_can_be() {
    let lab = Lab::new("[vm.a]\nssh = { port = 1 }\n[[vm.a.cmd]]\n[[vm.b]]\n");
    lab.qqmgr("list").run().expect(
        3,
        "",
        "error: an entry of `cmd` in [vm.a] must be a string, not a table\n \
         --> [DIR]/qqmgr.toml:3:1\n  |\n3 | [[vm.a.cmd]]\n  | ^^^^^^^^^^^^\n\
         error: [vm.b] must be a table, not an array\n \
         --> [DIR]/qqmgr.toml:4:1\n  |\n4 | [[vm.b]]\n  | ^^^^^^^^\n",
    );
}

/// The error points at the key and says what to write, for people and programs.
#[test]
fn a_key_that_is_misspelled() {
    let error = |message: &str, hint: &str, place| (message.to_owned(), hint.to_owned(), place);
    let ssh = "[vm.v.ssh]\nport = 24023\n";
    assert_eq!(
        wrong(format!("[vm.v]\ncdm = [\"-m 256\"]\n{ssh}")),
        [error("unknown key `cdm` in [vm.v]", "did you mean `cmd`?", [2, 1])]
    );
    let vmport = "is not an OpenSSH keyword";
    assert_eq!(
        wrong(format!("[vm.v]\ncmd = []\n{ssh}vmport = 2222\n")),
        [error(&format!("`vmport` in [vm.v.ssh] {vmport}"), "did you mean `vm_port`?", [5, 1])]
    );
    assert_eq!(
        wrong(format!("[vm.v]\ncmd = []\n{}", ssh.replace("port", "prot"))),
        [error(&format!("`prot` in [vm.v.ssh] {vmport}"), "did you mean `port`?", [4, 1])]
    );
    assert_eq!(
        wrong("[ssh]\nvmport = 1\n"),
        [error(&format!("`vmport` in [ssh] {vmport}"), "did you mean `vm_port`?", [2, 1])]
    );
    assert_eq!(
        wrong("[vm.v]\nssh = { User = 'root' }\n"),
        [
            error("[vm.v] has no `cmd`", "add `cmd = [\"...\"]` with QEMU's options", [1, 5]),
            error(
                "[vm.v.ssh] has no `port`",
                "add `port = \"auto\"`: a free one, picked at each start",
                [2, 7]
            ),
        ]
    );
}

/// No keyword of OpenSSH is taken for one of ours, misspelled.
#[test]
fn all_keywords_that_ssh_has() {
    let lab = Lab::empty();
    let told = lab.program("ssh").args(["-G", "vm"]).run().code(0).text();
    let keyword = |line: &str| line.split(' ').next().unwrap().to_owned();
    let mut keywords: Vec<_> = told.lines().map(keyword).collect();
    keywords.sort();
    keywords.dedup();
    keywords.retain(|keyword| !["host", "port"].contains(&keyword.as_str()));
    assert!(keywords.contains(&"hostname".to_owned()), "{told}");
    let options: String = keywords.iter().map(|keyword| format!("{keyword} = 'x'\n")).collect();
    lab.write("qqmgr.toml", format!("[vm.a]\ncmd = []\n[vm.a.ssh]\nport = 1\n{options}"));
    lab.qqmgr("list").run().code(0).stderr("");
}

#[test]
fn the_program_in_cmd() {
    let start = |cmd: &str| {
        let lab = Lab::new(&format!("[vm.v]\ncmd = [{cmd}]\nssh = {{ port = 1 }}\n"));
        let json = lab.qqmgr("start v --dry-run --json").run().stderr("").json();
        let error = &json["error"];
        ["message", "hint"].map(|key| error[key].as_str().unwrap_or("-").to_owned()).join(" | ")
            + &format!(" {}:{}", error["location"]["line"], error["location"]["column"])
    };
    let told = |bin: &str, column| {
        format!(
            "`{bin}` is a program, but `cmd` in [vm.v] takes only its options | write it as \
             `bin = \"{bin}\"` in [vm.v], or in [qemu] for all VMs 2:{column}"
        )
    };
    assert_eq!(start("'qemu-system-x86_64 -m 1G'"), told("qemu-system-x86_64", 9));
    assert_eq!(start("'sudo /usr/bin/qemu-kvm -m 1G'"), told("/usr/bin/qemu-kvm", 14));
    assert_eq!(start("['./qemu-system-arm', '-m', '1G']"), told("./qemu-system-arm", 9));
    // Only the first words are checked, and a name with a suffix is a disk image.
    for cmd in ["'-name qemu-system-arm'", "'qemu-system-arm.qcow2'"] {
        assert_eq!(start(cmd), "- | - null:null", "{cmd}");
    }
}
