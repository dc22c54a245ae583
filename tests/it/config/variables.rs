//! Variables in variables: their limits, and values that are refused.

use crate::harness::{Lab, vm};

/// Variables that each use the next through `link`, and a VM that uses the first.
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
            "error: variables are nested more than 1000 levels deep\n    \
             --> [DIR]/qqmgr.toml:1001:10\n     |\n\
             1001 | v1000 = '{{.v1001}}'\n     |          ^^^^^^^^^^\n",
        );
    }
}

#[test]
fn variables_that_double_each_other_come_to_an_end() {
    // As words, as one word, and as an empty word.
    for (between, last, message) in [
        (" ", "x", "the variables of this VM expand to more than 4 MiB"),
        ("", "x", "this text is longer than 128 KiB, the limit for an argument"),
        ("", "", "the variables of this VM expand to more than 4 MiB"),
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
        message.starts_with("these variables use each other in a cycle: .v")
    });
    // Each use of a variable while it is being expanded is a cycle.
    assert_eq!((errors.len(), closed.count()), (190, 190), "{json}");
}

#[test]
fn all_that_is_wrong_in_one_text() {
    let lab = Lab::new(&vm("a", "-m {{.mem}} -x {{images}} '{{.b-c}}' {{.mme}} {{.end"));
    let json = lab.qqmgr("start a --json").run().code(3).json();
    let errors = json["error"]["errors"].as_array().unwrap();
    let messages: Vec<_> = errors.iter().map(|error| error["message"].as_str().unwrap()).collect();
    assert_eq!(
        messages,
        [
            "there is no variable `{{.mem}}`",
            "`{{images}}` is not an expression",
            "`{{.b-c}}` is not an expression",
            "there is no variable `{{.mme}}`",
            "`{{.end` is never closed",
        ]
    );
}

#[test]
fn what_comes_from_the_environment_is_text() {
    let lab = Lab::new(&vm("a", "{{.env.MORE}}"));
    let more = "-m 64 -name '{{ 1 }} {{.nothing }}' -append {{.x";
    let words = lab.qqmgr("start a --dry-run --json").env("MORE", more).run().code(0).json();
    let words: Vec<_> = words.as_array().unwrap()[1..7].iter().collect();
    assert_eq!(words, ["-m", "64", "-name", "{{ 1 }} {{.nothing }}", "-append", "{{.x"]);
}

#[test]
fn no_argument_holds_a_nul() {
    let text = "[vm.a]\ncmd = ['-m', \"a\\u0000\"]\n[vm.a.ssh]\nport = 1\nUser = \"\\u0000\"\n";
    let json = Lab::new(text).qqmgr("start a --json").run().code(3).json();
    let told = json["error"]["errors"].as_array().unwrap().iter();
    let told: Vec<_> = told.map(|e| (e["location"]["line"].as_u64(), &e["message"])).collect();
    let message = "this text contains a NUL character, which an argument can't".into();
    assert_eq!(told, [(Some(2), &message), (Some(5), &message)]);
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
        "error: `User` contains a line break\n --> [DIR]/qqmgr.toml:7:8\n  |\n\
         7 | User = \"{{.break}}\"\n  |        ^^^^^^^^^^^^\n",
    );
}
