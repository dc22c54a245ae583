//! Options that ssh refuses and keys that it can't use: found before a launch, and during a wait
//! for a login that can't succeed.

use crate::harness::{Lab, NO_GUEST, guest_file, guest_vm, vm};
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};

const REFUSED: &str = "\
error: VM `a`: ssh refuses `Compresion`: Bad configuration option: compresion
 --> [DIR]/qqmgr.toml:2:14
  |
2 | Compresion = true
  |              ^^^^
error: VM `a`: ssh refuses `serveraliveinterval`: invalid time value.
 --> [DIR]/qqmgr.toml:5:69
  |
5 | ssh = { port = 'auto', SendEnv = ['A'], serveraliveinterval = [\"5\", \"often\"] }
  |                                                                     ^^^^^^^
";

/// A VM without a guest, so no login is possible: a wait for one fails by the options alone.
fn refused() -> Lab {
    let forward = "-boot n -nic user,hostfwd=tcp:127.0.0.1:{{.vm.ssh.port}}-:22";
    let own = "SendEnv = ['A'], serveraliveinterval = [\"5\", \"often\"]";
    let vm = vm("a", &format!("{NO_GUEST} {forward}"));
    let vm = vm.replace("port = 2222", &format!("port = 'auto', {own}"));
    Lab::new(&format!("[ssh]\nCompresion = true\n{vm}"))
}

#[test]
fn waiting_for_a_login_with_options_that_are_refused() {
    let lab = refused();
    lab.qqmgr("start a --wait").run().expect(3, "", REFUSED);
    lab.qqmgr("wait a --for ssh").run().expect(3, "", REFUSED);
    lab.qqmgr("wait a --for file:/x").run().expect(3, "", REFUSED);
    let json = lab.qqmgr("wait a --for ssh --json").run().code(3).stderr("").json();
    assert_eq!(json["error"]["code"], "config_invalid");
    assert_eq!(json["error"]["errors"].as_array().unwrap().len(), 2);
    lab.qqmgr("kill a").run().code(0);
    let run = lab.qqmgr("run a -- true").run();
    let name = String::from_utf8_lossy(&run.stderr).split('`').nth(1).unwrap().to_owned();
    run.expect(125, "", &REFUSED.replace("`a`", &format!("`{name}`")));
    lab.nobody_is_left();
}

#[test]
fn a_guest_that_wants_a_key_which_is_not_there() {
    let config = guest_vm("a");
    let key = config.lines().find(|line| line.starts_with("IdentityFile")).unwrap().to_owned();
    let lab = Lab::new(&config.replace(&key, "IdentityFile = 'no-key'"));
    let json = lab.qqmgr("run a --json -- true").run().code(125).json();
    assert_eq!(json["error"]["code"], "config_invalid");
    let message = json["error"]["message"].as_str().unwrap();
    assert!(message.contains("/no-key does not exist, and ssh says: "), "{json}");
    assert!(message.contains("Permission denied"), "{json}");
    assert_eq!(json["error"]["location"]["line"], 11);
    lab.nobody_is_left();
    // One key that exists is enough.
    let both = format!("IdentityFile = ['no-key', {}]", key.split_once(" = ").unwrap().1);
    lab.write("qqmgr.toml", config.replace(&key, &both));
    lab.qqmgr("run a -- true").run().ok("");
}

/// Copies the guest's key into the laboratory, with this mode.
fn key_with_mode(lab: &Lab, mode: u32) {
    let key = lab.write("key", std::fs::read(guest_file("id_ed25519")).unwrap());
    std::fs::set_permissions(key, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_key_that_is_open_to_others() {
    let config = guest_vm("a").replace(&guest_file("id_ed25519"), "{{.config_dir}}/key");
    let lab = Lab::new(&config);
    key_with_mode(&lab, 0o644);
    let key = lab.path("key").display().to_string();
    let what = format!("the IdentityFile {key} is open to other users, so ssh ignores it");
    let found = lab.qqmgr("check --json").run().code(0).json();
    let finding = &found["findings"][0];
    assert_eq!(finding["code"], "ssh_key_open", "{found}");
    assert_eq!(finding["message"], what);
    assert_eq!(finding["hint"], format!("chmod 600 {key}"));
    assert_eq!(finding["location"]["line"], 11);
    let failed = lab.qqmgr("start a --wait --json").run().code(3).json();
    let message = failed["error"]["message"].as_str().unwrap();
    assert!(message.starts_with(&format!("VM `a`: {what}, and ssh says: ")), "{failed}");
    assert!(message.contains(": Permission denied (publickey"), "{failed}");
    assert_eq!(message.lines().count(), 1, "{failed}");
    assert_eq!(failed["error"]["hint"], format!("chmod 600 {key}"));
    key_with_mode(&lab, 0o600);
    lab.qqmgr("wait a --for ssh").run().code(0);
    assert_eq!(lab.qqmgr("check --json").run().code(0).json()["warnings"], 0);
    lab.qqmgr("stop a").run().code(0);
}

#[test]
fn keys_that_can_not_be_read_and_public_ones() {
    let keys = "port = 2222, HostName = 'h', IdentityFile = ['{{.config_dir}}/loop', '{{.config_dir}}/key.pub']";
    let lab = Lab::new(&vm("a", &format!("{NO_GUEST} -boot n")).replace("port = 2222", keys));
    symlink("loop", lab.path("loop")).unwrap();
    let public = lab.write("key.pub", "ssh-ed25519 AAAA nobody\n");
    std::fs::set_permissions(public, Permissions::from_mode(0o644)).unwrap();
    let json = lab.qqmgr("check --json").run().code(0).json();
    let findings = json["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{json}");
    assert_eq!(findings[0]["code"], "ssh_key_unreadable");
    let message = findings[0]["message"].as_str().unwrap();
    assert!(message.contains("/loop can't be read: Too many levels"), "{json}");
}

#[test]
fn check_finds_both() {
    let lab = refused();
    let found = |line: &str, code: i32| {
        let json = lab.qqmgr(line).run().code(code).json();
        let finding = |finding: &serde_json::Value| {
            let text = |key: &str| finding[key].as_str().unwrap().to_owned();
            (text("code"), text("message"), finding["location"]["line"].as_u64().unwrap())
        };
        json["findings"].as_array().unwrap().iter().map(finding).collect::<Vec<_>>()
    };
    let finding = |code: &str, message: &str, line| (code.to_owned(), message.to_owned(), line);
    assert_eq!(
        found("check --json", 1),
        [
            finding(
                "ssh_option_refused",
                "ssh refuses `Compresion`: Bad configuration option: compresion",
                2
            ),
            finding(
                "ssh_option_refused",
                "ssh refuses `serveraliveinterval`: invalid time value.",
                5
            ),
        ]
    );
    let key = "[ssh]\nIdentityFile = ['/dev/null', '{{.config_dir}}/no-key', '~/.ssh/no-such-key-of-qqmgr']\n";
    let config = lab.read("qqmgr.toml").replace("[ssh]\nCompresion = true\n", key);
    lab.write("qqmgr.toml", config.replace(", \"often\"", ""));
    let no_key = lab.path("no-key").display().to_string();
    // `~` is the home directory in the user database; in a test, `$HOME` is another one.
    let users =
        lab.program("getent").args(["passwd", &rustix::process::getuid().as_raw().to_string()]);
    let users = users.run().code(0).text();
    let (home, own) = (users.split(':').nth(5).unwrap(), lab.path("home").display().to_string());
    let elsewhere = format!(
        "~/.ssh/no-such-key-of-qqmgr does not exist: to ssh, ~ is {home}, not $HOME ({own})"
    );
    assert_eq!(
        found("check --json", 0),
        [format!("{no_key} does not exist"), elsewhere]
            .map(|what| { finding("ssh_key_missing", &format!("the IdentityFile {what}"), 2) })
    );
    assert!(lab.processes().is_empty() && !lab.path(".qqmgr").exists());
}
