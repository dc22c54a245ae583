//! Finds the address of a guest that has its own: `HostName`, or for `HostName = "guest"` the
//! address from the guest's agent or the host's ARP table.

use super::launch::Launch;
use super::liveness::Running;
use crate::qemu_args::{Properties, option_name};
use crate::sys::process;
use serde_json::{Value, json};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// The `HostName` that makes qqmgr look for the guest's address.
pub const GUEST: &str = "guest";

/// The name of the guest agent's port (QEMU Guest Agent documentation).
const AGENT: &str = "org.qemu.guest_agent.0";

/// How long QEMU or the guest's agent may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// The flag of a complete entry in the ARP table (`ATF_COM` of `linux/if_arp.h`).
const KNOWN: u32 = 2;

/// The address of a running VM with this `HostName`; `None` while it is not known.
pub async fn address(vm: &Running, host_name: &str) -> Option<String> {
    if host_name != GUEST {
        return Some(host_name.replace("%%", "%"));
    }
    let macs = macs(vm).await;
    match timeout(PATIENCE, interfaces(vm)).await {
        Ok(Ok(interfaces)) => of_interfaces(&interfaces, &macs).or_else(|| of_neighbours(&macs)),
        _ => of_neighbours(&macs),
    }
}

/// The `HostName` with which a VM was started.
pub fn host_name(launch: &Launch) -> Option<&str> {
    let is_host_name = |keyword: &str| keyword.eq_ignore_ascii_case("HostName");
    let option = launch.ssh_options.iter().find(|(keyword, _)| is_host_name(keyword))?;
    option.1.first().map(String::as_str)
}

/// The hardware addresses of the guest's network cards.
async fn macs(vm: &Running) -> Vec<String> {
    let question =
        async |client: &mut crate::qmp::Client| client.human_monitor_command("info network").await;
    let table = vm.qmp(PATIENCE, question).await.unwrap_or_default();
    let words = table.split([',', '\r', '\n', ' ']);
    words.filter_map(|word| word.strip_prefix("macaddr=")).map(str::to_lowercase).collect()
}

/// The address with one of these hardware addresses in the kernel's ARP table (proc_pid_net(5),
/// `arp`).
fn of_neighbours(macs: &[String]) -> Option<String> {
    let table = std::fs::read_to_string("/proc/net/arp").ok()?;
    table.lines().find_map(|line| neighbour(line, macs))
}

/// Parses a line of the table: `ADDRESS TYPE FLAGS HARDWARE MASK DEVICE`.
fn neighbour(line: &str, macs: &[String]) -> Option<String> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let flags = u32::from_str_radix(fields.get(2)?.strip_prefix("0x")?, 16).ok()?;
    let is_it = flags & KNOWN != 0 && macs.contains(&fields.get(3)?.to_lowercase());
    is_it.then(|| fields[0].to_owned())
}

/// Asks the guest's agent for its network interfaces.
async fn interfaces(vm: &Running) -> io::Result<Value> {
    let socket = agent_socket(vm).ok_or(io::ErrorKind::NotFound)?;
    let mut agent = BufReader::new(UnixStream::connect(socket).await?);
    // The agent's late answers to earlier clients end with the answer to this.
    let id = std::process::id();
    let sync = json!({"execute": "guest-sync-delimited", "arguments": {"id": id}});
    let ask = json!({"execute": "guest-network-get-interfaces"});
    agent.write_all(format!("{sync}\n{ask}\n").as_bytes()).await?;
    let mut is_ours = false;
    loop {
        let mut line = Vec::new();
        if agent.read_until(b'\n', &mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let start = line.iter().rposition(|byte| *byte == 0xff).map_or(0, |at| at + 1);
        let answer: Value = serde_json::from_slice(&line[start..]).unwrap_or_default();
        if is_ours {
            return Ok(answer["return"].clone());
        }
        is_ours = answer["return"] == id;
    }
}

/// The socket of the guest's agent, from QEMU's command line.
fn agent_socket(vm: &Running) -> Option<PathBuf> {
    let pid = vm.process.pid();
    let path = agent_path(&process::command_line(pid))?;
    // A relative path begins at QEMU's working directory.
    Some(PathBuf::from(format!("/proc/{pid}/cwd")).join(path))
}

fn agent_path(argv: &[String]) -> Option<String> {
    let values = |option: &'static str| {
        let pairs = argv.windows(2).filter(move |pair| option_name(&pair[0]) == Some(option));
        pairs.map(|pair| Properties::parse(&pair[1]))
    };
    let port = values("device").find(|device| device.get("name") == Some(AGENT))?;
    let id = port.get("chardev")?;
    let socket = values("chardev").find(|chardev| chardev.get("id") == Some(id))?;
    let json = "backend.data.addr.data.path";
    socket.get("path").or_else(|| socket.get(json)).map(str::to_owned)
}

