//! `put` and `get`: cp's rules and binary streams, on a real guest.

mod links;

use crate::harness::{Lab, NO_GUEST, guest_vm, vm};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;

#[test]
fn files_directories_and_streams() {
    let lab = Lab::new(&guest_vm("a"));
    lab.qqmgr("start a --wait").run().code(0);
    streams(&lab);
    shared_streams(&lab);
    names(&lab);
    bytes(&lab);
    patterns(&lab);
    directories(&lab);
    links::followed(&lab);
    failures(&lab);
    local_failures(&lab);
    progress(&lab);
    links::kept(&lab);
}

fn streams(lab: &Lab) {
    let bytes = random(3 << 20);
    lab.qqmgr("put a - '/root/a $stream'").stdin(bytes.clone()).run().ok("");
    let back = lab.qqmgr("get a '/root/a $stream' -").run();
    assert!(back.code(0).stderr("").stdout == bytes, "the stream changed on its way");
    lab.write("random", &bytes);
    lab.qqmgr("put a random /root/").run().ok("");
    lab.qqmgr("get a /root/random back").run().ok("");
    assert!(fs::read(lab.path("back")).unwrap() == bytes, "the file changed on its way");
    lab.qqmgr("put a - '~/in home'").stdin("x").run().ok("");
    lab.qqmgr("get a '/root/in home' '~/in home' -").run().ok("xx");
    lab.qqmgr("put a -- - -dash").stdin("y").run().ok("");
    lab.qqmgr("get a ./-dash -").run().ok("y");
}

/// ssh makes its standard error non-blocking, which is the same pipe or file as qqmgr's.
fn shared_streams(lab: &Lab) {
    let line = |line: &str| lab.program("sh").args(["-c", line, env!("CARGO_BIN_EXE_qqmgr")]).run();
    let got = line("\"$0\" get a /root/random - 2>&1 | cat");
    assert!(got.code(0).stdout == fs::read(lab.path("random")).unwrap(), "the stream changed");
    line("(echo before; \"$0\" get a /root/nofile -; echo after) >log 2>&1").ok("");
    assert_eq!(
        lab.read("log"),
        "before\ncat: can't open '/root/nofile': No such file or directory\nafter\n"
    );
    line("(echo before; \"$0\" get a /root/random - | wc -c; echo after) >log 2>&1").ok("");
    assert_eq!(lab.read("log"), format!("before\n{}\nafter\n", 3 << 20));
    line("(echo before; \"$0\" get a /etc/hostname -; echo after) >log 2>&1").ok("");
    assert_eq!(lab.read("log"), "before\nguest\nafter\n");
    line(
        "(echo before; echo text | \"$0\" put a - /root/shared; \"$0\" ssh a cat /root/shared; \
          \"$0\" put a - /nodir/x; echo after) >log 2>&1",
    )
    .ok("");
    assert_eq!(
        lab.read("log"),
        "before\ntext\nsh: can't create /nodir/x: nonexistent directory\nafter\n"
    );
}

fn random(length: usize) -> Vec<u8> {
    use std::io::Read;
    let mut bytes = Vec::new();
    fs::File::open("/dev/urandom").unwrap().take(length as u64).read_to_end(&mut bytes).unwrap();
    bytes
}

fn names(lab: &Lab) {
    for name in ["with space", "co:lon", "-dash", "quo'te", "dollar$x", "é"] {
        lab.write(name, name);
        let put = ["put", "a", "--", name, "/root/"];
        lab.qqmgr("").args(put).run().ok("");
        lab.qqmgr("")
            .args(["ssh", "a", &shlex::try_join(["cat", &format!("/root/{name}")]).unwrap()])
            .run()
            .ok(name);
        fs::create_dir_all(lab.path("got")).unwrap();
        lab.qqmgr("").args(["get", "a", &format!("/root/{name}"), "got"]).run().ok("");
        assert_eq!(lab.read(format!("got/{name}")), name);
        lab.qqmgr("")
            .args(["get", "a", "--", &format!("/root/{name}"), &format!("{name}.2")])
            .run()
            .ok("");
        assert_eq!(lab.read(format!("{name}.2")), name);
    }
}

/// A name that is not valid UTF-8.
fn bytes(lab: &Lab) {
    let name = |start: &str| OsString::from_vec([start.as_bytes(), b"\xff"].concat());
    fs::write(lab.path(name("")), "no text").unwrap();
    lab.qqmgr("put a").args([name(""), "/root/".into()]).run().ok("");
    lab.qqmgr("get a").args([name("/root/"), name("back")]).run().ok("");
    assert_eq!(fs::read(lab.path(name("back"))).unwrap(), b"no text");
    lab.qqmgr("get a").args([name("/root/"), "-".into()]).run().ok("no text");
    lab.qqmgr("put a -").args([name("/root/-")]).stdin("piped").run().ok("");
    lab.qqmgr("ssh a cat").args([name("/root/-")]).run().ok("piped");
}

