//! The config file: where it is found, and what is said about a wrong one.

use crate::harness::{Lab, vm};

fn one_vm() -> String {
    vm("a", "-m 64")
}

/// The directory that `status` says the VM has.
fn dir_of(outcome: &crate::harness::Outcome) -> String {
    outcome.code(0).stderr("").json()["dir"].as_str().unwrap().to_owned()
}

#[test]
fn a_file_is_found_by_option_variable_parents_and_home() {
    let lab = Lab::empty();
    lab.write("near/qqmgr.toml", one_vm());
    lab.write("near/by/deep/file", "");
    lab.write("named.toml", one_vm());
    lab.write("variable/v.toml", one_vm());
    lab.write("home/.config/qqmgr/conf.toml", one_vm());
    lab.write("xdg/qqmgr/conf.toml", one_vm());
    let dir = |relative: &str| lab.path(relative).display().to_string();
    let status = || lab.qqmgr("status a --json");

    assert_eq!(dir_of(&status().cwd("near/by/deep").run()), dir("near/.qqmgr/vm.a"));
    assert_eq!(dir_of(&status().run()), dir("home/.config/qqmgr/vm.a"));
    let xdg = status().env("XDG_CONFIG_HOME", lab.path("xdg")).run();
    assert_eq!(dir_of(&xdg), dir("xdg/qqmgr/vm.a"));
    let variable = status().cwd("near").env("QQMGR_CONFIG", lab.path("variable/v.toml"));
    assert_eq!(dir_of(&variable.run()), dir("variable/vm.a"));
    let named = lab.qqmgr("-c ../named.toml status a --json").cwd("near");
    let named = named.env("QQMGR_CONFIG", lab.path("variable/v.toml")).run();
    assert_eq!(dir_of(&named), dir("vm.a"));
    let nearest = status().cwd("near").env("QQMGR_CONFIG", "").run();
    assert_eq!(dir_of(&nearest), dir("near/.qqmgr/vm.a"));
}

#[test]
fn a_symlink_to_a_config_names_the_same_vms() {
    let lab = Lab::empty();
    lab.write("real/qqmgr.toml", one_vm());
    std::fs::create_dir(lab.path("other")).unwrap();
    std::os::unix::fs::symlink("../real/qqmgr.toml", lab.path("other/link.toml")).unwrap();
    std::os::unix::fs::symlink("real", lab.path("alias")).unwrap();
    let real = lab.path("real/.qqmgr/vm.a").display().to_string();
    assert_eq!(dir_of(&lab.qqmgr("-c other/link.toml --json status a").run()), real);
    assert_eq!(dir_of(&lab.qqmgr("--json status a").cwd("alias").run()), real);
}

#[test]
fn no_file_at_all() {
    let lab = Lab::empty();
    lab.qqmgr("list").run().expect(
        3,
        "",
        "error: there is no config file\n\
         hint: write a qqmgr.toml in [DIR] or a directory above it or \
         [DIR]/home/.config/qqmgr/conf.toml, or name one with -c\n",
    );
    lab.qqmgr("list -c nope.toml").run().expect(
        3,
        "",
        "error: can't read the config file \"nope.toml\": No such file or directory (os error 2)\n",
    );
    lab.qqmgr("list --json -c nope.toml").run().expect(
        3,
        "{\"error\":{\"code\":\"config_unreadable\",\"message\":\"can't read the config file \
         \\\"nope.toml\\\": No such file or directory (os error 2)\",\"hint\":null,\
         \"location\":null}}\n",
        "",
    );
    lab.write("latin1.toml", b"# \xe9\n");
    lab.qqmgr("list -c latin1.toml").run().expect(
        3,
        "",
        "error: can't read the config file \"latin1.toml\": stream did not contain valid UTF-8\n",
    );
}

#[test]
fn all_that_is_wrong_with_the_structure() {
    let lab = Lab::new(STRUCTURE);
    lab.qqmgr("list").run().expect(3, "", STRUCTURE_ERRORS);
}

const STRUCTURE: &str = r#"[vars]
vm = "x"

[ssh]
User = "a\nb"
port = 3

[vmm]

[vm."bad name"]
cmd = []
ssh = { port = 1 }

[vm.a]
cdm = []
cmd = [1, ["x", 2]]
bin = 3
[vm.a.vars]
name = "x"
[vm.a.ssh]
port = 70000
vm_port = "x"
Host = "*"
user = "a"
User = "b"
Id-File = "c"

