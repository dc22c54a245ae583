//! The runtime directory: where it is, and the errors if it can't be used.

use crate::harness::{Lab, NO_GUEST, vm};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

/// The VM's directory, as `status` prints it.
fn dir(lab: &Lab, line: &str) -> String {
    let json = lab.qqmgr(line).run().code(0).json();
    json["dir"].as_str().unwrap().replace(lab.path("").to_str().unwrap().trim_end_matches('/'), "")
}

#[test]
fn it_follows_from_the_config_file() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.write("b.toml", vm("a", NO_GUEST));
    assert_eq!(dir(&lab, "status a --json"), "/.qqmgr/vm.a");
    assert_eq!(dir(&lab, "-c b.toml status a --json"), "/.qqmgr/vm.a");
    // The user's own config may be a link to a file elsewhere.
    lab.write("store/conf.toml", vm("a", NO_GUEST));
    fs::create_dir_all(lab.path("home/.config/qqmgr")).unwrap();
    symlink(lab.path("store/conf.toml"), lab.path("home/.config/qqmgr/conf.toml")).unwrap();
    let users = "/home/.config/qqmgr/vm.a";
    assert_eq!(dir(&lab, "-c home/.config/qqmgr/conf.toml status a --json"), users);
    assert_eq!(dir(&lab, "-c store/conf.toml status a --json"), users);
    fs::remove_file(lab.path("home/.config/qqmgr/conf.toml")).unwrap();
    assert_eq!(dir(&lab, "-c store/conf.toml status a --json"), "/store/.qqmgr/vm.a");
}

#[test]
fn the_key_and_the_environment_name_another() {
    let key = |value: &str| format!("runtime_dir = '{value}'\n{}", vm("a", NO_GUEST));
    let lab = Lab::new(&key("{{.env.PLACE}}/x/y"));
    let status = |place: &str| lab.qqmgr("status a --json").env("PLACE", place).run();
    assert_eq!(status("relative").json()["dir"], lab.path("relative/x/y/vm.a").to_str().unwrap());
    let place = lab.path("place");
    lab.qqmgr("start a").env("PLACE", &place).run().code(0);
    assert!(place.join("x/y/vm.a/pid").is_file());
    assert_eq!(status(place.to_str().unwrap()).json()["state"], "running");
    // A VM can be stopped even if the file has errors elsewhere.
    lab.write("qqmgr.toml", key("{{.env.PLACE}}/x/y") + "nonsense = 1\n");
    lab.qqmgr("stop a --force").env("PLACE", &place).run().code(0);
    assert!(!place.join("x/y/vm.a/pid").exists());

    lab.write("qqmgr.toml", key("{{.vm.name}}"));
    lab.qqmgr("status a").run().expect(
        3,
        "",
        "error: `runtime_dir` can't use `{{.vm.name}}`\n \
         --> [DIR]/qqmgr.toml:1:16\n  \
         |\n\
         1 | runtime_dir = '{{.vm.name}}'\n  \
         |                ^^^^^^^^^^^^\n  \
         |\n  \
         = help: use {{.config_dir}} or {{.env.NAME}}\n",
    );
    let of_env = |value: &str| lab.qqmgr("status a --json").env("QQMGR_RUNTIME_DIR", value).run();
    let given = lab.path("given");
    assert_eq!(of_env(given.to_str().unwrap()).json()["dir"], given.join("vm.a").to_str().unwrap());
    let json = of_env("given").code(3).json();
    assert_eq!(json["error"]["code"], "runtime_dir_invalid", "{json}");
}

#[test]
fn a_vm_that_runs_where_an_earlier_qqmgr_put_it() {
    let lab = Lab::empty();
    lab.write("vms/b.toml", vm("a", NO_GUEST) + &vm("stray", NO_GUEST));
    let old = lab.path("vms");
    lab.qqmgr("-c vms/b.toml start --all").env("QQMGR_RUNTIME_DIR", &old).run().code(0);
    lab.write("vms/b.toml", vm("a", NO_GUEST));
    assert_eq!(dir(&lab, "-c vms/b.toml status a --json"), "/vms/vm.a");
    let started = lab.qqmgr("-c vms/b.toml start a --json").run().code(0).json();
    assert_eq!(started["already_running"], true);
    let list = lab.qqmgr("-c vms/b.toml list --json").run().code(0).json();
    let running: Vec<_> = list.as_array().unwrap().iter().map(|vm| &vm["state"]).collect();
    assert_eq!(running, ["running", "running"], "{list}");
    lab.qqmgr("-c vms/b.toml gc")
        .run()
        .ok("stopped: none\nremoved: none\nnot in the config, but running: stray\n\
         running in the old directory, [DIR]/vms: a, stray\n");
    lab.qqmgr("-c vms/b.toml stop a stray --force").run().code(0);
    // The next start uses the new place.
    lab.qqmgr("-c vms/b.toml start a").run().code(0);
    assert_eq!(dir(&lab, "-c vms/b.toml status a --json"), "/vms/.qqmgr/vm.a");
}

