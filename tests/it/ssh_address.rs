//! A guest with its own address, on a tap device in a network namespace of the test.

use crate::harness::{Lab, Run, guest_vm, until};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::process::Child;

/// A network namespace with a tap device `t0`; it exists as long as its process.
struct Network {
    holder: Child,
}

impl Network {
    /// `None` if the test may not make one.
    fn new(lab: &Lab) -> Option<Network> {
        let may = lab
            .program("unshare")
            .args(["--net", "ip", "tuntap", "add", "dev", "t0", "mode", "tap"]);
        if may.run().code != 0 {
            eprintln!("skipped: no tap device can be made here");
            return None;
        }
        let holder = lab.program("unshare").args(["--net", "sleep", "1000"]).spawn();
        let link = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        let pid = holder.id().to_string();
        until("it has a network of its own", || (link(&pid)? != link("self")?).then_some(()));
        let network = Network { holder };
        // The addresses are those of QEMU's user network, with the host as the gateway.
        for line in ["tuntap add dev t0 mode tap", "addr add 10.0.2.2/24 dev t0", "link set t0 up"]
        {
            network.program(lab, "ip").args(line.split(' ')).run().code(0);
        }
        Some(network)
    }

    fn program(&self, lab: &Lab, program: &str) -> Run {
        let network = format!("--net=/proc/{}/ns/net", self.holder.id());
        lab.program("nsenter").args([&network, program])
    }

    fn qqmgr(&self, lab: &Lab, line: &str) -> Run {
        self.program(lab, env!("CARGO_BIN_EXE_qqmgr")).args(shlex::split(line).unwrap())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

const USER: &str = "user,id=n0,hostfwd=tcp:127.0.0.1:{{.vm.ssh.port}}-:{{.vm.ssh.vm_port}}";

fn config(more: &str, host_name: &str) -> String {
    let tap = format!("tap,id=n0,ifname=t0,script=no,downscript=no{more}");
    let vm = guest_vm("a").replace(USER, &tap).replace("\"auto\"", "22");
    format!("{vm}HostName = \"{host_name}\"\n")
}

#[test]
fn a_guest_with_an_address_of_its_own() {
    let lab = Lab::new(&config("", "10.0.2.15"));
    let Some(network) = Network::new(&lab) else { return };
    let qqmgr = |line: &str| network.qqmgr(&lab, line);
    qqmgr("run a -- echo in").run().ok("in\n");
    qqmgr("start a --wait").run().code(0).stderr("");
    qqmgr("ssh a echo in").run().ok("in\n");
    qqmgr("put a qqmgr.toml /tmp/").run().code(0);
    let status = qqmgr("status a --json").run().code(0).json();
    assert_eq!(status["ssh"], serde_json::json!({"port": 22, "host": "10.0.2.15"}));
    let text = qqmgr("status a").run().code(0).text();
    assert!(text.contains("\n  SSH      10.0.2.15 port 22\n"), "{text}");
    qqmgr("wait a --for port:22").run().ok("a: after [SECONDS]: port:22\n");
    let refused = qqmgr("wait a --for port:8080 --timeout 2s").run();
    let said = String::from_utf8_lossy(&refused.code(5).stderr).into_owned();
    assert!(
        said.contains("timed out after 2s waiting for port:8080: the guest refuses the connection"),
        "{said}"
    );
    std::thread::scope(|scope| {
        let wait = scope.spawn(|| qqmgr("wait a --for port:8080").run());
        // This server accepts, but sends nothing.
        qqmgr("ssh a 'nc -ll -p 8080 -e sleep 100 >/dev/null 2>&1 </dev/null &'").run().code(0);
        wait.join().unwrap().ok("a: after [SECONDS]: port:8080\n");
    });

    // By now the guest is in the host's ARP table.
    lab.write("qqmgr.toml", config("", "guest"));
    qqmgr("ssh a echo in").run().ok("in\n");
    let block = qqmgr("ssh-config a").run().code(0).text();
    assert!(block.contains("\n  HostName 10.0.2.15\n"), "{block}");
    qqmgr("wait a --for port:22 --for ssh").run().code(0);
    qqmgr("stop a --force").run().code(0);
    qqmgr("ssh-config a").run().expect(
        4,
        "",
        "error: VM `a`: the guest's address is not known yet\n\
         hint: wait until it is up: qqmgr start a --wait\n",
    );
    qqmgr("ssh-config --all").run().expect(
        0,
        "\n",
        "note: VM `a`: the guest's address is not known yet; skipped\n",
    );
}

/// Answers all clients as the agent in a guest does.
fn play_agent(listener: UnixListener) {
    let card = r#"{"return": [{"name": "eth0", "hardware-address": "52:54:00:12:34:56",
        "ip-addresses": [{"ip-address-type": "ipv4", "ip-address": "10.0.2.15", "prefix": 24}]}]}"#;
    let card = card.replace('\n', " ") + "\n";
    let answer = move |line: &str| -> Vec<u8> {
        let asked: serde_json::Value = serde_json::from_str(line).unwrap();
        match asked["execute"].as_str() {
            Some("guest-sync-delimited") => {
                let id = &asked["arguments"]["id"];
                [b"{\"return\": 7}\n\xff", format!("{{\"return\": {id}}}\n").as_bytes()].concat()
            }
            _ => card.clone().into_bytes(),
        }
    };
    for client in listener.incoming().flatten() {
        let answer = answer.clone();
        std::thread::spawn(move || {
            let lines = BufReader::new(client.try_clone().unwrap()).lines();
            for line in lines.map_while(Result::ok) {
                if (&client).write_all(&answer(&line)).is_err() {
                    break;
                }
            }
        });
    }
}

#[test]
fn an_agent_that_tells_the_address() {
    let agent = "\",\n\"-device virtio-serial -chardev socket,id=qga,path=agent \
                 -device virtserialport,chardev=qga,name=org.qemu.guest_agent.0";
    let lab = Lab::new(&config(agent, "guest"));
    let Some(network) = Network::new(&lab) else { return };
    // QEMU connects to this socket as a client; the guest has no agent.
    let listener = UnixListener::bind(lab.path("agent")).unwrap();
    std::thread::spawn(|| play_agent(listener));
    let qqmgr = |line: &str| network.qqmgr(&lab, line);
    qqmgr("start a --wait").run().code(0).stderr("");
    qqmgr("ssh a echo in").run().ok("in\n");
    assert_eq!(qqmgr("status a --json").run().code(0).json()["ssh"]["host"], "10.0.2.15");
    qqmgr("stop a --force").run().code(0);
}
