//! Keys in an SSH agent, and keys that need one.

use crate::harness::{Lab, guest_file, guest_vm, until};
use std::process::Child;

/// The laboratory's own agent.
struct Agent {
    socket: String,
    process: Child,
}

impl Agent {
    fn new(lab: &Lab) -> Agent {
        let socket = lab.path("agent").display().to_string();
        let process = lab.program("ssh-agent").args(["-D", "-a", &socket]).spawn();
        until("the agent listens", || lab.path("agent").exists().then_some(()));
        Agent { socket, process }
    }

    fn add(&self, lab: &Lab, key: &str) {
        lab.program("ssh-add").args(["-q", key]).env("SSH_AUTH_SOCK", &self.socket).run().code(0);
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Makes a key that the guest does not accept.
fn new_key(lab: &Lab, name: &str) -> String {
    let key = lab.path(name).display().to_string();
    let line = ["-q", "-t", "ed25519", "-N", "", "-f", &key];
    lab.program("ssh-keygen").args(line).run().code(0);
    key
}

/// A server counts each offered key as a try, and allows few (`MaxAuthTries`).
#[test]
fn an_agent_with_many_other_keys() {
    let lab = Lab::new(&guest_vm("a"));
    let agent = Agent::new(&lab);
    for number in 0..12 {
        agent.add(&lab, &new_key(&lab, &format!("key{number}")));
    }
    let qqmgr = |line| lab.qqmgr(line).env("SSH_AUTH_SOCK", &agent.socket);
    qqmgr("start a --wait").run().code(0).stderr("");
    qqmgr("ssh a echo in").run().ok("in\n");
    // If the config says so, ssh offers all of them.
    lab.write("qqmgr.toml", guest_vm("a") + "identitiesonly = false\n");
    let denied = qqmgr("ssh a true").run();
    let said = String::from_utf8_lossy(&denied.code(255).stderr).into_owned();
    assert!(said.contains("Too many authentication failures"), "{denied}");
    // A missing key selects none of the agent's keys.
    let missing = guest_vm("a").replace(&guest_file("id_ed25519"), "missing");
    lab.write("qqmgr.toml", missing);
    let block = qqmgr("ssh-config a").run().code(0).text();
    assert!(!block.contains("IdentitiesOnly"), "{block}");
    qqmgr("stop a --force").run().code(0);
}

#[test]
fn a_key_with_a_passphrase() {
    let lab = Lab::new(&guest_vm("a").replace(&guest_file("id_ed25519"), "key"));
    let key = lab.path("key").display().to_string();
    let copy = ["-m", "600", &guest_file("id_ed25519"), &key];
    lab.program("install").args(copy).run().code(0);
    let lock = ["-q", "-p", "-N", "secret", "-f", &key];
    lab.program("ssh-keygen").args(lock).run().code(0);
    let what = format!("the IdentityFile {key} has a passphrase, and no agent has the key");
    let hint = format!("ssh-add {key}");
    let finding = lab.qqmgr("check --json").run().code(0).json()["findings"][0].clone();
    assert_eq!(finding["code"], "ssh_key_locked", "{finding}");
    assert_eq!(
        (&finding["message"], &finding["hint"]),
        (&what.clone().into(), &hint.clone().into())
    );
    let failed = lab.qqmgr("start a --wait --json").run().code(3).json();
    let message = failed["error"]["message"].as_str().unwrap();
    assert!(message.starts_with(&format!("VM `a`: {what}, and ssh says: ")), "{failed}");
    assert_eq!(failed["error"]["hint"], hint);

    let agent = Agent::new(&lab);
    let qqmgr = |line| lab.qqmgr(line).env("SSH_AUTH_SOCK", &agent.socket);
    // An agent with other keys does not help.
    agent.add(&lab, &new_key(&lab, "other"));
    qqmgr("wait a --for ssh").run().code(3).stdout("");
    // The test can't type the passphrase, so it adds the same key without one.
    agent.add(&lab, &guest_file("id_ed25519"));
    qqmgr("check").run().ok("1 VM checked: no problems found\n");
    qqmgr("wait a --for ssh").run().code(0);
    qqmgr("stop a --force").run().code(0);
}

/// A guest may get a key late, for example from cloud-init, and ssh may have it only in the agent.
#[test]
fn a_key_of_the_agent_that_the_guest_learns_later() {
    let lab = Lab::new(&guest_vm("a").replace(&guest_file("id_ed25519"), "missing"));
    let agent = Agent::new(&lab);
    let key = new_key(&lab, "key");
    agent.add(&lab, &key);
    lab.script(
        "bin/ssh",
        "/usr/bin/ssh \"$@\"; code=$?; case $* in *' true') >tried ;; esac; exit $code",
    );
    let path = std::env::join_paths([lab.path("bin"), "/usr/bin".into(), "/bin".into()]).unwrap();
    let start = lab.qqmgr("start a --wait").env("SSH_AUTH_SOCK", &agent.socket);
    let mut start = start.env("PATH", path).in_pipe();
    until("a login has failed", || lab.path("tried").exists().then_some(()));
    let port = lab.qqmgr("status a --json").run().code(0).json()["ssh"]["port"].to_string();
    let options =
        ["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=known"];
    let way = ["-p", &port, "-i", &guest_file("id_ed25519"), "root@127.0.0.1"];
    let teach = "cat >>/root/.ssh/authorized_keys";
    let ssh = lab.program("ssh").args(options).args(way).args([teach]);
    ssh.stdin(lab.read("key.pub")).run().code(0);
    assert_eq!(start.ends(), 0);
    lab.qqmgr("stop a --force").run().code(0);
}
