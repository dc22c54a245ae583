//! Only the user can access the runtime directory.

use crate::harness::{Lab, NO_GUEST, guest_vm, vm};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

/// Every entry below a directory that other users can access.
fn open_to_others(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        // A process that ends removes its socket.
        let Ok(metadata) = entry.path().symlink_metadata() else { continue };
        if metadata.mode() & 0o077 != 0 {
            found.push(format!("{:?} {:o}", entry.path(), metadata.mode()));
        }
        if metadata.is_dir() {
            found.extend(open_to_others(&entry.path()));
        }
    }
    found
}

#[test]
fn everything_in_it_is_closed_to_others() {
    let lab = Lab::new(&guest_vm("a"));
    let shell = |line: &str| {
        let binary = env!("CARGO_BIN_EXE_qqmgr");
        lab.program("sh").args(["-c", &format!("umask 0; exec {binary} {line}")]).run()
    };
    shell("start a --wait").code(0);
    shell("ssh a true").code(0);
    assert_eq!(lab.path(".qqmgr").metadata().unwrap().mode() & 0o7777, 0o700);
    assert_eq!(open_to_others(&lab.path(".qqmgr")), [""; 0]);
    assert_eq!(open_to_others(&lab.path("run")), [""; 0]);
    shell("stop a").code(0);
    assert_eq!(open_to_others(&lab.path(".qqmgr")), [""; 0]);
}

#[test]
fn an_open_directory_is_closed() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    fs::create_dir_all(lab.vm_file("a", "")).unwrap();
    for dir in [lab.path(".qqmgr"), lab.vm_file("a", "")] {
        fs::set_permissions(dir, Permissions::from_mode(0o777)).unwrap();
    }
    lab.qqmgr("start a").run().code(0);
    assert_eq!(lab.path(".qqmgr").metadata().unwrap().mode() & 0o7777, 0o700);
    assert_eq!(lab.vm_file("a", "").metadata().unwrap().mode() & 0o7777, 0o700);
}

#[test]
fn a_directory_of_the_users_stays_as_it_is() {
    let lab = Lab::empty();
    lab.write("vms/other.toml", vm("a", NO_GUEST));
    fs::set_permissions(lab.path("vms"), Permissions::from_mode(0o755)).unwrap();
    lab.qqmgr("-c vms/other.toml start a").run().code(0);
    assert_eq!(lab.path("vms").metadata().unwrap().mode() & 0o7777, 0o755);
    assert_eq!(lab.path("vms/.qqmgr/vm.a").metadata().unwrap().mode() & 0o7777, 0o700);
}

#[test]
fn a_runtime_directory_that_is_a_symlink_is_refused() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    fs::create_dir(lab.path("elsewhere")).unwrap();
    symlink("elsewhere", lab.path(".qqmgr")).unwrap();
    lab.qqmgr("start a").run().expect(
        1,
        "",
        "error: can't use the runtime directory \"[DIR]/.qqmgr\": it is a symlink, or not a directory\n\
         hint: move it away, or set another one: `runtime_dir = \"...\"` in the config, or $QQMGR_RUNTIME_DIR\n",
    );
    assert_eq!(fs::read_dir(lab.path("elsewhere")).unwrap().count(), 0, "nothing was written");
}

#[track_caller]
fn assert_refused(lab: &Lab, reason: &str) {
    let error = format!(
        "error: can't use the runtime directory \"[DIR]/.qqmgr/vm.a\": it {reason}\n\
         hint: move it away, or set another one: `runtime_dir = \"...\"` in the config, or $QQMGR_RUNTIME_DIR\n"
    );
    for line in ["start a", "status a", "stop a"] {
        lab.qqmgr(line).run().expect(1, "", &error);
    }
    lab.qqmgr("ssh a true").run().expect(125, "", &error);
    let json = lab.qqmgr("status a --json").run().code(1).json();
    assert_eq!(json["error"]["code"], "runtime_dir_refused");
    assert_eq!(lab.qqmgr("list --json").run().code(0).json()[0]["state"], "unknown");
    let told = "VM `a`: can't use the runtime directory \"[DIR]/.qqmgr/vm.a\": it ";
    lab.qqmgr("list").run().code(0).stderr(&format!("{told}{reason}\n"));
    assert!(lab.processes().is_empty());
}

