//! Which config file a command uses, and which of its VMs.

use super::one_vm;
use crate::harness::{Lab, vm};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// The VM's directory, as `status` shows it.
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
    assert_eq!(dir_of(&variable.run()), dir("variable/.qqmgr/vm.a"));
    let named = lab.qqmgr("-c ../named.toml status a --json").cwd("near");
    let named = named.env("QQMGR_CONFIG", lab.path("variable/v.toml")).run();
    assert_eq!(dir_of(&named), dir(".qqmgr/vm.a"));
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
fn a_directory_whose_name_is_no_text() {
    use std::os::unix::ffi::OsStrExt;
    let lab = Lab::empty();
    let dir = lab.path(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("qqmgr.toml"), one_vm()).unwrap();
    let outcome = lab.qqmgr("start a --dry-run").cwd(&dir).run();
    let stderr = String::from_utf8_lossy(&outcome.code(3).stdout("").stderr).into_owned();
    assert!(stderr.ends_with("its path is not UTF-8\n"), "{outcome}");
}

#[test]
fn no_file_at_all() {
    let lab = Lab::empty();
    lab.qqmgr("list").run().expect(
        3,
        "",
        "error: no config file found\n\
         hint: create one (`qqmgr init`) or name one (-c FILE); searched: [DIR] and its parents, \
         [DIR]/home/.config/qqmgr/conf.toml\n",
    );
    lab.qqmgr("list -c nope.toml").run().expect(
        3,
        "",
        "error: can't read the config file \"nope.toml\": No such file or directory\n",
    );
    lab.qqmgr("list --json -c nope.toml").run().expect(
        3,
        "{\"error\":{\"code\":\"config_unreadable\",\"message\":\"can't read the config file \
         \\\"nope.toml\\\": No such file or directory\",\"hint\":null,\
         \"location\":null}}\n",
        "",
    );
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
         hint: the VMs are: build-box, web\n",
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
        "error: there is no VM `a` in \"[DIR]/qqmgr.toml\"\nhint: the config defines no VMs\n",
    );
    lab.qqmgr("list --json").run().ok("[]\n");
}

/// Another user who could have written it could run any program.
#[test]
fn a_strangers_file_above_is_refused() {
    let lab = Lab::new(&one_vm());
    lab.write("sub/file", "");
    let file = lab.path("qqmgr.toml");
    let dir = file.parent().unwrap();
    let set_mode = |mode| fs::set_permissions(dir, fs::Permissions::from_mode(mode)).unwrap();
    let refused = |reason: &str| {
        let said = format!(
            "error: the config file \"[DIR]/qqmgr.toml\" is not used: {reason}\n\
             hint: if you trust it, name it: qqmgr -c [DIR]/qqmgr.toml\n"
        );
        lab.qqmgr("list").cwd("sub").run().expect(3, "", &said);
        let json = lab.qqmgr("list --json").cwd("sub").run().code(3).json();
        assert_eq!(json["error"]["code"], "config_refused");
        lab.qqmgr("-c ../qqmgr.toml list").cwd("sub").run().code(0);
    };
    set_mode(0o777);
    refused("other users can write to its directory");
    // There only a file's owner can replace it.
    set_mode(0o1777);
    lab.qqmgr("list").cwd("sub").run().code(0);
    set_mode(0o755);
    lab.qqmgr("list").cwd("sub").run().code(0);
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&file, Some(65534), None).unwrap();
        refused("it belongs to another user (id 65534)");
    }
}
