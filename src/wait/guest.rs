//! Conditions inside the guest: a port that accepts, a file that exists.

use super::Subject;
use crate::Error;
use crate::error::{SystemError, Usage};
use crate::qemu_args::forwards;
use crate::qmp::Client;
use crate::ssh::{self, Session};
use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::process::Stdio;
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks at QEMU's connections; the longer it takes, the longer it will.
const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(1);

/// How long QEMU may take to tell its connections, and a broken session until it is tried again.
const PATIENCE: Duration = Duration::from_millis(500);

/// Waits until the guest accepts a connection to its `port`: QEMU accepts for the guest, before it
/// asks it. If the guest refuses, QEMU hangs up; if it accepts but says nothing, only QEMU's own
/// table tells.
pub async fn port_accepts(subject: &Subject<'_>, port: u16) -> Result<(), Error> {
    let argv = crate::sys::process::command_line(subject.vm.process.pid());
    let rules = forwards(argv.iter().map(String::as_str));
    let rule = rules.into_iter().find(|rule| rule.guest_port == port && rule.protocol == "tcp");
    let Some(rule) = rule else {
        return Err(Usage {
            message: format!("VM `{}` forwards no port to the guest's {port}", subject.name()),
            hint: Some(format!("add hostfwd=tcp:127.0.0.1:PORT-:{port} to its -netdev user")),
        }
        .into());
    };
    tokio::select! {
        () = ssh::answer(rule.address(), &subject.port, subject.is_booting()) => {}
        () = another_is_established(subject, port) => {}
    }
    Ok(())
}

/// Returns when the guest has accepted a connection that was not there before: other people's
/// prove nothing, which the guest may have forgotten since.
async fn another_is_established(subject: &Subject<'_>, port: u16) {
    let began = Instant::now();
    let before = connections(subject, port).await;
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

/// QEMU's descriptors of the connections that the guest has accepted on `port`, if it tells.
async fn connections(subject: &Subject<'_>, port: u16) -> Option<HashSet<String>> {
    let question = async |client: &mut Client| client.human_monitor_command("info usernet").await;
    let table = subject.vm.qmp(PATIENCE, question).await.ok()?;
    Some(established(&table, port))
}

/// The descriptors in `info usernet` of connections that the guest has accepted on `port`:
/// `TCP[ESTABLISHED]  FD  SOURCE PORT  DESTINATION PORT  RECVQ SENDQ`.
fn established(table: &str, port: u16) -> HashSet<String> {
    let descriptor = |row: &str| {
        let fields: Vec<_> = row.split_whitespace().collect();
        let is_it = fields.first() == Some(&"TCP[ESTABLISHED]")
            && fields.get(5).is_some_and(|field| field.parse() == Ok(port));
        fields.get(1).filter(|_| is_it).map(|fd| (*fd).to_owned())
    };
    table.lines().filter_map(descriptor).collect()
}

/// Waits until a file exists, with one command in the guest that looks for it.
pub async fn file_exists(session: &Session, path: &str) -> Result<(), Error> {
    let script = look_for(path);
    loop {
        let mut command = tokio::process::Command::from(session.ssh(std::slice::from_ref(&script)));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let spawn = |error| {
            Error::from(SystemError::Spawn { program: "ssh".to_owned(), error, place: None })
        };
        let mut ssh = command.kill_on_drop(true).spawn().map_err(spawn)?;
        // Its end tells the guest that nobody waits any more.
        let _stdin = ssh.stdin.take();
        if ssh.wait().await.map_err(spawn)?.success() {
            return Ok(());
        }
        // The connection broke, for example because the guest reboots.
        tokio::time::sleep(PATIENCE).await;
    }
}

/// A shell script that looks for a file until it is there or standard input ends: an SSH server
/// ends no command whose client has left.
fn look_for(path: &str) -> String {
    let there = format!("test -e '{}'", path.replace('\'', r"'\''"));
    format!(
        "exec 3<&0; {{ read line <&3; kill $$; }} >/dev/null 2>&1 & \
         until {there} || ! sleep 0.1; do :; done; kill $!; {there}"
    )
}

#[cfg(test)]
mod tests {
    use super::established;
    use std::collections::HashSet;

    #[test]
    fn reads_qemus_table() {
        let table = "Hub -1 (n0):\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\n  \
                     TCP[ESTABLISHED]   43       127.0.0.1 40423       10.0.2.15    22     0     0\n  \
                     TCP[SYN_SENT]      28       127.0.0.1 40423       10.0.2.15    80     0     0\n";
        assert_eq!(established(table, 22), HashSet::from(["43".to_owned()]));
        assert_eq!(established(table, 80), HashSet::new());
    }
}