[vm.b]
cmd = "x"
env = { "A=B" = "x", C = [] }

[vm.c]
ssh = { vm_port = 0 }

[qemu]
bin = ""
wat = 1
"#;

const STRUCTURE_ERRORS: &str = r#"error: `vm` in [vars] is a built-in variable's name
 --> [DIR]/qqmgr.toml:2:1
  |
2 | vm = "x"
  | ^^
  |
  = help: give the variable another name
error: `User` in [ssh] has a line break in it
 --> [DIR]/qqmgr.toml:5:8
  |
5 | User = "a\nb"
  |        ^^^^^^
error: `port` belongs to one VM, not to [ssh]
 --> [DIR]/qqmgr.toml:6:1
  |
6 | port = 3
  | ^^^^
  |
  = help: write it in [vm.NAME.ssh]
error: unknown key `vmm` in the file
 --> [DIR]/qqmgr.toml:8:2
  |
8 | [vmm]
  |  ^^^
  |
  = help: did you mean `vm`?
error: `bad name` can't be a VM's name
  --> [DIR]/qqmgr.toml:10:5
   |
10 | [vm."bad name"]
   |     ^^^^^^^^^^
   |
   = help: a name begins with a letter or digit, goes on with those, `.`, `_` and `-`, and has at most 64 characters
error: unknown key `cdm` in [vm.a]
  --> [DIR]/qqmgr.toml:15:1
   |
15 | cdm = []
   | ^^^
   |
   = help: did you mean `cmd`?
error: an entry of `cmd` in [vm.a] must be a string, not an integer
  --> [DIR]/qqmgr.toml:16:8
   |
16 | cmd = [1, ["x", 2]]
   |        ^
error: a word in `cmd` in [vm.a] must be a string, not an integer
  --> [DIR]/qqmgr.toml:16:17
   |
16 | cmd = [1, ["x", 2]]
   |                 ^
error: `bin` in [vm.a] must be a string, not an integer
  --> [DIR]/qqmgr.toml:17:7
   |
17 | bin = 3
   |       ^
error: `name` in [vm.a.vars] is a built-in variable's name
  --> [DIR]/qqmgr.toml:19:1
   |
19 | name = "x"
   | ^^^^
   |
   = help: give the variable another name
error: `port` in [vm.a.ssh] must be from 1 to 65535, not 70000
  --> [DIR]/qqmgr.toml:21:8
   |
21 | port = 70000
   |        ^^^^^
error: `vm_port` in [vm.a.ssh] must be a port number, not a string
  --> [DIR]/qqmgr.toml:22:11
   |
22 | vm_port = "x"
   |           ^^^
error: `Host` in [vm.a.ssh] can't be set for a VM
  --> [DIR]/qqmgr.toml:23:1
   |
23 | Host = "*"
   | ^^^^
   |
   = help: qqmgr writes the `Host` line itself
error: `User` in [vm.a.ssh] is there twice
  --> [DIR]/qqmgr.toml:25:1
   |
25 | User = "b"
   | ^^^^
   |
   = help: OpenSSH's keywords are the same in upper and lower case
error: `Id-File` in [vm.a.ssh] is not an OpenSSH keyword
  --> [DIR]/qqmgr.toml:26:1
   |
26 | Id-File = "c"
   | ^^^^^^^
error: [vm.b] has no [vm.b.ssh] with a `port`
  --> [DIR]/qqmgr.toml:28:5
   |
28 | [vm.b]
   |     ^
error: `cmd` in [vm.b] must be a list of strings, not a string
  --> [DIR]/qqmgr.toml:29:7
   |
29 | cmd = "x"
   |       ^^^
error: `A=B` can't be an environment variable's name
  --> [DIR]/qqmgr.toml:30:9
   |
30 | env = { "A=B" = "x", C = [] }
   |         ^^^^^
error: `C` in [vm.b.env] must be a string, not an array
  --> [DIR]/qqmgr.toml:30:26
   |
30 | env = { "A=B" = "x", C = [] }
   |                          ^^
error: [vm.c] has no `cmd`
  --> [DIR]/qqmgr.toml:32:5
   |
32 | [vm.c]
   |     ^
error: [vm.c.ssh] has no `port`
  --> [DIR]/qqmgr.toml:33:7
   |