/// `get` takes patterns, `put` does not, and streams never do.
fn patterns(lab: &Lab) {
    for (name, pattern) in [("p*", r"p\*"), ("b[1]", r"b\[1\]"), (r"c\d", r"c\\d")] {
        lab.write(name, name);
        lab.qqmgr("put a").args([name, "/root/"]).run().ok("");
        lab.qqmgr("put a").args([name, &format!("/root/{name}.2")]).run().ok("");
        lab.qqmgr("get a").args([&format!("/root/{pattern}"), "exact"]).run().ok("");
        assert_eq!(lab.read("exact"), name);
        lab.qqmgr("get a").args([&format!("/root/{name}.2"), "-"]).run().ok(name);
    }
    fs::create_dir(lab.path("all")).unwrap();
    lab.qqmgr("get a '/root/p*' all").run().ok("");
    assert_eq!(fs::read_dir(lab.path("all")).unwrap().count(), 2);
    // What docs/ssh.md says about a target that does not exist.
    lab.qqmgr("get a '/root/p*' made").run().ok("");
    assert_eq!(fs::read_dir(lab.path("made")).unwrap().count(), 2);
    lab.qqmgr("get a '/root/p*' all/.").run().ok("");
}

fn directories(lab: &Lab) {
    lab.write("tree/one", "1");
    lab.write("tree/sub/two", "2");
    lab.write("file", "f");
    let find = |dir: &str| {
        lab.qqmgr(&format!("ssh a 'cd {dir} && find . -type f | sort'")).run().code(0).text()
    };
    lab.qqmgr("put a tree /root/new").run().ok("");
    assert_eq!(find("/root/new"), "./one\n./sub/two\n");
    lab.qqmgr("put a tree/ /root/slashed/").run().ok("");
    assert_eq!(find("/root/slashed"), "./one\n./sub/two\n");
    lab.qqmgr("put a tree/ /root/slashed/").run().ok("");
    assert_eq!(find("/root/slashed/tree"), "./one\n./sub/two\n");
    lab.qqmgr("get a /root/new/ slashed/").run().ok("");
    assert_eq!(lab.read("slashed/sub/two"), "2");
    lab.qqmgr("ssh a mkdir /root/old").run().ok("");
    lab.qqmgr("put a tree file /root/old").run().ok("");
    let report = "{\"exit_code\":0,\"stdout\":\"\",\"stderr\":\"\"}\n";
    lab.qqmgr("put a tree file /root/old --json").run().ok(report);
    assert_eq!(find("/root/old"), "./file\n./tree/one\n./tree/sub/two\n");
    lab.qqmgr("put a tree file ''").run().ok("");
    assert_eq!(lab.qqmgr("ssh a 'cat tree/one file'").run().code(0).text(), "1f");
    lab.qqmgr("get a /root/old fetched").run().ok("");
    assert_eq!(lab.read("fetched/tree/sub/two"), "2");
    fs::create_dir(lab.path("into")).unwrap();
    lab.qqmgr("get a /root/old '/root/new/*' into").run().ok("");
    lab.qqmgr("get a /root/old /root/new into --json").run().ok(report);
    assert_eq!(lab.read("into/new/one"), "1");
    assert_eq!(lab.read("into/old/file"), "f");
    assert_eq!(lab.read("into/sub/two"), "2");
}

/// scp's own exit code for a failure depends on its version.
fn failures(lab: &Lab) {
    let outcome = lab.qqmgr("get a /root/nope .").run();
    assert!(outcome.code != 0 && outcome.code != 125, "{outcome}");
    let code = outcome.code;
    let json = lab.qqmgr("get a --json /root/nope .").run().code(code).stderr("").json();
    assert_eq!(json["exit_code"], code);
    assert!(json["stderr"].as_str().unwrap().contains("nope"), "{json}");
    lab.write("a", "a");
    lab.write("b c", "b");
    for target in ["/tmp/nodir", "/tmp/nodir/", "nodir", "~/nodir"] {
        let outcome = lab.qqmgr(&format!("put a a 'b c' {target}")).run();
        assert!(outcome.code != 0 && outcome.code != 125, "{outcome}");
        assert!(String::from_utf8_lossy(&outcome.stderr).contains("nodir"), "{outcome}");
    }
    lab.qqmgr("ssh a 'ls -d /tmp/nodir nodir 2>/dev/null'").run().code(1).stdout("");
    lab.qqmgr("get a /root/nope -").run().code(1).stdout("");
    lab.qqmgr("put a - /nope/x").stdin("x").run().code(1).stdout("");
    for (line, why) in [
        ("put a - file /root/", "standard input, which can't be one of several"),
        ("put a file -", "standard input, which can't be the target"),
        ("put a - -", "standard input, which can't be the target"),
        ("get a - .", "standard output, which can't be a source"),
        ("get a /etc/passwd - -", "standard output, which can't be a source"),
    ] {
        let message = format!("error: `-` is {why}\nhint: a file of that name is ./-\n");
        lab.qqmgr(line).run().expect(2, "", &message);
    }
    lab.qqmgr("put a --json file -").run().expect(
        2,
        "{\"error\":{\"code\":\"usage\",\"message\":\"`-` is standard input, which can't be the target\",\
         \"hint\":\"a file of that name is ./-\",\"location\":null}}\n",
        "",
    );
    lab.qqmgr("put a file ./-").run().ok("");
    lab.qqmgr("get a ./- -").run().ok("f");
}

