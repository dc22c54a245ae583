//! Any QMP command, and which there are.

use crate::Error;
use crate::error::faults;
use crate::qmp::arguments::arguments;
use crate::qmp::schema::{Argument, Schema};
use crate::qmp::{self, Client};
use crate::target::Target;
use crate::text::suggest;
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

/// A hint names so many arguments at most.
const MOST_NAMED: usize = 10;

/// A command and the arguments that it takes.
#[derive(Clone, Debug, Serialize)]
pub struct Command {
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<Argument>,
}

/// Why a command did not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QmpRefused {
    /// QEMU refused it.
    #[error("{target}: {command}: {desc}{}", class_of(class))]
    Refused {
        /// The target.
        target: String,
        /// The command.
        command: String,
        /// QEMU's error class.
        class: String,
        /// QEMU's own words.
        desc: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// The arguments can't be read.
    #[error("{command}: {what}")]
    Arguments {
        /// The command.
        command: String,
        /// What is wrong.
        what: String,
        /// Which there are.
        hint: Option<String>,
    },
}

faults!(QmpRefused {
    QmpRefused::Refused { .. } => "qmp_refused", Failed;
    QmpRefused::Arguments { .. } => "qmp_arguments", Usage;
}
fn hint(&self) -> Option<String> {
    match self {
        QmpRefused::Refused { hint, .. } | QmpRefused::Arguments { hint, .. } => hint.clone(),
    }
});

fn class_of(class: &str) -> String {
    if class == "GenericError" { String::new() } else { format!(" ({class})") }
}

/// Runs a command with the arguments that `words` stand for, and returns QEMU's answer.
///
/// # Errors
/// The target can't be reached, the words can't be read, or QEMU refuses the command.
pub async fn qmp(
    target: &Target,
    command: &str,
    words: &[String],
    patience: Duration,
) -> Result<Value, Error> {
    let name = target.name();
    let exchange = async |client: &mut Client| {
        let given = match words {
            [] => None,
            words => {
                let schema = Schema::of(client).await?;
                match arguments(words, command, &schema) {
                    Ok(given) => Some(given),
                    Err(what) => {
                        let hint = known(&schema, command, &name);
                        return Ok(Err(QmpRefused::Arguments {
                            command: command.to_owned(),
                            what,
                            hint,
                        }));
                    }
                }
            }
        };
        match client.execute(command, given).await {
            Err(qmp::Error::Command { command, class, desc }) => {
                let schema = Schema::of(client).await?;
                let hint = match class.as_str() {
                    "CommandNotFound" => nearest(&schema, &command),
                    _ if is_about_arguments(&desc) => known(&schema, &command, &name),
                    _ => None,
                };
                Ok(Err(QmpRefused::Refused { target: name.clone(), command, class, desc, hint }))
            }
            result => result.map(Ok),
        }
    };
    Ok(target.qmp(patience, exchange).await??)
}

/// The commands of a QEMU with their arguments, sorted by their names.
///
/// # Errors
/// The target can't be reached.
pub async fn qmp_commands(target: &Target, patience: Duration) -> Result<Vec<Command>, Error> {
    let schema = target.qmp(patience, async |client: &mut Client| Schema::of(client).await).await?;
    let command = |name: &str| Command { name: name.to_owned(), arguments: schema.arguments(name) };
    Ok(schema.commands().into_iter().map(command).collect())
}

fn nearest(schema: &Schema, command: &str) -> Option<String> {
    let near = suggest::nearest(command, schema.commands())?;
    Some(format!("did you mean `{near}`?"))
}

/// Whether QEMU complains about which arguments there are, or of their types (QEMU,
/// qapi/qobject-input-visitor.c).
fn is_about_arguments(desc: &str) -> bool {
    ["is missing", "is unexpected", "Invalid parameter type"].iter().any(|part| desc.contains(part))
}

fn known(schema: &Schema, command: &str, target: &str) -> Option<String> {
    if !schema.commands().contains(&command) {
        return nearest(schema, command);
    }
    let shown = |argument: &Argument| {
        let Argument { name, kind, optional } = argument;
        format!("{name}{}={kind}", if *optional { "?" } else { "" })
    };
    let all: Vec<_> = schema.arguments(command).iter().map(shown).collect();
    Some(match all.len() {
        0 => format!("{command} takes no arguments"),
        1..=MOST_NAMED => format!("{command} takes {}", all.join(", ")),
        _ => format!("to see its arguments: qqmgr qmp {target} --list {command}"),
    })
}
