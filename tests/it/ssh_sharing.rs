//! Which sessions share a connection, and which must not.

use crate::harness::{Lab, NO_GUEST, guest_vm, until, vm};

/// What needs a connection of its own gets that, unless it is said what is to be shared.
#[test]
fn options_that_a_shared_connection_does_not_heed() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.qqmgr("start a").run().code(0);
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
    // A server that is busy may hang up on a new connection before it says anything.
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

    // Another config is another way in.
    lab.write("qqmgr.toml", config.replace("\"root\"", "\"nobody\""));
    denied("ssh a true");
    lab.qqmgr("wait a --for ssh --timeout 1s").run().code(5).stdout("");
    lab.write("qqmgr.toml", config.clone() + "Compression = true\n");
    lab.qqmgr("wait a --for ssh").run().code(0);
    let second = lab.qqmgr("ssh a 'echo $SSH_CONNECTION'").run().code(0).text();
    assert_ne!(second, first);
    lab.write("qqmgr.toml", &config);
    assert_eq!(lab.qqmgr("ssh a 'echo $SSH_CONNECTION'").run().code(0).text(), first);

    // All of them end with the boot that they lead to, though they would stay for ever.
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