#[test]
fn the_vm_of_another_config_file_is_left_alone() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.write("b.toml", vm("a", NO_GUEST));
    lab.qqmgr("start a").run().code(0);
    for line in ["start a", "stop a", "kill a", "wait a --for running", "ssh a true"] {
        let outcome = lab.qqmgr(&format!("-c b.toml {line}")).run();
        let code = if line.starts_with("ssh") { 125 } else { 4 };
        outcome.expect(
            code,
            "",
            "error: VM `a` of another config file runs there (pid [PID]): \"[DIR]/qqmgr.toml\" started it\n\
             hint: use that config: qqmgr -c [DIR]/qqmgr.toml status a; or set a `runtime_dir` in each\n",
        );
    }
    assert_eq!(lab.qqmgr("-c b.toml status a --json").run().code(0).json()["state"], "foreign");
    lab.qqmgr("-c b.toml gc").run().ok("stopped: none\nremoved: none\n");
    lab.qqmgr("-c b.toml check a").run().code(0);
    lab.status_is_true("a");
    // A renamed file counts as the same config.
    fs::rename(lab.path("qqmgr.toml"), lab.path("c.toml")).unwrap();
    lab.qqmgr("-c c.toml stop a --force").run().code(0);
}

/// Runs qqmgr with its working directory mounted read-only. Any user can do that, as root of a user
/// namespace.
fn read_only(lab: &Lab, line: &str) -> crate::harness::Run {
    let script =
        "mount --bind . . && mount -o remount,ro,bind . && cd \"$PWD\" && exec \"$0\" \"$@\"";
    let own = ["--map-root-user", "--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_qqmgr")];
    lab.program("unshare").args(own).args(line.split(' '))
}

#[test]
fn a_read_only_place() {
    let lab = Lab::empty();
    let cmd = "-netdev user,id=n,hostfwd=tcp:127.0.0.1:{{.vm.ssh.port}}-:22";
    let config = vm("a", &format!("{NO_GUEST} {cmd}")).replace("2222", "'auto'");
    lab.write("ro/qqmgr.toml", config);
    let said = "error: VM `a` did not start: can't make \"[DIR]/ro/.qqmgr\": Read-only file system\n\
                hint: to use another directory, set `runtime_dir = \"...\"` at the top of the config, or $QQMGR_RUNTIME_DIR\n";
    let in_it = |line: &str| read_only(&lab, line).cwd("ro");
    in_it("start a").run().expect(1, "", said);
    in_it("run a -- true").run().expect(125, "", said);
    let found = in_it("check a --json").run().code(1).json();
    assert_eq!(found["findings"][0]["code"], "runtime_dir_unusable", "{found}");
    let message = found["findings"][0]["message"].as_str().unwrap();
    assert!(message.ends_with("/ro: Read-only file system"), "{message}");
    let place = lab.path("place");
    in_it("check a").env("QQMGR_RUNTIME_DIR", &place).run().code(0);
    in_it("start a").env("QQMGR_RUNTIME_DIR", &place).run().code(0);
    lab.qqmgr("-c ro/qqmgr.toml stop a --force").env("QQMGR_RUNTIME_DIR", &place).run().code(0);
}

#[test]
fn a_place_without_sockets() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    // QEMU can't put a socket where there is a directory.
    fs::create_dir_all(lab.vm_file("a", "monitor.socket")).unwrap();
    fs::set_permissions(lab.path(".qqmgr"), Permissions::from_mode(0o700)).unwrap();
    let json = lab.qqmgr("start a --json").run().code(1).json();
    assert_eq!(json["error"]["code"], "runtime_dir_unusable", "{json}");
    assert!(json["error"]["hint"].as_str().unwrap().contains("$QQMGR_RUNTIME_DIR"), "{json}");
}