/// The guest's address at one of its interfaces. If QEMU lists its network cards, only their
/// addresses count.
fn of_interfaces(interfaces: &Value, macs: &[String]) -> Option<String> {
    let is_card = |interface: &&Value| {
        let mac = interface["hardware-address"].as_str();
        macs.is_empty() || mac.is_some_and(|mac| macs.contains(&mac.to_lowercase()))
    };
    let cards = interfaces.as_array()?.iter().filter(is_card);
    let addresses = cards.filter_map(|card| card["ip-addresses"].as_array()).flatten();
    let addresses = addresses.filter_map(|it| it["ip-address"].as_str()?.parse().ok());
    let mut usable: Vec<IpAddr> = addresses.filter(is_usable).collect();
    usable.sort_by_key(IpAddr::is_ipv6);
    usable.first().map(IpAddr::to_string)
}

/// Whether an address is neither loopback nor link-local.
fn is_usable(address: &IpAddr) -> bool {
    let is_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !is_local && !address.is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_by_their_hardware_address() {
        let macs = ["52:54:00:12:34:56".to_owned()];
        let find = |line: &str| neighbour(line, &macs);
        let line = "10.77.0.2        0x1         0x2         52:54:00:12:34:56     *        t0";
        assert_eq!(find(line).as_deref(), Some("10.77.0.2"));
        assert_eq!(find(&line.replace("0x2", "0x0")), None);
        assert_eq!(find(&line.replace("56", "57")), None);
        assert_eq!(
            find("IP address       HW type     Flags       HW address   Mask   Device"),
            None
        );
    }

    #[test]
    fn the_agents_socket() {
        let path = |chardev: &str| {
            let device = "virtserialport,chardev=qga,name=org.qemu.guest_agent.0";
            let argv = ["q", "-chardev", chardev, "-device", "virtio-serial", "-device", device];
            agent_path(&argv.map(str::to_owned))
        };
        assert_eq!(path("socket,id=qga,path=a,,b,server=on").as_deref(), Some("a,b"));
        assert_eq!(path("socket,id=other,path=a,server=on"), None);
        let json = r#"{"id":"qga","backend":{"type":"socket","data":{"addr":{"type":"unix","data":{"path":"j"}}}}}"#;
        assert_eq!(path(json).as_deref(), Some("j"));
    }

    #[test]
    fn the_address_of_a_network_card() {
        let addresses = |all: &[&str]| -> Vec<_> {
            all.iter().map(|address| json!({"ip-address": address})).collect()
        };
        let interfaces = json!([
            {"name": "lo", "ip-addresses": addresses(&["127.0.0.1", "::1"])},
            {"name": "docker0", "hardware-address": "02:42:00:00:00:01",
             "ip-addresses": addresses(&["172.17.0.1"])},
            {"name": "down", "hardware-address": "52:54:00:12:34:57"},
            {"name": "eth0", "hardware-address": "52:54:00:12:34:56",
             "ip-addresses": addresses(&["fe80::1", "2001:db8::2", "169.254.0.1", "10.77.0.2"])},
        ]);
        let macs = ["52:54:00:12:34:57".to_owned(), "52:54:00:12:34:56".to_owned()];
        assert_eq!(of_interfaces(&interfaces, &macs).as_deref(), Some("10.77.0.2"));
        assert_eq!(of_interfaces(&interfaces, &macs[..1]), None);
        assert_eq!(of_interfaces(&interfaces, &[]).as_deref(), Some("172.17.0.1"));
    }
}