/// qqmgr itself reports errors of local files.
fn local_failures(lab: &Lab) {
    lab.write("plain", "");
    for (line, failed) in [
        ("put a nope /root/", "can't copy \"nope\": No such file or directory"),
        ("put a plain nope /root/", "can't copy \"nope\": No such file or directory"),
        (
            "get a /etc/passwd /etc/group nodir",
            "can't copy to \"nodir\": No such file or directory",
        ),
        ("get a /etc/passwd /etc/group plain", "can't copy to \"plain\": Not a directory"),
        ("get a '/root/p*' nodir/.", "can't copy to \"nodir/.\": No such file or directory"),
        ("get a /etc/passwd nodir/x", "can't copy to \"nodir/x\": No such file or directory"),
    ] {
        lab.qqmgr(line).run().expect(125, "", &format!("error: {failed}\n"));
    }
    lab.qqmgr("put a --json nope /root/").run().expect(
        125,
        "{\"error\":{\"code\":\"file\",\"message\":\"can't copy \\\"nope\\\": No such file or directory\",\
         \"hint\":null,\"location\":null}}\n",
        "",
    );
    assert!(!lab.path("nodir").exists());
}

#[test]
fn files_named_as_for_scp() {
    let lab = Lab::new(&(vm("a", NO_GUEST) + &vm("b", NO_GUEST)));
    for (line, word, hint) in [
        ("put big a:/root/", "a:/root/", "put a big /root/"),
        ("put big 'b c' a:", "a:", "put a big 'b c' ."),
        ("put b a:/root/", "a:/root/", "put a b /root/"),
        ("get a:/root/x .", "a:/root/x", "get a /root/x ."),
        ("get a:/x 'a:/*' b", "a:/x", "get a /x '/*' b"),
    ] {
        let message = format!("`{word}` is scp's form; qqmgr takes the VM's name first");
        let text = format!("error: {message}\nhint: qqmgr {hint}\n");
        lab.qqmgr(line).run().expect(2, "", &text);
        let error = lab.qqmgr(line).args(["--json"]).run().code(2).stderr("").json();
        assert_eq!(error["error"]["code"], "usage");
        assert_eq!(error["error"]["hint"], format!("qqmgr {hint}"));
    }
    // A path in the guest with a colon, whose first part is no VM.
    lab.qqmgr("put a big b:/root/").run().code(125);
    lab.qqmgr("put a b").run().expect(
        2,
        "",
        "error: two paths are needed: what to copy, and where to\n",
    );
    let unknown = lab.qqmgr("get c:/x .").run();
    let stderr = String::from_utf8_lossy(&unknown.code(125).stderr).into_owned();
    assert!(stderr.starts_with("error: there is no VM `c:/x` in "), "{unknown}");
}

/// scp's own meter appears only on standard error.
fn progress(lab: &Lab) {
    let at_terminal = |line: &str| {
        let line = format!("\"$0\" {line}");
        let mut shell =
            lab.program("sh").args(["-c", &line, env!("CARGO_BIN_EXE_qqmgr")]).at_terminal();
        assert_eq!(shell.ends(), 0, "{}", shell.text());
        shell.text()
    };
    for line in ["put a random /root/ >out", "get a /root/random back >out"] {
        let shown = at_terminal(line);
        assert!(shown.contains(" 100% ") && shown.contains("random "), "{shown}");
        assert_eq!(lab.read("out"), "");
    }
    for line in [
        "-q put a random /root/",
        "get a /root/random back 2>err",
        "put a random /root/ --json >out",
    ] {
        assert_eq!(at_terminal(line), "", "{line}");
    }
}
