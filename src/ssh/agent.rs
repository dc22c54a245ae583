//! Asks ssh's agent which keys it has.

use super::path::path;
use crate::config::Ssh;
use crate::sys::child::ending_with_us;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long an agent may take to list its keys.
const PATIENCE: Duration = Duration::from_secs(1);

/// The keys of the agent that ssh would ask.
#[derive(Clone, Debug)]
pub enum Agent {
    /// Not known.
    Unknown,
    /// Keys with these fingerprints; none if there is no agent.
    Holds(Vec<String>),
}

impl Agent {
    /// Asks the agent that these options name.
    pub async fn of(ssh: &Ssh) -> Agent {
        if ssh.value("PKCS11Provider").is_some_and(|value| value != "none") {
            return Agent::Unknown;
        }
        let mut command = Command::new("ssh-add");
        match ssh.value("IdentityAgent") {
            None | Some("SSH_AUTH_SOCK") => {}
            Some("none") => return Agent::Holds(Vec::new()),
            // ssh expands `$NAME` in no other option.
            Some(variable) if variable.starts_with('$') => return Agent::Unknown,
            Some(socket) => match path(socket) {
                Some(socket) => _ = command.env("SSH_AUTH_SOCK", socket),
                None => return Agent::Unknown,
            },
        }
        command.arg("-l");
        match fingerprints(command).await {
            Some(held) => Agent::Holds(held),
            None => Agent::Unknown,
        }
    }

    /// Whether it certainly has no key.
    pub fn is_empty(&self) -> bool {
        matches!(self, Agent::Holds(held) if held.is_empty())
    }

    /// Whether it certainly does not have the key in this file.
    pub async fn lacks(&self, path: &Path) -> bool {
        match self {
            Agent::Unknown => false,
            Agent::Holds(held) if held.is_empty() => true,
            Agent::Holds(held) => {
                let mut keygen = Command::new("ssh-keygen");
                keygen.arg("-l").arg("-f").arg(path);
                let of_file = fingerprints(keygen).await.unwrap_or_default();
                !of_file.is_empty() && !of_file.iter().any(|it| held.contains(it))
            }
        }
    }
}

/// The fingerprints in a program's output, `256 SHA256:... COMMENT (ED25519)`; none if it fails.
/// `None` if it can't be run or does not end.
async fn fingerprints(command: Command) -> Option<Vec<String>> {
    let mut command = tokio::process::Command::from(ending_with_us(command));
    command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let said = tokio::time::timeout(PATIENCE, command.output()).await.ok()?.ok()?;
    let said = if said.status.success() { said.stdout } else { Vec::new() };
    let second = |line: &str| line.split(' ').nth(1).map(str::to_owned);
    Some(String::from_utf8_lossy(&said).lines().filter_map(second).collect())
}
