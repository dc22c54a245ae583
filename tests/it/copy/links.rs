//! Symbolic links in directories: scp follows them, and `--links` keeps them.

use crate::harness::{Lab, NO_GUEST, vm};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

/// What docs/ssh.md says about symbolic links in directories.
pub fn followed(lab: &Lab) {
    lab.write("linked/dir/file", "1");
    lab.write("linked/file", "2");
    for (target, link) in [("file", "to-file"), ("dir", "to-dir"), ("nowhere", "to-nowhere")] {
        symlink(target, lab.path("linked").join(link)).unwrap();
    }
    let outcome = lab.qqmgr("put a linked /root/linked").run();
    let stderr = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert!(stderr.contains("to-nowhere"), "{outcome}");
    assert!(outcome.code != 0 && outcome.code != 125, "{outcome}");
    // An older scp skips a link to a directory and says so, a newer one follows it.
    let followed = if stderr.contains("to-dir") { "" } else { "./to-dir/file\n" };
    lab.qqmgr("ssh a 'cd /root/linked && find . -type f | sort; find . -type l'")
        .run()
        .ok(&format!("./dir/file\n./file\n{followed}./to-file\n"));
    let tar =
        format!("tar -C linked -c . | {} ssh a tar -C /root/tar -x", env!("CARGO_BIN_EXE_qqmgr"));
    lab.qqmgr("ssh a mkdir /root/tar").run().ok("");
    lab.program("sh").args(["-c", &tar]).run().ok("");
    lab.qqmgr("ssh a 'cd /root/tar && find . -type l | sort'")
        .run()
        .ok("./to-dir\n./to-file\n./to-nowhere\n");
}

/// `--links` keeps them; all other rules of cp hold too.
pub fn kept(lab: &Lab) {
    let all = "./dir/file\n./file\n./to-dir -> dir\n./to-file -> file\n./to-nowhere -> nowhere\n";
    let list = r#"find . ! -type d | sort | while read x; do
        if [ -L "$x" ]; then echo "$x -> $(readlink "$x")"; else echo "$x"; fi; done"#;
    let there = |dir: &str| {
        lab.qqmgr("").args(["ssh", "a", &format!("cd {dir} && {list}")]).run().code(0).text()
    };
    let here = |dir: &str| lab.program("sh").args(["-c", list]).cwd(dir).run().code(0).text();
    assert_eq!(here("linked"), all);
    fs::set_permissions(lab.path("linked"), fs::Permissions::from_mode(0o750)).unwrap();
    // To a new name, again to that name, into a directory, and several sources.
    for (line, target) in [
        ("put a --links linked /root/l1", "/root/l1"),
        ("put --links a linked/ /root/l1", "/root/l1/linked"),
        ("put a linked/. \"/root/l 2/\" --links", "'/root/l 2'"),
        ("put a --links linked file '~'", "/root/linked"),
    ] {
        lab.qqmgr(line).run().ok("");
        assert_eq!(there(&format!("{target} && rm -rf linked")), all, "{line}");
    }
    lab.qqmgr("ssh a 'stat -c %a /root/l1; cat /root/file'").run().ok("750\nf");
    lab.qqmgr("put a --links linked /root/l1").run().ok("");
    lab.qqmgr("get a --links /root/l1/linked back1").run().ok("");
    assert_eq!(here("back1"), all);
    assert_eq!(lab.path("back1").metadata().unwrap().permissions().mode() & 0o777, 0o750);
    fs::create_dir(lab.path("back2")).unwrap();
    lab.qqmgr("get a --links '/root/l?1/*' /root/file back2").run().code(1);
    let report = "{\"exit_code\":0,\"stdout\":\"\",\"stderr\":\"\"}\n";
    lab.qqmgr("get a --links '/root/l[1]/l*' '/root/l 2' /root/file back2 --json").run().ok(report);
    for (dir, expected) in [("back2/linked", all), ("back2/l 2", all)] {
        assert_eq!(here(dir), expected, "{dir}");
    }
    assert_eq!(lab.read("back2/file"), "f");
    for (line, code, said) in [
        ("put a --links linked file /root/none", 1, "/root/none: Not a directory\n"),
        (
            "put a --links linked /root/none/x",
            1,
            "mkdir: can't create directory '/root/none/x': No such file or directory\n",
        ),
        ("put a --links - /root/x", 2, "error: `-` is a stream, but --links copies directories\n"),
        ("get a --links /root/l1 -", 2, "error: `-` is a stream, but --links copies directories\n"),
        (
            "put a --links nope /root/x",
            125,
            "error: can't copy \"nope\": No such file or directory\n",
        ),
        (
            "get a --links /root/l1 /root/file none",
            125,
            "error: can't copy to \"none\": No such file or directory\n",
        ),
    ] {
        let outcome = lab.qqmgr(line).run();
        let stderr = String::from_utf8_lossy(&outcome.code(code).stdout("").stderr).into_owned();
        assert!(stderr.starts_with(said), "{outcome}");
    }
}

#[test]
fn a_guest_without_tar() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.qqmgr("start a").run().code(0);
    // A shell as in a guest that has no other program.
    lab.script(
        "bin/ssh",
        "for line; do :; done; PATH=guest; export PATH; exec /bin/sh -c \"$line\"",
    );
    fs::create_dir(lab.path("guest")).unwrap();
    symlink("/bin/sh", lab.path("guest/sh")).unwrap();
    let path = std::env::join_paths([lab.path("bin"), "/usr/bin".into(), "/bin".into()]).unwrap();
    lab.write("tree/file", "");
    for line in ["put a --links tree there", "get a --links tree back"] {
        lab.qqmgr(line).env("PATH", &path).run().expect(
            125,
            "",
            "error: VM `a`: the guest has no `tar`, which --links needs\n\
             hint: without --links, scp copies the files that links point to\n",
        );
        let json = lab.qqmgr(line).env("PATH", &path).args(["--json"]).run();
        assert_eq!(json.code(125).stderr("").json()["error"]["code"], "no_tar");
    }
    assert!(!lab.path("there").exists() && !lab.path("back").exists());
}

#[test]
fn a_guest_that_names_what_it_was_not_asked_for() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.qqmgr("start a").run().code(0);
    lab.script("bin/ssh", "printf 'd/x/a.log\\0d/x/.ssh\\0'");
    let path = std::env::join_paths([lab.path("bin"), "/usr/bin".into(), "/bin".into()]).unwrap();
    lab.qqmgr("get a --links '/x/*' .").env("PATH", &path).run().expect(
        125,
        "",
        "error: VM `a`: `/x/.ssh` was not copied: the guest sent a path that was not asked for\n",
    );
    assert!(!lab.path(".ssh").exists() && !lab.path("a.log").exists());
}
