//! Conditions inside the guest: a port that accepts, a file that exists.

use super::Subject;
use super::condition::GuestPort;
use crate::Error;
use crate::error::{SystemError, Usage};
use crate::qemu_args::{Forward, usernet};
use crate::ssh::{self, Session};
use crate::text::suggest;
use crate::vm::{self, Launch};
use std::collections::HashSet;
use std::io;
use std::ops::RangeInclusive;
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// The interval between looks at QEMU's connections; it grows with the time waited.
const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(1);

/// How long the guest may take to answer if it is asked only once.
const ONE_TRY: Duration = Duration::from_secs(2);

/// How long QEMU may take to list its connections, and the pause after a broken session.
const PATIENCE: Duration = Duration::from_millis(500);

/// Waits until the guest accepts a connection to its `port`. QEMU accepts for the guest before it
/// asks the guest. If the guest refuses, QEMU hangs up; if it accepts but says nothing, only QEMU's
/// own table shows that.
pub async fn port_accepts(subject: &Subject<'_>, port: &GuestPort) -> Result<(), Error> {
    let rule = match way(subject, port).await? {
        Way::Forwarded(rule) => rule,
        Way::Own(port) => {
            connects(subject, port).await;
            return Ok(());
        }
    };
    let another = async {
        let before = connections(subject, rule.guest_port).await;
        another_is_established(subject, rule.guest_port, before).await;
    };
    tokio::select! {
        () = ssh::answer(rule.address(), &subject.port, subject.is_booting()) => {}
        () = another => {}
    }
    Ok(())
}

/// Whether the guest accepts a connection to its `port` now.
pub async fn port_accepts_now(subject: &Subject<'_>, port: &GuestPort) -> Result<bool, Error> {
    let rule = match way(subject, port).await? {
        Way::Forwarded(rule) => rule,
        Way::Own(port) => return Ok(connect(subject, port).await == Some(true)),
    };
    let before = connections(subject, rule.guest_port).await;
    let Ok(mut stream) = TcpStream::connect(rule.address()).await else {
        return Ok(false);
    };
    let mut said = [0; 256];
    tokio::select! {
        said = timeout(ONE_TRY, stream.read(&mut said)) => {
            Ok(said.is_ok_and(|said| said.is_ok_and(|count| count > 0)))
        }
        () = another_is_established(subject, rule.guest_port, before) => Ok(true),
    }
}

/// How a port of the guest is reached.
enum Way {
    /// Through a port of the host.
    Forwarded(Forward),
    /// By its number, at the guest's own address.
    Own(u16),
}

async fn way(subject: &Subject<'_>, port: &GuestPort) -> Result<Way, Error> {
    match (forward(subject, port).await, port) {
        (Err(_), GuestPort::Number(port)) if has_own_address(subject)? => Ok(Way::Own(*port)),
        (rule, _) => Ok(Way::Forwarded(rule?)),
    }
}

/// Whether the guest has its own address, and is reached without another host in between.
fn has_own_address(subject: &Subject<'_>) -> Result<bool, Error> {
    let ssh = ssh::configured(subject.config, subject.instance, &subject.vm)?;
    let proxies = ["ProxyCommand", "ProxyJump"].map(|proxy| ssh.value(proxy).unwrap_or("none"));
    Ok(ssh.value(ssh::HOST_NAME).is_some() && proxies == ["none"; 2])
}

/// Waits until the guest's own address is known and the guest accepts a connection there.
async fn connects(subject: &Subject<'_>, port: u16) {
    let began = Instant::now();
    while connect(subject, port).await != Some(true) {
        let interval = began.elapsed() / 16;
        tokio::time::sleep(interval.clamp(*INTERVAL.start(), *INTERVAL.end())).await;
    }
}

/// Connects to the guest at its own address; returns whether it accepts, if it answers.
async fn connect(subject: &Subject<'_>, port: u16) -> Option<bool> {
    let ssh = ssh::reach(subject.config, subject.instance, &subject.vm).await.ok()?;
    let host = vm::address(&subject.vm, ssh.value(ssh::HOST_NAME)?).await?;
    let connected = timeout(PATIENCE, TcpStream::connect((host.as_str(), port))).await.ok()?;
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    let is_refused = connected.err().map(refused);
    subject.port.refused.store(is_refused == Some(true), Ordering::Relaxed);
    Some(is_refused.is_none())
}

