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
         hint: write a qqmgr.toml (`qqmgr init`) in [DIR] or a directory above it or \
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
}

#[test]
fn all_that_is_wrong_with_the_structure() {
    let lab = Lab::new(include_str!("config/structure.toml"));
    lab.qqmgr("list").run().expect(3, "", include_str!("config/structure.stderr"));
}

#[test]
fn all_that_is_wrong_with_the_variables() {
    let lab = Lab::new(include_str!("config/variables.toml"));
    lab.qqmgr("list").run().code(0).stderr("");
    lab.qqmgr("start a").run().expect(3, "", include_str!("config/variables.stderr"));
    assert!(!lab.path(".qqmgr").exists(), "a wrong config makes no directory");
}

/// Variables of which each uses the next with `link`, and a VM that uses the first.
fn chain(links: usize, link: impl Fn(String) -> String) -> Lab {
    let var = |at| format!("v{at} = '{}'\n", link(format!("{{{{.v{}}}}}", at + 1)));
    let vars: String = (1..links).map(var).collect();
    let vm = "[vm.a]\ncmd = ['{{.v1}}']\nssh = { port = 1 }\n";
    Lab::new(&format!("[vars]\n{vars}v{links} = '-m 64'\n{vm}"))
}

#[test]
fn variables_in_variables_have_a_depth_that_is_told() {
    for link in ["{{NEXT}}", "{{NEXT}} "] {
        let lab = chain(1000, |next| link.replace("{{NEXT}}", &next));
        let line = lab.qqmgr("start a --dry-run --json").run().code(0).json();
        assert_eq!([&line[1], &line[2]], ["-m", "64"], "{line}");
    }
    for links in [1001, 20_000] {
        let lab = chain(links, |next| next);
        lab.qqmgr("start a --dry-run").run().expect(
            3,
            "",
            "error: variables use each other more than 1000 levels deep\n    \
             --> [DIR]/qqmgr.toml:1001:10\n     |\n\
             1001 | v1000 = '{{.v1001}}'\n     |          ^^^^^^^^^^\n",
        );
    }
}

#[test]
fn variables_that_double_each_other_come_to_an_end() {
    // As words, as one word, and as a word that stays empty.
    for (between, last, message) in [
        (" ", "x", "variables put more than 4 MiB into the texts of this VM"),
        ("", "x", "this text is longer than the 128 KiB that an argument can have"),
        ("", "", "variables put more than 4 MiB into the texts of this VM"),
    ] {
        let lab = chain(60, |next| format!("{next}{between}{next}"));
        lab.write("qqmgr.toml", lab.read("qqmgr.toml").replace("-m 64", last));
        let json = lab.qqmgr("start a --dry-run --json").run().code(3).json();
        assert_eq!(json["error"]["message"], message, "{json}");
    }
}

#[test]
fn variables_that_all_use_each_other_are_told() {
    let others = |at| (0..20).filter(move |other| *other != at);
    let uses = |at| others(at).map(|other| format!("{{{{.v{other}}}}}")).collect::<String>();
    let vars: String = (0..20).map(|at| format!("v{at} = '{}'\n", uses(at))).collect();
    let lab = Lab::new(&format!("[vars]\n{vars}{}", vm("a", "{{.v0}}")));
    let json = lab.qqmgr("start a --dry-run --json").run().code(3).json();
    let errors = json["error"]["errors"].as_array().unwrap();
    let closed = errors.iter().filter(|error| {
        let message = error["message"].as_str().unwrap();
        message.starts_with("variables that use each other in a cycle: .v")
    });
    // Each use of a variable that is being put in is one.
    assert_eq!((errors.len(), closed.count()), (190, 190), "{json}");
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

/// The message, hint, line and column of all that is wrong with a file.
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
        let hint = "keywords are the same in upper and lower case".to_owned();
        (format!("`{key}` in [vm.a.ssh] is there twice"), hint, [3, column])
    };
    assert_eq!(wrong(with("PORT = 2022, port = 2023")), [twice("port", 22)]);
    let ports = "port = 1, vm_port = 2, Vm_Port = 3";
    assert_eq!(wrong(with(ports)), [twice("Vm_Port", 32)]);
    let no_keyword = "`vm_prot` in [vm.a.ssh] is not an OpenSSH keyword".to_owned();
    let hint = "did you mean `vm_port`?".to_owned();
    assert_eq!(wrong(with("port = 1, vm_prot = 2")), [(no_keyword, hint, [3, 19])]);
    let global = "`VM_PORT` belongs to one VM, not to [ssh]".to_owned();
    let hint = "write it in [vm.NAME.ssh]".to_owned();
    assert_eq!(wrong("[ssh]\nVM_PORT = 1\n"), [(global, hint, [2, 1])]);
}

#[test]
fn a_file_that_is_not_utf_8() {
    let lab = Lab::empty();
    lab.write("qqmgr.toml", b"# one\n# \xc3\xa9t\xe9 -\n");
    lab.qqmgr("list").run().expect(
        3,
        "",
        "error: the file is not UTF-8 from here on: 0xe9\n \
         --> [DIR]/qqmgr.toml:2:5\n  |\n2 | # \u{e9}t\u{fffd} -\n  |     ^\n  |\n  = help: save it as UTF-8\n",
    );
    let cut = "the file is not UTF-8 from here on: 0xc3".to_owned();
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
         5 | [vm.a]\n  |     ^\n  |\n  = help: the first one is on line 1\n",
    );
}

#[test]
fn an_array_of_tables_where_none_can_be() {
    let lab = Lab::new("[vm.a]\nssh = { port = 1 }\n[[vm.a.cmd]]\n[[vm.b]]\n");
    lab.qqmgr("list").run().expect(
        3,
        "",
        "error: `cmd` in [vm.a] must be a list of strings, not an array of tables\n \
         --> [DIR]/qqmgr.toml:3:1\n  |\n3 | [[vm.a.cmd]]\n  | ^^^^^^^^^^^^\n\
         error: [vm.b] must be a table, not an array of tables\n \
         --> [DIR]/qqmgr.toml:4:1\n  |\n4 | [[vm.b]]\n  | ^^^^^^^^\n",
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
fn no_argument_holds_a_nul() {
    let text = "[vm.a]\ncmd = ['-m', \"a\\u0000\"]\n[vm.a.ssh]\nport = 1\nUser = \"\\u0000\"\n";
    let json = Lab::new(text).qqmgr("start a --json").run().code(3).json();
    let told = json["error"]["errors"].as_array().unwrap().iter();
    let told: Vec<_> = told.map(|e| (e["location"]["line"].as_u64(), &e["message"])).collect();
    let message = "this text holds a NUL character, which no argument can".into();
    assert_eq!(told, [(Some(2), &message), (Some(5), &message)]);
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