33 | ssh = { vm_port = 0 }
   |       ^^^^^^^^^^^^^^^
error: `vm_port` in [vm.c.ssh] must be from 1 to 65535, not 0
  --> [DIR]/qqmgr.toml:33:19
   |
33 | ssh = { vm_port = 0 }
   |                   ^
error: `bin` in [qemu] is empty
  --> [DIR]/qqmgr.toml:36:7
   |
36 | bin = ""
   |       ^^
error: unknown key `wat` in [qemu]
  --> [DIR]/qqmgr.toml:37:1
   |
37 | wat = 1
   | ^^^
   |
   = help: known are: bin, img
"#;

#[test]
fn all_that_is_wrong_with_the_variables() {
    let lab = Lab::new(VARIABLES);
    lab.qqmgr("list").run().code(0).stderr("");
    lab.qqmgr("start a").run().expect(3, "", VARIABLES_ERRORS);
    assert!(!lab.path(".qqmgr").exists(), "a wrong config makes no directory");
}

const VARIABLES: &str = r#"[vars]
home = "/home/user"
loop_a = "{{.loop_b}}"
loop_b = "{{.vm.x}}"
tab = { key = 1 }
arr = [1]
open = "a 'b"

[vm.a]
cmd = [
    "-m {{.hme}}",
    "-x {{.loop_a}}",
    "-y {{.tab}} z",
    "-y {{.tab.kye}}",
    "-y {{.arr}}",
    "-y {{home}}",
    "-y {{.tab.a-b}}",
    "-y {{.home",
    "-y 'abc",
    "{{.open}}",
    "-y {{.env.QQMGR_NO_SUCH}}",
    "-y {{.vm.nme}}",
    "-serial stdio",
    ["-pidfile", "/x"],
    "--qmp x -monitor y -daemonize",
]
bin = "{{.vm.nothing}}"
[vm.a.vars]
x = "{{.loop_a}}"
[vm.a.ssh]
port = 2222
User = "{{.nope}}"
"#;

const VARIABLES_ERRORS: &str = r#"error: a ' that is never closed
 --> [DIR]/qqmgr.toml:7:11
  |
7 | open = "a 'b"
  |           ^^
error: there is no variable `{{.hme}}`
  --> [DIR]/qqmgr.toml:11:9
   |
11 |     "-m {{.hme}}",
   |         ^^^^^^^^
   |
   = help: did you mean `{{.home}}`?
error: `{{.tab}}` is a table
  --> [DIR]/qqmgr.toml:13:9
   |
13 |     "-y {{.tab}} z",
   |         ^^^^^^^^
error: there is no variable `{{.tab.kye}}`
  --> [DIR]/qqmgr.toml:14:9
   |
14 |     "-y {{.tab.kye}}",
   |         ^^^^^^^^^^^^
   |
   = help: did you mean `{{.tab.key}}`?
error: `{{.arr}}` is an array
  --> [DIR]/qqmgr.toml:15:9
   |
15 |     "-y {{.arr}}",
   |         ^^^^^^^^
error: `{{home}}` is not an expression
  --> [DIR]/qqmgr.toml:16:9
   |
16 |     "-y {{home}}",
   |         ^^^^^^^^
   |
   = help: an expression is {{.name}}, {{.table.name}} or {{index .table "name"}}
error: `{{.tab.a-b}}` is not an expression
  --> [DIR]/qqmgr.toml:17:9
   |
17 |     "-y {{.tab.a-b}}",
   |         ^^^^^^^^^^^^
   |
   = help: a key with a dash is written {{index .tab "a-b"}}
error: `{{.home` is never closed
  --> [DIR]/qqmgr.toml:18:9
   |
18 |     "-y {{.home",
   |         ^^^^^^^
   |
   = help: a variable ends with `}}`
error: a ' that is never closed
  --> [DIR]/qqmgr.toml:19:9
   |
19 |     "-y 'abc",
   |         ^^^^
error: there is no environment variable `QQMGR_NO_SUCH`
  --> [DIR]/qqmgr.toml:21:9
   |
21 |     "-y {{.env.QQMGR_NO_SUCH}}",
   |         ^^^^^^^^^^^^^^^^^^^^^^
error: there is no variable `{{.vm.nme}}`
  --> [DIR]/qqmgr.toml:22:9
   |