/// The rule that forwards a port of the host to the guest's port.
async fn forward(subject: &Subject<'_>, port: &GuestPort) -> Result<Forward, Error> {
    let rules = vm::forwards(&subject.vm, PATIENCE).await.into_iter();
    let mut rules = rules.filter(|rule| rule.protocol == "tcp");
    let (found, message, add) = match port {
        GuestPort::Number(port) => (
            rules.find(|rule| rule.guest_port == *port),
            format!("VM `{}` forwards no port to port {port} of the guest", subject.name()),
            format!("hostfwd=tcp:127.0.0.1:PORT-:{port}"),
        ),
        GuestPort::Name(name) => {
            let host_port = named(subject, name)?;
            (
                rules.find(|rule| rule.host_port == host_port),
                format!("VM `{}` does not forward its port `{name}`", subject.name()),
                format!("hostfwd=tcp:127.0.0.1:{{{{.vm.ports.{name}}}}}-:PORT"),
            )
        }
    };
    let hint = Some(format!("add {add} to its -netdev user"));
    Ok(found.ok_or(Usage { message, hint })?)
}

/// The port of the host that the config calls `name`.
fn named(subject: &Subject<'_>, name: &str) -> Result<u16, Error> {
    let ports = Launch::read(&subject.vm.dir)?.unwrap_or_default().ports;
    let port = ports.get(name).copied().ok_or_else(|| {
        let near = suggest::nearest(name, ports.keys().map(String::as_str));
        Usage {
            message: format!("VM `{}` has no port `{name}`", subject.name()),
            hint: Some(match near {
                Some(near) => format!("did you mean `port:{near}`?"),
                None => format!("add `{name} = \"auto\"` to its `ports`, and restart it"),
            }),
        }
    });
    Ok(port?)
}

/// Returns when the guest has accepted a new connection. Older ones prove nothing: the guest may
/// have lost them in a reset.
async fn another_is_established(subject: &Subject<'_>, port: u16, before: Option<HashSet<String>>) {
    let began = Instant::now();
    loop {
        let interval = began.elapsed() / 16;
        tokio::time::sleep(interval.clamp(*INTERVAL.start(), *INTERVAL.end())).await;
        if let (Some(now), Some(before)) = (connections(subject, port).await, &before)
            && !now.is_subset(before)
        {
            return;
        }
    }
}

/// QEMU's descriptors of the connections that the guest has accepted on `port`, if QEMU lists them.
async fn connections(subject: &Subject<'_>, port: u16) -> Option<HashSet<String>> {
    let table = subject.vm.qmp(PATIENCE, vm::usernet_table).await.ok()?;
    let rows = usernet::connections(&table);
    let accepted = rows.filter(|row| row.state == "TCP[ESTABLISHED]" && row.port == port);
    Some(accepted.map(|row| row.fd.to_owned()).collect())
}

/// Whether a file exists in the guest now.
pub async fn has_file(session: &Session, path: &str) -> Result<bool, Error> {
    let script = format!("test -e {}", quoted(path));
    let mut command = tokio::process::Command::from(session.ssh(&[script]));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.kill_on_drop(true).status().await.map_err(not_run)?;
    Ok(status.success())
}

/// Waits until a file exists, with one command that looks for it in the guest.
pub async fn file_exists(session: &Session, path: &str) -> Result<(), Error> {
    let script = look_for(path);
    loop {
        let mut command = tokio::process::Command::from(session.ssh(std::slice::from_ref(&script)));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut ssh = command.kill_on_drop(true).spawn().map_err(not_run)?;
        // Its end tells the guest that the wait is over.
        let _stdin = ssh.stdin.take();
        if ssh.wait().await.map_err(not_run)?.success() {
            return Ok(());
        }
        // The connection broke, for example because the guest reboots.
        tokio::time::sleep(PATIENCE).await;
    }
}

/// A shell script that looks for a file until it exists or standard input ends: an SSH server ends
/// no command when its client leaves.
fn look_for(path: &str) -> String {
    let there = format!("test -e {}", quoted(path));
    format!(
        "exec 3<&0; {{ read line <&3; kill $$; }} >/dev/null 2>&1 & \
         until {there} || ! sleep 0.1; do :; done; kill $!; {there}"
    )
}

fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', r"'\''"))
}

fn not_run(error: io::Error) -> Error {
    Error::from(SystemError::Spawn { program: "ssh".to_owned(), error, place: None })
}
