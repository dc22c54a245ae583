//! Tests of the whole config: text in, a VM or errors with their places out.

use super::*;

const VM: &str = "[vm.a]\ncmd = [\"-m 1\"]\n[vm.a.ssh]\nport = 2022\n";

fn config(text: &str) -> Result<Config, Error> {
    let source = Source { path: PathBuf::from("/etc/vms/qqmgr.toml"), text: text.to_owned() };
    Config::of(source)
}

fn resolve(text: &str) -> Result<Vm, Error> {
    let config = config(text)?;
    config.resolve(&config.instance("a")?, &Ports { ssh: 2022, ..Ports::default() })
}

/// The arguments of a VM `a` with this `cmd`, in a file that begins with `vars`.
fn args(vars: &str, cmd: &str) -> Vec<String> {
    let text = format!("{vars}\n[vm.a]\ncmd = [{cmd}]\n[vm.a.ssh]\nport = 2022\n");
    resolve(&text).unwrap().args.into_iter().map(|arg| arg.text).collect()
}

/// The errors: `LINE:COLUMN message (hint)`.
fn complaints(result: Result<impl std::fmt::Debug, Error>) -> Vec<String> {
    let Err(Error::Invalid { source_file, diagnostics }) = result else {
        panic!("not invalid: {result:?}");
    };
    let render = |diagnostic: &Diagnostic| {
        let place = source_file.location(diagnostic.span.start);
        let hint = diagnostic.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{}:{} {}{hint}", place.line, place.column, diagnostic.message)
    };
    diagnostics.iter().map(render).collect()
}

