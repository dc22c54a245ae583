//! Which sessions share a connection, and which must not.

use crate::harness::{Lab, NO_GUEST, guest_vm, until, vm};
use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown, symlink};

/// A session that needs its own connection gets one, unless the user says what to share.
#[test]
fn options_that_a_shared_connection_does_not_heed() {
    let lab = Lab::running();
    lab.script("bin/ssh", "/usr/bin/ssh -G \"$@\"");
    let path = std::env::join_paths([lab.path("bin"), "/usr/bin".into(), "/bin".into()]).unwrap();
    let is_shared = |args: &str| {
        let settings = lab.qqmgr(&format!("ssh a {args}")).env("PATH", &path).run().text();
        settings.lines().any(|line| line.starts_with("controlpath /"))
    };
    for own in [
        "-N",
        "-L 8080:localhost:80",
        "-vTNL8080:localhost:80",
        "-p 22 -R 8080 true",
        "-D8080 -- true",
        "-w 0:0 true",
        "-fN",
        "-i N -f true",
        "-o LocalForward='8080 localhost:80' true",
        "-o 'sessiontype none'",
        "-l nobody true",
        "-vtlT true",
        "-i key true",
        "-p 22 true",
        "-J jump true",
        "-b 127.0.0.2 true",
        "-A true",
        "-c aes128-ctr true",
        "-o User=f true",
        "-o 'IDENTITYFILE key' true",
        "-oPreferredAuthentications=password true",
        "-oServerAliveInterval=5 true",
        "-t true",
    ] {
        assert!(!is_shared(own), "{own}");
    }
    for shared in [
        "",
        "true -N",
        "-- ls -L",
        "-S /x -N",
        "-S /x -l nobody",
        "-O check -L 8080:localhost:80",
        "-NL 8080:localhost:80 -oControlPath=/x",
    ] {
        assert!(is_shared(shared), "{shared}");
    }
    lab.write("qqmgr.toml", "[ssh]\ncontrolpath = \"/x\"\n".to_owned() + &vm("a", NO_GUEST));
    assert!(is_shared("-N"));
}

#[test]
fn nobody_gets_in_over_the_connection_of_another() {
    let config = guest_vm("a") + "ControlPersist = \"yes\"\n";
    let lab = Lab::new(&config);
    lab.qqmgr("start a --wait").run().code(0);
    // A busy server may close a new connection before it sends anything.
    let denied = |line: &str| {
        until("the login is denied", || {
            let outcome = lab.qqmgr(line).run();
            let said = String::from_utf8_lossy(&outcome.code(255).stdout("").stderr);
            said.starts_with("nobody@127.0.0.1: Permission denied").then_some(())
        });
    };
    for line in ["-l nobody", "-o User=nobody", "-oBatchMode=yes -l nobody"] {
        denied(&format!("ssh a {line} true"));
    }
    lab.write("config", lab.qqmgr("ssh-config a").run().code(0).text());
    let plain = |destination: &str| {
        lab.program("ssh").args(["-F", "config", destination, "echo $SSH_CONNECTION"]).run()
    };
    let first = plain("a").code(0).text();
    assert_eq!(lab.qqmgr("ssh a 'echo $SSH_CONNECTION'").run().code(0).text(), first);
    plain("nobody@a").code(255).stdout("");

    // Another config gets another connection.
    lab.write("qqmgr.toml", config.replace("\"root\"", "\"nobody\""));
    denied("ssh a true");
    lab.qqmgr("wait a --for ssh --timeout 1s").run().code(5).stdout("");
    lab.write("qqmgr.toml", config.clone() + "Compression = true\n");
    lab.qqmgr("wait a --for ssh").run().code(0);
    let second = lab.qqmgr("ssh a 'echo $SSH_CONNECTION'").run().code(0).text();
    assert_ne!(second, first);
    lab.write("qqmgr.toml", &config);
    assert_eq!(lab.qqmgr("ssh a 'echo $SSH_CONNECTION'").run().code(0).text(), first);

    // All of them end with the boot that they belong to, though they would stay forever.
    let masters = || {
        let is_master = |arg: &String| arg.starts_with("ssh: ") && arg.contains("[mux]");
        let processes = lab.processes().into_iter();
        processes.filter(|process| process.args.iter().any(is_master)).count()
    };
    assert_eq!(masters(), 2, "{:?}", lab.processes());
    lab.qqmgr("restart a --reset").run().code(0);
    until("the shared connections have ended", || (masters() == 0).then_some(()));
    lab.qqmgr("stop a --force").run().code(0);
    lab.nobody_is_left();
}

