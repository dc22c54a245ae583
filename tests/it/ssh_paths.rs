//! Paths in SSH options: ssh expands nothing in a variable's value, and relative paths begin at the
//! config's directory.

use crate::harness::{Lab, NO_GUEST, guest_file, guest_vm, vm};

/// A key in a directory whose name has characters that ssh would expand, and quotes.
#[test]
fn a_key_in_a_directory_with_an_odd_name() {
    let lab = Lab::empty();
    let dir = "feature%2Fx it's \"so\"";
    let file = |name: &str| format!("{dir}/{name}");
    let config = guest_vm("a").replace(&guest_file("id_ed25519"), "{{.config_dir}}/key");
    lab.write(file("qqmgr.toml"), &config);
    lab.write(file("sub/x"), "");
    let key = lab.path(file("key")).display().to_string();
    let copy = ["-m", "600", &guest_file("id_ed25519"), &key];
    lab.program("install").args(copy).run().code(0);
    let qqmgr = |line| lab.qqmgr(line).cwd(file("sub"));
    qqmgr("check a").run().ok("1 VM checked: no problems found\n");
    qqmgr("start a --wait").run().code(0).stderr("");
    qqmgr("ssh a echo in").run().ok("in\n");
    // A relative path begins at the config's directory, as in `cmd`.
    lab.write(file("qqmgr.toml"), config.replace("{{.config_dir}}/key", "key"));
    qqmgr("check a").run().ok("1 VM checked: no problems found\n");
    qqmgr("ssh a echo in").run().ok("in\n");
    qqmgr("stop a --force").run().code(0);
}

#[test]
fn what_ssh_expands_for_the_user() {
    let options = "IdentityFile = ['key', '~/k', '%d/k', '{{.percent}}%u', '${HOME}/k', '\"a b\"'], \
                   IdentityAgent = 'none', certificatefile = 'c d', \
                   UserKnownHostsFile = '{{.percent}}/k /l', User = '{{.percent}}'";
    let vm = vm("a", NO_GUEST).replace("port = 2222", &format!("port = 2222, {options}"));
    let lab = Lab::new(&format!("[vars]\npercent = '/%h'\n{vm}"));
    let block = lab.qqmgr("ssh-config a").run().code(0).stderr("").text();
    let dir = lab.path("").display().to_string();
    let ours: Vec<_> = block.lines().skip(2).take(10).map(|l| l.replace(&dir, "[DIR]/")).collect();
    assert_eq!(
        ours,
        [
            "  IdentityFile [DIR]/key",
            "  IdentityFile ~/k",
            "  IdentityFile %d/k",
            "  IdentityFile /%%h%u",
            "  IdentityFile ${HOME}/k",
            "  IdentityFile \"[DIR]/a b\"",
            "  IdentityAgent none",
            "  certificatefile \"[DIR]/c d\"",
            "  UserKnownHostsFile /%%h/k /l",
            "  User /%h",
        ]
    );
}

#[test]
fn a_path_that_ssh_can_not_be_given() {
    let keys = "port = 2222, IdentityFile = ['{{.config_dir}}/key', 'key', '${HOME}/key']";
    let lab = Lab::empty();
    lab.write("${b}/qqmgr.toml", vm("a", NO_GUEST).replace("port = 2222", keys));
    let qqmgr = |line| lab.qqmgr(line).cwd("${b}");
    let message = "`IdentityFile` contains `${`, which ssh always expands";
    for line in ["check a --json", "start a --wait --json", "start a --json"] {
        let json = qqmgr(line).run().stderr("").json();
        let found = match line.starts_with("check") {
            true => json["findings"].clone(),
            false => json["error"]["errors"].clone(),
        };
        let told: Vec<_> = found.as_array().unwrap().iter().map(|one| &one["message"]).collect();
        assert_eq!(told, [message, message], "{line}: {json}");
    }
    qqmgr("check a").run().code(3);
    qqmgr("start a --wait").run().code(3);
    lab.nobody_is_left();
}