#[test]
fn expands_every_kind_of_variable() {
    let vars = "[vars]\nn = 4096\nhex = 0x10\nf = 1.50\nb = true\nq = 'a b'\ndeep = '{{.q}}/{{.t.u.v}}'\n\
                [vars.t]\n\"a-b\" = 'dash'\n[vars.t.u]\nv = 'w'\n";
    assert_eq!(
        args(vars, r#"'{{.n}} {{.hex}} {{.f}} {{.b}} x={{ .deep }} {{index .t "a-b"}}'"#),
        ["4096", "0x10", "1.50", "true", "x=a b/w", "dash"]
    );
    assert_eq!(
        args("", "'{{.vm.name}} {{.vm.dir}} {{.vm.ssh.port}} {{.vm.ssh.vm_port}} {{.config_dir}}'"),
        ["a", "/etc/vms/.qqmgr/vm.a", "2022", "22", "/etc/vms"]
    );
}

#[test]
fn a_lone_variable_splits_and_no_other_does() {
    let vars =
        "[vars]\nopts = \"-a 'b c' d={{.sp}} {{.more}}\"\nsp = 'x y'\nmore = '-z 1'\nnone = ''\n";
    assert_eq!(args(vars, "'{{.opts}}'"), ["-a", "b c", "d=x y", "-z", "1"]);
    assert_eq!(
        args(vars, r#"'file={{.sp}} "{{.more}}"', "'{{.sp}}'""#),
        ["file=x y", "-z 1", "x y"]
    );
    assert_eq!(args(vars, "'{{.none}} x{{.none}}'"), ["x"]);
    assert_eq!(args(vars, "['{{.sp}}', 'a b', '']"), ["x y", "a b", ""]);
}

#[test]
fn names_the_members_of_a_cycle() {
    let text = "[vars]\na = '{{.b}}'\nb = 'x{{.c}}'\nc = '{{.b}}'\n[vm.a]\ncmd = ['{{.a}}']\nssh = {port = 1}\n";
    assert_eq!(
        complaints(resolve(text)),
        ["4:6 these variables use each other in a cycle: .b -> .c -> .b"]
    );
}

#[test]
fn tells_every_bad_variable_of_one_text() {
    let text = "[vm.a]\ncmd = ['{{.x}} a={{.y}},b={{.x}}']\nssh = { port = 1 }\n";
    assert_eq!(
        complaints(resolve(text)),
        [
            "2:9 there is no variable `{{.x}}`",
            "2:18 there is no variable `{{.y}}`",
            "2:27 there is no variable `{{.x}}`",
        ]
    );
}

#[test]
fn tells_bad_variables_beside_an_open_quote() {
    let text = "[vars]\nopts = 'x {{.z}} \"'\n[vm.a]\ncmd = [\"{{.x}} '{{.y}}\", '{{.opts}}', \"'{{oops\"]\n\
                ssh = { port = 1 }\n";
    assert_eq!(
        complaints(resolve(text)),
        [
            "2:11 there is no variable `{{.z}}`",
            "2:18 a \" that is never closed",
            "4:9 there is no variable `{{.x}}`",
            "4:16 a ' that is never closed",
            "4:17 there is no variable `{{.y}}`",
            "4:40 a ' that is never closed",
        ]
    );
}

#[test]
fn variables_that_double_each_other_come_to_an_end() {
    let doubled: String =
        (0..60).map(|n| format!("v{n} = '{{{{.v{m}}}}}{{{{.v{m}}}}}'\n", m = n + 1)).collect();
    let text = format!(
        "[vars]\n{doubled}v60 = 'x'\n[vm.a]\ncmd = ['a{{{{.v0}}}}']\nssh = {{ port = 1 }}\n"
    );
    let found = complaints(resolve(&text));
    assert!(found[0].contains("is longer than 128 KiB"), "{found:?}");
}

#[test]
fn points_at_what_can_not_be_put_in() {
    let text = "[vars]\nhome = '/h'\nlist = [1]\n[vars.t]\nk = 1\n[vm.a]\ncmd = [\n  'a {{.hom}}',\n  'b {{.list}} c',\n  \
                '{{.t}}',\n  '{{.t.kk}}',\n  '{{.vm.img}}',\n  '{{home}}',\n  '{{.ssh_host}}',\n  '{{.t.k.j}}',\n]\n\
                [vm.a.vars]\nssh_host = 1\n[vm.a.ssh]\nport = 1\n";
    assert_eq!(
        complaints(resolve(text)),
        [
            "8:6 there is no variable `{{.hom}}` (did you mean `{{.home}}`?)",
            "9:6 `{{.list}}` is an array (write it as a string; if it stands alone in `cmd`, it is split into words)",
            "10:4 `{{.t}}` is a table (did you mean `{{.t.k}}`?)",
            "11:4 there is no variable `{{.t.kk}}` (did you mean `{{.t.k}}`?)",
            "12:4 there is no variable `{{.vm.img}}`",
            "13:4 `{{home}}` is not an expression (did you mean `{{.home}}`?)",
            "14:4 there is no variable `{{.ssh_host}}` (in this VM it is {{.vm.ssh_host}})",
            "15:4 `{{.t.k.j}}`: .t.k is not a table, so it has no `j` (did you mean `{{.t.k}}`?)",
        ]
    );
}

#[test]
fn suggests_what_can_be_written() {
    let text = "[vars]\nlists = 'x'\nlist = [1]\ndate = 2026-01-01\nempty = {}\n[vars.t]\nl = []\n\
                \"u v\" = { \"q\\\"\" = 1, \"a-b\" = 1 }\n[vm.a]\ncmd = [\n  '{{.list}}',\n  '{{.date}}',\n  \
                '{{.empty}}',\n  '{{.t}}',\n  '{{index .t \"u v\" \"a-c\"}}',\n  '{{.vm}}',\n  '{{.vm.ssh}}',\n  \
                '{{.env}}',\n  '{{.vm.ssh.prot}}',\n  '{{.vm.ssh.port.x}}',\n  '{{.a-b.c}}',\n]\nssh = { port = 1 }\n";
    assert_eq!(
        complaints(resolve(text)),
        [
            "11:4 `{{.list}}` is an array (did you mean `{{.lists}}`?)",
            "12:4 `{{.date}}` is a date (write it as a string; if it stands alone in `cmd`, it is split into words)",
            "13:4 `{{.empty}}` is a table",
            "14:4 `{{.t}}` is a table (did you mean `{{index .t \"u v\" \"a-b\"}}`?)",
            "15:4 there is no variable `{{index .t \"u v\" \"a-c\"}}` (did you mean `{{index .t \"u v\" \"a-b\"}}`?)",
            "16:4 `{{.vm}}` is a table (did you mean `{{.vm.name}}`?)",
            "17:4 `{{.vm.ssh}}` is a table (did you mean `{{.vm.ssh.port}}`?)",
            "18:4 `{{.env}}` is a table (did you mean `{{.env.HOME}}`?)",
            "19:4 there is no variable `{{.vm.ssh.prot}}` (did you mean `{{.vm.ssh.port}}`?)",
            "20:4 there is no variable `{{.vm.ssh.port.x}}` (did you mean `{{.vm.ssh.port}}`?)",
            "21:4 `{{.a-b.c}}` is not an expression (a key with a dash is written {{index . \"a-b\" \"c\"}})",
        ]
    );
}

#[test]
fn tells_everything_that_is_wrong_at_once() {
    let text = "[qemu]\nbni = 'x'\n[vars]\nvm = 1\n[ssh]\nPort = 22\n[vm.'b d']\ncmd = 'x'\n[vm.a]\ncmd = [1, ['a', 2]]\nboot = 1\n\
                [vm.a.ssh]\nport = 65536\nUser = \"a\\nb\"\nHost = 'x'\n[vm.c]\ncmd = []\n[vm.c.ssh]\nport = 'any'\n[vmm]\n";
    assert_eq!(
        complaints(config(text)),
        [
            "2:1 unknown key `bni` in [qemu] (did you mean `bin`?)",
            "4:1 `vm` in [vars] is the name of a built-in variable (rename the variable)",
            "6:1 `Port` can't be set in [ssh] (set it in [vm.NAME.ssh])",
            "7:5 `b d` is not a valid VM name (a name has up to 64 letters, digits, `.`, `_` and `-`, and begins with a letter or digit)",
            "7:5 [vm.b d] has no `ssh` (add `ssh = { port = \"auto\" }`: a free port, picked at each start)",
            "8:7 `cmd` in [vm.b d] must be a list of strings, not a string",
            "10:8 an entry of `cmd` in [vm.a] must be a string, not an integer",
            "10:17 a word in `cmd` in [vm.a] must be a string, not an integer",
            "11:1 unknown key `boot` in [vm.a] (known keys: cmd, vars, ssh, ports, bin, env, serial_limit)",
            "13:8 `port` in [vm.a.ssh] must be from 1 to 65535, not 65536",
            "14:8 `User` in [vm.a.ssh] contains a line break",
            "15:1 `Host` in [vm.a.ssh] can't be set for a VM (qqmgr writes the `Host` line itself)",
            "19:8 `port` in [vm.c.ssh] must be a port number or \"auto\", not \"any\"",
            "20:2 unknown key `vmm` in the file (did you mean `vm`?)",
        ]
    );
}

#[test]
fn a_misspelt_key_is_one_error() {
    let text = "[vm.a]\ncdm = []\n[vm.a.shs]\nport = 1\n[vm.b]\nboot = 1\nssh.port = 1\n";
    assert_eq!(
        complaints(config(text)),
        [
            "2:1 unknown key `cdm` in [vm.a] (did you mean `cmd`?)",
            "3:7 unknown key `shs` in [vm.a] (did you mean `ssh`?)",
            "5:5 [vm.b] has no `cmd` (add `cmd = [\"...\"]` with QEMU's options)",
            "6:1 unknown key `boot` in [vm.b] (known keys: cmd, vars, ssh, ports, bin, env, serial_limit)",
        ]
    );
}

/// The TOML syntax errors: `LINE:COLUMN message`.
fn no_toml(text: &str) -> Vec<String> {
    complaints(config(text)).iter().map(|line| line.replace("not valid TOML: ", "")).collect()
}

#[test]
fn the_first_syntax_error_of_each_line_is_told() {
    let text =
        "a = = 1\nb\nc = 2020-13-01\ne = 'x\nf = \"\\q\"\n[d\ng = 1 = 2\n[h]\nb = 1\nb = 2\n";
    assert_eq!(
        no_toml(text),
        [
            "1:5 extra `=`, expected nothing",
            "2:2 key with no value, expected `=`",
            "3:5 invalid date, expected month between 01 and 12",
            "4:7 invalid literal string, expected `'`",
            "5:7 missing escaped value, expected `b`, `e`, `f`, `n`, `r`, `\\`, `\"`, `x`, `u`, `U`",
            "6:3 unclosed table, expected `]`",
            "7:7 unexpected key or value, expected newline, `#`",
            "10:1 duplicate key",
        ]
    );
}

#[test]
fn the_keys_of_a_table_that_is_there_twice_are_no_errors() {
    for header in ["[a]", "  [a]"] {
        let text =
            format!("[a]\nx = 1\ny = 2\n{header}\nx = 1\nz = = 1\ny = 2\n[b]\nx = 1\nx = 2\n");
        let column = header.len() - 1;
        let twice = format!("4:{column} duplicate key");
        assert_eq!(
            no_toml(&text),
            [&twice, "6:5 extra `=`, expected nothing", "10:1 duplicate key"]
        );
    }
}

#[test]
fn what_is_complete_can_not_be_added_to() {
    assert_eq!(
        no_toml("i = 1\ni.x = 1\na = []\nt = {}\nt.x = 1\n[a.b]\nk = { m = 1, m = 2 }\n[[a]]\n"),
        [
            "2:1 cannot extend value of type integer with a dotted key",
            "5:1 cannot extend value of type inline table with a dotted key",
            "6:2 cannot extend value of type array with a dotted key",
            "7:14 duplicate key",
            "8:3 duplicate key",
        ]
    );
}

#[test]
fn depth_has_a_limit() {
    for (open, close, column) in [("[", "]", 85), ("{ k = ", "}", 485)] {
        let nested = format!("\na = {}1{}\n", open.repeat(100_000), close.repeat(100_000));
        let too_deep = format!("2:{column} cannot recurse further; max recursion depth met");
        assert_eq!(no_toml(&nested), [too_deep]);
    }
    let dotted = vec!["k"; 100_000].join(".");
    assert_eq!(no_toml(&format!("{dotted} = 1\n")), ["2:1 recursion limit"]);
    assert_eq!(no_toml(&format!("[{dotted}]\n")), ["2:1 recursion limit"]);
}

#[test]
fn refuses_what_is_qqmgrs_own() {
    let text = "[vars]\ns = '-serial stdio'\n[vm.a]\ncmd = ['-m 1 -qmp x', '{{.s}}', ['--daemonize']]\nssh = {port = 1}\n";
    let found = complaints(resolve(text));
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(
        found[0].starts_with("4:14 entry 1 of `cmd` in [vm.a]: qqmgr sets `-qmp` itself"),
        "{found:?}"
    );
    assert!(
        found[1].starts_with("4:24 entry 2 of `cmd` in [vm.a]: qqmgr sets `-serial`"),
        "{found:?}"
    );
    assert!(
        found[2].starts_with("4:34 entry 3 of `cmd` in [vm.a]: qqmgr sets `--daemonize`"),
        "{found:?}"
    );
}

#[test]
fn merges_ssh_options_without_case() {
    let text = format!(
        "[vars]\nk = '/k'\n[ssh]\nServerAliveInterval = 300\nuser = 'x'\nForwardAgent = true\n{VM}\
         serveraliveinterval = 60\nIdentityFile = ['{{{{.k}}}}/1', '/2']\n"
    );
    let options = resolve(&text).unwrap().ssh.options;
    let options: Vec<_> =
        options.iter().map(|(key, values)| format!("{key} {}", values.join("|"))).collect();
    assert_eq!(
        options,
        ["serveraliveinterval 60", "IdentityFile /k/1|/2", "user x", "ForwardAgent yes"]
    );
}

#[test]
fn an_unknown_vm_suggests_the_nearest() {
    let error = config(VM).unwrap().instance("A").unwrap_err();
    assert!(matches!(error, Error::NoSuchVm { nearest: Some(near), .. } if near == "a"));
}

#[test]
fn named_ports_are_variables() {
    let text = |cmd: &str| {
        format!(
            "[vm.a]\ncmd = [\"{cmd}\"]\nssh.port = 1\nports = {{ http = \"auto\", debug = 9 }}\n"
        )
    };
    let config = config(&text("{{.vm.ports.http}} {{.vm.ports.debug}}")).unwrap();
    let instance = config.instance("a").unwrap();
    let choose = |instance: &Instance| {
        let mut free = 100..;
        let wanted = config.wanted_ports(instance).unwrap();
        wanted.choose(|| free.next().ok_or(())).unwrap()
    };
    let args = |instance: &Instance| -> Vec<_> {
        let vm = config.resolve(instance, &choose(instance)).unwrap();
        vm.args.into_iter().map(|arg| arg.text).collect()
    };
    assert_eq!(args(&instance), ["100", "9"]);
    // A throwaway instance picks its own ports.
    assert_eq!(args(&instance.run("x")), ["102", "101"]);

    for (cmd, complaint) in [
        ("{{.vm.ports}}", "2:9 `{{.vm.ports}}` is a table"),
        ("{{.vm.ports.htp}}", "2:9 there is no variable `{{.vm.ports.htp}}`"),
    ] {
        let complaints = complaints(resolve(&text(cmd)));
        assert!(complaints[0].starts_with(complaint), "{complaints:?}");
    }
    let text = "[vm.a]\ncmd = []\nssh.port = 1\n[vm.a.ports]\n1a = \"auto\"\nb = 0\nc = \"8080\"\nd = \"aut\"\n";
    assert_eq!(
        complaints(resolve(text)),
        [
            "5:1 `1a` is not a valid port name (a name has letters, digits and `_`, and begins with a letter)",
            "6:5 `b` in [vm.a.ports] must be from 1 to 65535, not 0",
            "7:5 `c` in [vm.a.ports] must be a port number or \"auto\", not \"8080\" (write 8080, without quotes)",
            "8:5 `d` in [vm.a.ports] must be a port number or \"auto\", not \"aut\" (did you mean `\"auto\"`?)",
        ]
    );
}

/// Compares only the keys; tests of the built binary compare the values.
#[test]
fn the_schema_has_the_keys_that_are_parsed() {
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
    let texts = |list: &serde_json::Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let keys = |place: &str| -> Vec<String> {
        schema.pointer(place).unwrap().as_object().unwrap().keys().cloned().collect()
    };
    let vm = "/definitions/vm/properties";
    let reserved = "propertyNames/not/enum";
    for (mut of_schema, parsed) in [
        (keys("/properties"), &parse::KEYS[..]),
        (keys("/properties/qemu/properties"), &parse::QEMU_KEYS),
        (keys(vm), &parse::VM_KEYS),
        (keys(&format!("{vm}/ssh/properties")), &parse_ports::OUR_KEYWORDS),
        (texts(schema.pointer(&format!("/properties/vars/{reserved}")).unwrap()), &parse::RESERVED),
        (texts(schema.pointer(&format!("{vm}/vars/{reserved}")).unwrap()), &parse::RESERVED_IN_VM),
    ] {
        let mut parsed = parsed.to_vec();
        of_schema.sort();
        parsed.sort();
        assert_eq!(of_schema, parsed);
    }
}
