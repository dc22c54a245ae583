//! The JSON schema of the config accepts and refuses the same files as qqmgr.

use crate::examples::examples;
use crate::harness::Lab;
use jsonschema::Validator;
use serde_json::Value;

fn validator(lab: &Lab) -> Validator {
    let schema = lab.qqmgr("schema").run().code(0).stderr("").text();
    jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap()
}

fn toml(text: &str) -> Value {
    toml::from_str(text).unwrap()
}

#[test]
fn is_printed_as_text_and_as_a_line_of_json() {
    let lab = Lab::empty();
    let text = lab.qqmgr("schema").run().code(0).text();
    assert!(text.starts_with("{\n  \"$schema\": \"http://json-schema.org/draft-07/schema#\",\n"));
    let json = lab.qqmgr("schema --json").run().code(0).stderr("").json();
    assert_eq!(json, serde_json::from_str::<Value>(&text).unwrap());
}

#[test]
fn takes_every_example() {
    let lab = Lab::empty();
    let validator = validator(&lab);
    lab.qqmgr("init").run().code(0);
    for path in examples().into_iter().chain([lab.path("qqmgr.toml")]) {
        let config = toml(&std::fs::read_to_string(&path).unwrap());
        let faults: Vec<_> =
            validator.iter_errors(&config).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{path:?}: {faults:?}");
    }
}

#[test]
fn agrees_with_qqmgr() {
    let lab = Lab::empty();
    let validator = validator(&lab);
    let vm = |keys: &str| format!("[vm.a]\ncmd = []\nssh.port = 1\n{keys}");
    let ssh = |keys: &str| format!("[vm.a]\ncmd = []\n[vm.a.ssh]\nport = 1\n{keys}");
    let right = [
        String::new(),
        vm(""),
        vm(
            "bin = '{{.q}}'\nenv = { A = 1, B = 'x', C = true }\nvars = { x = [1], y = { z = 1.5 } }",
        ),
        vm("ports = { http = 'auto', debug_1 = 9000 }"),
        ssh("vm_port = 2222\nUser = 'root'\nSendEnv = ['LANG', 'LC_*']\nForwardAgent = true"),
        "[qemu]\nbin = 'q'\nimg = 'i'\n[vars.x.y]\nz = 1\n[ssh]\nUser = 'root'".to_owned(),
        "runtime_dir = '{{.config_dir}}/run'".to_owned(),
        "[vm.\"debian-12.5\"]\ncmd = ['-m 1', ['a', 'b']]\nssh = { port = 'auto' }".to_owned(),
    ];
    let wrong = [
        "vmm = {}".to_owned(),
        "[vm.a]\ncmd = []".to_owned(),
        "[vm.a]\nssh.port = 1".to_owned(),
        "[vm.a]\ncmd = []\nssh = {}".to_owned(),
        "[vm.\"bad name\"]\ncmd = []\nssh.port = 1".to_owned(),
        format!("[vm.{}]\ncmd = []\nssh.port = 1", "a".repeat(65)),
        "[vm.a]\ncmd = [1]\nssh.port = 1".to_owned(),
        "[vm.a]\ncmd = 'x'\nssh.port = 1".to_owned(),
        "[vm.a]\ncmd = [['x', 2]]\nssh.port = 1".to_owned(),
        vm("mem = 512"),
        vm("bin = ''"),
        vm("env = { 'A=B' = 'x' }"),
        vm("env = { A = [] }"),
        vm("vars = { name = 'x' }"),
        vm("ports = { 1a = 'auto' }"),
        vm("ports = { a = 'aut' }"),
        ssh("vm_port = 0"),
        ssh("vm_port = 'x'"),
        ssh("Host = '*'"),
        ssh("Id-File = 'c'"),
        ssh("User = {}"),
        ssh("User = \"a\\nb\""),
        ssh("").replace("port = 1", "port = 70000"),
        ssh("").replace("port = 1", "port = '1'"),
        "[ssh]\nport = 3".to_owned(),
        "[ssh]\nVM_Port = 3".to_owned(),
        "[vars]\nvm = 'x'".to_owned(),
        "[qemu]\nwat = 1".to_owned(),
        "[qemu]\nimg = ''".to_owned(),
        "qemu = 1".to_owned(),
        "runtime_dir = ''".to_owned(),
        "runtime_dir = 1".to_owned(),
    ];
    for (texts, code) in [(&right[..], 0), (&wrong[..], 3)] {
        for text in texts {
            lab.write("qqmgr.toml", text);
            lab.qqmgr("list").run().code(code);
            assert_eq!(validator.is_valid(&toml(text)), code == 0, "{text}");
        }
    }
}