22 |     "-y {{.vm.nme}}",
   |         ^^^^^^^^^^^
   |
   = help: did you mean `{{.vm.name}}`?
error: `-serial` in entry 13 of `cmd` in [vm.a] is qqmgr's to set
  --> [DIR]/qqmgr.toml:23:6
   |
23 |     "-serial stdio",
   |      ^^^^^^^
   |
   = help: the first serial port's output is in {{.vm.dir}}/serial; for another port use -chardev with -device
error: `-pidfile` in entry 14 of `cmd` in [vm.a] is qqmgr's to set
  --> [DIR]/qqmgr.toml:24:6
   |
24 |     ["-pidfile", "/x"],
   |      ^^^^^^^^^^
   |
   = help: qqmgr keeps it in {{.vm.dir}}/pid
error: `--qmp` in entry 15 of `cmd` in [vm.a] is qqmgr's to set
  --> [DIR]/qqmgr.toml:25:6
   |
25 |     "--qmp x -monitor y -daemonize",
   |      ^^^^^
   |
   = help: QMP is at {{.vm.dir}}/qmp.socket; for another one use -chardev with -mon ...,mode=control
error: `-monitor` in entry 15 of `cmd` in [vm.a] is qqmgr's to set
  --> [DIR]/qqmgr.toml:25:14
   |
25 |     "--qmp x -monitor y -daemonize",
   |              ^^^^^^^^
   |
   = help: the monitor is at {{.vm.dir}}/monitor.socket; for another one use -chardev with -mon
error: `-daemonize` in entry 15 of `cmd` in [vm.a] is qqmgr's to set
  --> [DIR]/qqmgr.toml:25:25
   |
25 |     "--qmp x -monitor y -daemonize",
   |                         ^^^^^^^^^^
   |
   = help: `qqmgr start` puts QEMU into the background itself
error: there is no variable `{{.vm.nothing}}`
  --> [DIR]/qqmgr.toml:27:8
   |
27 | bin = "{{.vm.nothing}}"
   |        ^^^^^^^^^^^^^^^
error: variables that use each other in a cycle: .loop_a -> .loop_b -> .vm.x -> .loop_a
  --> [DIR]/qqmgr.toml:29:6
   |
29 | x = "{{.loop_a}}"
   |      ^^^^^^^^^^^
error: there is no variable `{{.nope}}`
  --> [DIR]/qqmgr.toml:32:9
   |
32 | User = "{{.nope}}"
   |         ^^^^^^^^^
"#;

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
fn an_ssh_option_gets_no_line_break_from_a_variable() {
    let lab = Lab::new(
        "[vars]\nbreak = \"a\\nb\"\n\
         [vm.a]\ncmd = []\n[vm.a.ssh]\nport = 1\nUser = \"{{.break}}\"\n",
    );
    lab.qqmgr("start a").run().expect(
        3,
        "",
        "error: `User` has a line break in it\n --> [DIR]/qqmgr.toml:7:8\n  |\n\
         7 | User = \"{{.break}}\"\n  |        ^^^^^^^^^^^^\n",
    );
}

#[test]
fn there_is_no_such_vm() {
    let lab = Lab::new(&(vm("build-box", "") + &vm("web", "")));
    for verb in ["start", "stop", "status"] {
        lab.qqmgr(&format!("{verb} biuld-box")).run().expect(
            4,
            "",
            "error: there is no VM `biuld-box` in \"[DIR]/qqmgr.toml\"\n\
             hint: did you mean `build-box`?\n",
        );
    }
    lab.qqmgr("status database").run().expect(
        4,
        "",
        "error: there is no VM `database` in \"[DIR]/qqmgr.toml\"\n\
         hint: there are: build-box, web\n",
    );
    lab.qqmgr("status biuld-box --json").run().expect(
        4,
        "{\"error\":{\"code\":\"vm_not_found\",\"message\":\"there is no VM `biuld-box` in \
         \\\"[DIR]/qqmgr.toml\\\"\",\"hint\":\"did you mean `build-box`?\",\"location\":null}}\n",
        "",
    );
    let lab = Lab::new("");
    lab.qqmgr("status a").run().expect(
        4,
        "",
        "error: there is no VM `a` in \"[DIR]/qqmgr.toml\"\nhint: the file describes no VM at all\n",
    );
    lab.qqmgr("list --json").run().ok("[]\n");
}
