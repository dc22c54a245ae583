//! `put` and `get`: cp's rules and binary streams, on a real guest.

use crate::harness::{Lab, guest_vm};
use std::fs;

#[test]
fn files_directories_and_streams() {
    let lab = Lab::new(&guest_vm("a"));
    lab.qqmgr("start a --wait").run().code(0);
    streams(&lab);
    names(&lab);
    directories(&lab);
    failures(&lab);
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

fn directories(lab: &Lab) {
    lab.write("tree/one", "1");
    lab.write("tree/sub/two", "2");
    lab.write("file", "f");
    let find = |dir: &str| {
        lab.qqmgr(&format!("ssh a 'cd {dir} && find . -type f | sort'")).run().code(0).text()
    };
    lab.qqmgr("put a tree /root/new").run().ok("");
    assert_eq!(find("/root/new"), "./one\n./sub/two\n");
    lab.qqmgr("ssh a mkdir /root/old").run().ok("");
    lab.qqmgr("put a tree file /root/old").run().ok("");
    assert_eq!(find("/root/old"), "./file\n./tree/one\n./tree/sub/two\n");
    lab.qqmgr("get a /root/old fetched").run().ok("");
    assert_eq!(lab.read("fetched/tree/sub/two"), "2");
    fs::create_dir(lab.path("into")).unwrap();
    // Dropbear drops one in dozens of the sessions that scp opens back to back for several
    // sources on a shared connection: here each has its own.
    lab.write("qqmgr.toml", guest_vm("a") + "ControlPath = \"none\"\n");
    lab.qqmgr("get a /root/old '/root/new/*' into").run().ok("");
    lab.write("qqmgr.toml", guest_vm("a"));
    assert_eq!(lab.read("into/old/file"), "f");
    assert_eq!(lab.read("into/sub/two"), "2");
}

/// scp's own exit code for a failure depends on its version.
fn failures(lab: &Lab) {
    let outcome = lab.qqmgr("put a nope /root/").run();
    assert!(outcome.code != 0 && outcome.code != 125, "{outcome}");
    assert!(String::from_utf8_lossy(&outcome.stderr).contains("nope"), "{outcome}");
    let outcome = lab.qqmgr("get a /root/nope .").run();
    assert!(outcome.code != 0 && outcome.code != 125, "{outcome}");
    let code = outcome.code;
    let json = lab.qqmgr("get a --json /root/nope .").run().code(code).stderr("").json();
    assert_eq!(json["exit_code"], code);
    assert!(json["stderr"].as_str().unwrap().contains("nope"), "{json}");
    lab.qqmgr("get a /root/nope -").run().code(1).stdout("");
    lab.qqmgr("put a - /nope/x").stdin("x").run().code(1).stdout("");
    lab.qqmgr("put a - file /root/").run().expect(
        125,
        "",
        "error: `-` is standard input and can't be one of several\n",
    );
}