/// A printed block still works after the directory of its sockets was removed, as at a logout. It
/// shares a connection again as soon as possible.
#[test]
fn a_block_outlives_the_directory_of_the_shared_connection() {
    let lab = Lab::new(&guest_vm("a"));
    lab.qqmgr("start a --wait").run().code(0);
    lab.write("config", lab.qqmgr("ssh-config a").run().code(0).stderr("").text());
    let ssh = |args: &[&str]| lab.program("ssh").args(["-F", "config"]).args(args).run();
    let forget = || {
        ssh(&["-O", "exit", "a"]);
        fs::remove_dir_all(lab.path("run/qqmgr")).unwrap();
    };
    forget();
    ssh(&["a", "echo in"]).ok("in\n");
    ssh(&["-O", "check", "a"]).code(0);
    assert_eq!(lab.path("run/qqmgr").metadata().unwrap().mode() & 0o777, 0o700);
    forget();
    lab.qqmgr("ssh a echo in").run().ok("in\n");
    ssh(&["-O", "check", "a"]).code(0);

    // The directory can't be made, or is a symlink.
    forget();
    fs::remove_dir(lab.path("run")).unwrap();
    ssh(&["a", "echo in"]).ok("in\n");
    fs::DirBuilder::new().mode(0o700).create(lab.path("run")).unwrap();
    fs::create_dir(lab.path("else")).unwrap();
    symlink(lab.path("else"), lab.path("run/qqmgr")).unwrap();
    ssh(&["a", "echo in"]).ok("in\n");
    assert_eq!(fs::read_dir(lab.path("else")).unwrap().count(), 0);
    fs::remove_file(lab.path("run/qqmgr")).unwrap();
    lab.write("run/qqmgr", "");
    ssh(&["a", "echo in"]).ok("in\n");
    lab.qqmgr("stop a --force").run().code(0);
}

/// Without a directory for the shared connection, sessions work, and a note says why they are
/// slower.
#[test]
fn no_directory_for_the_shared_connection() {
    let lab = Lab::new(&guest_vm("a"));
    let dir = lab.path("run/qqmgr");
    lab.write("run/qqmgr", "");
    lab.write("file", "text");
    let note = |reason: &str| {
        format!(
            "note: sessions of VM `a` can't share a connection: can't use the runtime \
             directory \"[DIR]/run/qqmgr\": it {reason}\n"
        )
    };
    let is_none = note("is a symlink, or not a directory");
    lab.qqmgr("start a --wait").run().code(0).stderr("");
    lab.qqmgr("ssh a echo in").run().expect(0, "in\n", &is_none);
    lab.qqmgr("put a file /tmp/").run().expect(0, "", &is_none);
    lab.qqmgr("get a /tmp/file -").run().expect(0, "text", &is_none);
    lab.qqmgr("wait a --for file:/tmp/file").run().code(0).stderr("");
    lab.qqmgr("--json ssh a true").run().code(0).stderr("");
    let block = lab.qqmgr("ssh-config a").run();
    lab.write("config", block.code(0).stderr(&is_none).text());
    lab.program("ssh").args(["-F", "config", "a", "echo in"]).run().ok("in\n");
    // A `ControlPath` in the config needs no directory of qqmgr.
    let own = guest_vm("a") + "ControlPath = \"{{.config_dir}}/own\"\n";
    lab.write("qqmgr.toml", own);
    lab.qqmgr("ssh a echo in").run().ok("in\n");
    lab.qqmgr("ssh a -O exit").run().code(0);
    lab.write("qqmgr.toml", guest_vm("a"));

    fs::remove_file(&dir).unwrap();
    fs::create_dir(&dir).unwrap();
    if chown(&dir, Some(12345), None).is_err() {
        eprintln!("skipped: only root can give a directory to somebody else");
    } else {
        lab.qqmgr("ssh a echo in").run().expect(
            0,
            "in\n",
            &note("belongs to another user (id 12345)"),
        );
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
    }
    lab.qqmgr("stop a --force").run().code(0);
}