#[test]
fn a_symlink_is_refused() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.write("elsewhere/file", "");
    fs::create_dir(lab.path(".qqmgr")).unwrap();
    symlink("../elsewhere", lab.path(".qqmgr/vm.a")).unwrap();
    assert_refused(&lab, "is a symlink, or not a directory");
    assert_eq!(fs::read_dir(lab.path("elsewhere")).unwrap().count(), 1, "nothing was written");
}

#[test]
fn a_file_is_refused() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.write(".qqmgr/vm.a", "");
    assert_refused(&lab, "is a symlink, or not a directory");
}

#[test]
fn somebody_elses_is_refused() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    fs::create_dir_all(lab.vm_file("a", "")).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(lab.vm_file("a", ""), Some(12345), Some(12345)).unwrap();
        return assert_refused(&lab, "belongs to another user (id 12345)");
    }
    // Only root can give a directory away; but in our user namespace, root's files are nobody's.
    let line = "mount --bind /usr .qqmgr/vm.a && exec \"$0\" start a";
    let unshare = ["-rm", "sh", "-c", line, env!("CARGO_BIN_EXE_qqmgr")];
    let refused = lab.program("unshare").args(unshare).run();
    refused.code(1);
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert!(stderr.contains("it belongs to another user (id 65534)"), "{refused}");
}

#[test]
fn somebody_elses_is_refused_where_it_can_not_even_be_read() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    fs::create_dir_all(lab.vm_file("a", "")).unwrap();
    fs::set_permissions(lab.path(".qqmgr"), Permissions::from_mode(0o700)).unwrap();
    if std::os::unix::fs::chown(lab.path(".qqmgr"), Some(12345), Some(12345)).is_err() {
        return eprintln!("skipped: only root can give a directory away");
    }
    // A root that may read no more than others may.
    let caps = ["--bounding-set", "-dac_override,-dac_read_search"];
    let qqmgr = |line: &str| {
        let setpriv = lab.program("setpriv").args(caps).args([env!("CARGO_BIN_EXE_qqmgr")]);
        setpriv.args(line.split(' ')).run()
    };
    for line in ["start a", "status a", "list", "stop --all", "gc"] {
        qqmgr(line).expect(
            1,
            "",
            "error: can't use the runtime directory \"[DIR]/.qqmgr\": it belongs to another user (id \
             12345)\nhint: move it away, or set another one: `runtime_dir = \"...\"` in the config, or \
             $QQMGR_RUNTIME_DIR\n",
        );
    }
    let found = qqmgr("check a --json").code(1).json();
    assert_eq!(found["findings"][0]["code"], "runtime_dir_unusable", "{found}");
    let message = found["findings"][0]["message"].as_str().unwrap();
    assert!(message.ends_with("/.qqmgr: it belongs to another user (id 12345)"), "{message}");
}

#[test]
fn logs_do_not_follow_symlinks() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    let precious = lab.write("precious", "keep me");
    fs::create_dir_all(lab.vm_file("a", "")).unwrap();
    for name in ["serial", "stdout", "stderr"] {
        let _ = fs::remove_file(lab.vm_file("a", name));
        symlink(&precious, lab.vm_file("a", name)).unwrap();
        let outcome = lab.qqmgr("start a").run();
        outcome.code(0);
        assert_eq!(lab.read("precious"), "keep me", "{outcome}");
        assert!(!lab.vm_file("a", name).is_symlink(), "{name} is a new file");
        lab.qqmgr("stop a --force").run().code(0);
    }
}
