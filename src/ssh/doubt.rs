//! What is wrong with a VM's OpenSSH options and can be known without a connection: what ssh
//! itself refuses of them, and keys that it can't use.

use super::config;
use super::key::{self, KeyFault};
use crate::config::{Config, Definition, Diagnostic, Span, Ssh};
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// ssh reads its config from here and names it in front of what it says about a line of it.
const FILE: &str = "/dev/stdin";

/// How long ssh may take to read a config; one that asks for more of it is left alone.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is wrong, each at its place in the config.
#[derive(Clone, Debug, Default)]
pub struct Doubts {
    /// What ssh refuses, in its own words: no connection is possible.
    pub refused: Vec<Diagnostic>,
    /// Keys that ssh can't use, and why not.
    pub keys: Vec<(KeyFault, Diagnostic)>,
    /// Whether those are all that are named.
    pub keyless: bool,
}

/// What ssh answered when it was shown options.
#[derive(Clone, Debug, Default)]
pub struct Opinion {
    said: String,
    home: Option<String>,
}

impl Opinion {
    /// Asks ssh what it thinks of options; nothing, if it can't be asked.
    pub async fn of(ssh: &Ssh) -> Opinion {
        let Ok(Ok(answer)) = tokio::time::timeout(PATIENCE, ask(ssh)).await else {
            return Opinion::default();
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let settings = text(&answer.stdout);
        let home = settings.lines().find_map(|line| line.strip_prefix("remotecommand "));
        Opinion { said: text(&answer.stderr), home: home.map(str::to_owned) }
    }

    /// What that means for a VM with these options, whose keys are looked for.
    pub fn doubts(&self, config: &Config, definition: &Definition, ssh: &Ssh) -> Doubts {
        let at = |keyword, index, message| {
            Diagnostic::new(place(config, definition, keyword, index), message)
        };
        let mut doubts = Doubts::default();
        for (line, words) in self.said.lines().filter_map(complaint) {
            // The first line names the host.
            if let Some((keyword, index, _)) = values(ssh).nth(line.saturating_sub(2)) {
                doubts.refused.push(at(
                    keyword,
                    index,
                    format!("ssh refuses `{keyword}`: {words}"),
                ));
            }
        }
        doubts.refused.sort_by_key(|doubt| doubt.span.start);
        let Some(home) = &self.home else {
            return doubts;
        };
        let is_key = |keyword: &str| keyword.eq_ignore_ascii_case("IdentityFile");
        let keys: Vec<_> = values(ssh).filter(|(keyword, ..)| is_key(keyword)).collect();
        for (keyword, index, key) in &keys {
            if let Some((fault, what, hint)) = key::fault(key, home) {
                let doubt = at(keyword, *index, format!("the IdentityFile {key} {what}"));
                doubts.keys.push((fault, Diagnostic { hint, ..doubt }));
            }
        }
        doubts.keyless = !keys.is_empty() && doubts.keys.len() == keys.len();
        doubts
    }
}

/// Where a value of an option stands.
fn place(config: &Config, definition: &Definition, keyword: &str, index: usize) -> Span {
    let mut options = definition.ssh.options.iter().chain(&config.file.ssh);
    let option = options.find(|option| option.keyword.eq_ignore_ascii_case(keyword));
    let value = option.and_then(|option| option.values.get(index));
    value.map_or(&definition.span, |value| &value.span).clone()
}

/// The options as ssh is shown them, one a line: a keyword, which of its values, and that.
fn values(ssh: &Ssh) -> impl Iterator<Item = (&str, usize, &str)> {
    ssh.options.iter().flat_map(|(keyword, values)| {
        values.iter().enumerate().map(|(index, value)| (keyword.as_str(), index, value.as_str()))
    })
}

/// Has ssh read the options, and tell what it takes for the home directory.
async fn ask(ssh: &Ssh) -> std::io::Result<Output> {
    let mut text = "Host vm\n".to_owned();
    for (keyword, _, value) in values(ssh) {
        text += &format!("{keyword} {}\n", config::argument(keyword, value));
    }
    let mut command = Command::new("ssh");
    command.args(["-G", "-T", "-F", FILE, "-o", "RemoteCommand=%d", "vm"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(text.as_bytes()).await?;
    }
    child.wait_with_output().await
}

/// The number of a line, and what ssh says about it: `FILE line N: WORDS`, or `FILE: line N: WORDS`.
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
