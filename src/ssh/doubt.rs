//! Finds faults in a VM's OpenSSH options without a connection: options that ssh itself refuses,
//! and keys that it can't use.

use super::agent::Agent;
use super::config;
use super::key::{self, Fault, KeyFault};
use super::path::unescape;
use crate::config::{Config, Definition, Diagnostic, Span, Ssh};
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// ssh reads its config from this file and names it before each complaint about a line.
const FILE: &str = "/dev/stdin";

/// How long ssh may take to read a config; if it waits for more input, qqmgr gives up.
const PATIENCE: Duration = Duration::from_secs(2);

/// The faults, each with its place in the config.
#[derive(Clone, Debug, Default)]
pub struct Doubts {
    /// The options that ssh refuses, in its own words: no connection is possible.
    pub refused: Vec<Diagnostic>,
    /// Keys that ssh can't use, and why.
    pub keys: Vec<(KeyFault, Diagnostic)>,
    /// Whether ssh can use none of the named keys, and no agent can have another key.
    pub keyless: bool,
}

/// The answers of ssh and its agent about a VM's options.
#[derive(Clone, Debug, Default)]
pub struct Opinion {
    said: String,
    /// The fault of each value of `IdentityFile`.
    keys: Vec<Option<Fault>>,
    /// Whether an agent may offer a key that is in none of the files.
    has_others: bool,
}

impl Opinion {
    /// Asks ssh and the agent about options; without an answer there is no fault.
    pub async fn of(ssh: &Ssh) -> Opinion {
        let asked =
            tokio::time::timeout(PATIENCE, async { tokio::join!(ask(ssh), Agent::of(ssh)) });
        let Ok((Ok(said), agent)) = asked.await else {
            return Opinion::default();
        };
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        if said.lines().any(|line| complaint(line).is_some()) {
            return Opinion { said, ..Opinion::default() };
        }
        let mut keys = Vec::new();
        for key in ssh.values("IdentityFile") {
            keys.push(key::fault(key, &agent).await);
        }
        let only_named = ssh.value("IdentitiesOnly") == Some("yes");
        Opinion { said, keys, has_others: !only_named && !agent.is_empty() }
    }

    /// The faults of a VM with these options.
    pub fn doubts(&self, config: &Config, definition: &Definition, ssh: &Ssh) -> Doubts {
        let at = |keyword, index, message| {
            Diagnostic::new(place(config, definition, keyword, index), message)
        };
        let mut doubts = Doubts::default();
        for (line, words) in self.said.lines().filter_map(complaint) {
            // The first line is the `Host` line.
            if let Some((keyword, index, _)) = values(ssh).nth(line.saturating_sub(2)) {
                doubts.refused.push(at(
                    keyword,
                    index,
                    format!("ssh refuses `{keyword}`: {words}"),
                ));
            }
        }
        doubts.refused.sort_by_key(|doubt| doubt.span.start);
        let is_lost = |fault: &Option<Fault>| match fault {
            Some(fault) => {
                !self.has_others || matches!(fault.kind, KeyFault::Open | KeyFault::Locked)
            }
            None => false,
        };
        doubts.keyless = !self.keys.is_empty() && self.keys.iter().all(is_lost);
        let named = self.keys.iter().zip(ssh.values("IdentityFile")).enumerate();
        for (index, (fault, key)) in named {
            let Some(Fault { kind, what, hint }) = fault.clone() else { continue };
            let key = unescape(key).unwrap_or_else(|| key.clone());
            let doubt = at("IdentityFile", index, format!("the IdentityFile {key} {what}"));
            doubts.keys.push((kind, Diagnostic { hint, ..doubt }));
        }
        doubts
    }
}

/// The place of an option's value in the config.
fn place(config: &Config, definition: &Definition, keyword: &str, index: usize) -> Span {
    let mut options = definition.ssh.options.iter().chain(&config.file.ssh);
    let option = options.find(|option| option.keyword.eq_ignore_ascii_case(keyword));
    let value = option.and_then(|option| option.values.get(index));
    value.map_or(&definition.span, |value| &value.span).clone()
}

/// The options as ssh reads them, one a line: the keyword, the value's index, the value.
fn values(ssh: &Ssh) -> impl Iterator<Item = (&str, usize, &str)> {
    ssh.options.iter().flat_map(|(keyword, values)| {
        values.iter().enumerate().map(|(index, value)| (keyword.as_str(), index, value.as_str()))
    })
}

/// Makes ssh read the options.
async fn ask(ssh: &Ssh) -> std::io::Result<Output> {
    let mut text = "Host vm\n".to_owned();
    for (keyword, _, value) in values(ssh) {
        text += &format!("{keyword} {}\n", config::argument(keyword, value));
    }
    let mut command = Command::new("ssh");
    command.args(["-G", "-F", FILE, "vm"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(text.as_bytes()).await?;
    }
    child.wait_with_output().await
}

/// The number of a line and ssh's complaint: `FILE line N: WORDS`, or `FILE: line N: WORDS`.
fn complaint(line: &str) -> Option<(usize, &str)> {
    let (number, words) = line.strip_prefix(FILE)?.trim_start_matches(':').split_once(": ")?;
    Some((number.strip_prefix(" line ")?.parse().ok()?, words.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_ssh_says() {
        for (line, read) in [
            ("/dev/stdin line 3: invalid quotes\r", Some((3, "invalid quotes"))),
            (
                "/dev/stdin: line 12: Bad configuration option: foo",
                Some((12, "Bad configuration option: foo")),
            ),
            ("/dev/stdin: terminating, 1 bad configuration options", None),
            ("jumphost loop via a", None),
        ] {
            assert_eq!(complaint(line), read);
        }
    }
}
