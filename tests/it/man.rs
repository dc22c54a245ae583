//! Manual pages: on a terminal, in a pipe, and as files.

use crate::harness::Lab;

#[test]
fn a_page_in_a_pipe_is_roff() {
    let lab = Lab::empty();
    let page = lab.qqmgr("man start").run().code(0).stderr("").text();
    let version = env!("CARGO_PKG_VERSION");
    let title = format!(".TH qqmgr-start 1 \"\" \"qqmgr {version}\" \"Quick QEMU Manager\"\n");
    assert!(page.contains(&title), "{page}");
    let synopsis = ".SH SYNOPSIS\n\\fBqqmgr start\\fR [\\fB\\-\\-all\\fR] [\\fB\\-\\-wait\\fR] \
                    [\\fB\\-\\-for\\fR \\fICOND\\fR]... [\\fB\\-\\-timeout\\fR \\fITIME\\fR]";
    assert!(page.contains(synopsis), "{page}");
    assert!(page.contains("[\\fIVM\\fR]... [\\-\\- \\fIQEMU ARGS\\fR]...\n"), "{page}");
    let titles = [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "OPTIONS",
        "\"GLOBAL OPTIONS\"",
        "FILES",
        "ENVIRONMENT",
        "\"EXIT STATUS\"",
        "EXAMPLES",
        "\"SEE ALSO\"",
    ];
    let places: Vec<_> =
        titles.iter().map(|title| page.find(&format!("\n.SH {title}\n")).unwrap()).collect();
    assert!(places.is_sorted(), "{page}");
    assert!(page.contains("\nqqmgr start test\\-vm \\-\\-wait  "), "{page}");
    assert!(page.contains("qqmgr\\-stop(1)") && page.contains("qqmgr.toml(5)"), "{page}");
    // A page has aliases, and the notes of the verb's help.
    assert_eq!(lab.qqmgr("man qqmgr-ls").run().text(), lab.qqmgr("man list").run().text());
    let page = lab.qqmgr("man console").run().text();
    assert!(page.contains("if the window changes, run \\fBresize\\fR"), "{page}");
    // The page of qqmgr itself lists the verbs.
    let page = lab.qqmgr("man").run().code(0).text();
    assert!(page.contains("\n.SH EXAMPLES\n.nf\nqqmgr init deb  "), "{page}");
    assert!(page.contains("\n.SS \"Run VMs\"\n.TP\n\\fBqqmgr\\-start(1)\\fR\n"), "{page}");
    let json = lab.qqmgr("man --json").run().code(0).stderr("").json();
    assert_eq!(json, serde_json::json!({ "page": "qqmgr.1", "roff": page }));
}

#[test]
fn the_page_of_the_config_is_its_docs() {
    let lab = Lab::empty();
    let page = lab.qqmgr("man qqmgr.toml").run().code(0).stderr("").text();
    for part in [
        ".TH qqmgr.toml 5 ",
        "\n.SH DESCRIPTION\n.PP\nA TOML file (1.0 or 1.1) that describes virtual machines.",
        // A list, a table, code, a heading of a lower level.
        "\n.IP 1. 3\n\\fB\\-c FILE\\fR\n",
        "\n.TP\n\\fB{{.vm.name}}\\fR\nthe VM\\*(Aqs name\n",
        "\n.nf\n\\-pidfile DIR/pid\n",
        "\n.SS [vm.NAME]\n",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    // The table of contents is left out.
    assert!(!page.contains("\nWhich file\n"), "{page}");
}

#[test]
fn a_page_that_does_not_exist() {
    let lab = Lab::empty();
    lab.qqmgr("man strat").run().expect(
        2,
        "",
        "error: no manual page for `strat`\nhint: did you mean `start`?\n",
    );
    let json = lab.qqmgr("man everything --json").run().code(2).stderr("").json();
    assert_eq!(json["error"]["code"], "usage");
    let hint = "`qqmgr help` lists the commands; `qqmgr man qqmgr.toml` is the config file";
    assert_eq!(json["error"]["hint"], hint);
}

#[test]
fn a_terminal_is_shown_a_page_by_man_or_a_pager() {
    let lab = Lab::empty();
    let bin = lab.path("bin");
    // The shell is the only program in $PATH, until the test adds others.
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink("/bin/sh", bin.join("sh")).unwrap();
    let shown = |line: &str, pager: &str| {
        let run = lab.qqmgr(line).env("PATH", &bin).env("PAGER", pager);
        let mut shown = run.at_terminal();
        let code = shown.ends();
        (shown, code)
    };
    let first_lines = "read -r line; echo \"${0##*/} $* <$line\"";
    let (mut pager, code) = shown("man start", &format!("{first_lines}; exit 3"));
    pager.shows("<Start VMs, and return when QEMU answers");
    assert_eq!(code, 3);
    let (mut pager, _) = shown("man qqmgr.toml", first_lines);
    pager.shows("<# The config file");
    let (mut alone, code) = shown("man gc", "");
    alone.shows("End VMs whose lease has expired");
    assert_eq!(code, 0);
    lab.script("bin/less", first_lines);
    shown("man start", "").0.shows("less  <Start VMs");
    lab.script("bin/man", first_lines);
    shown("man start", "false").0.shows("man -l - <.ie");
}

#[test]
fn all_pages_are_written() {
    let lab = Lab::empty();
    lab.qqmgr("man --write out").run().ok("");
    for (file, page) in
        [("man1/qqmgr-start.1", "start"), ("man1/qqmgr.1", ""), ("man5/qqmgr.toml.5", "qqmgr.toml")]
    {
        let printed = lab.qqmgr(&format!("man {page}")).run().text();
        assert_eq!(lab.read(format!("out/{file}")).trim_end(), printed.trim_end());
    }
    let json = lab.qqmgr("man --write more --json").run().code(0).json();
    let files = json["files"].as_array().unwrap();
    let count = |dir| std::fs::read_dir(lab.path(dir)).unwrap().count();
    assert_eq!(files.len(), count("more/man1") + count("more/man5"));
    assert_eq!(files[0].as_str(), lab.path("more/man1/qqmgr-start.1").to_str());
    lab.qqmgr("man start --write x").run().code(2).stdout("");
    lab.write("file", "");
    let error = lab.qqmgr("man --write file").run();
    error.expect(1, "", "error: can't write manual pages to \"file\": File exists\n");
}
