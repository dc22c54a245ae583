//! `qqmgr qmp`.

use super::args::drive::QmpArgs;
use super::{Context, output, stdin};
use crate::Error;
use crate::error::Usage;
use crate::ops::{self, Command};
use serde::Serialize;
use std::fmt;
use std::process::ExitCode;
use wildmatch::WildMatch;

/// The commands that `--list` shows.
#[derive(Serialize)]
#[serde(transparent)]
struct Commands(Vec<Command>);

impl fmt::Display for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Command { name, arguments }) in self.0.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            f.write_str(name)?;
            for argument in arguments {
                let mark = if argument.optional { "?" } else { "" };
                write!(f, " {}{mark}={}", argument.name, argument.kind)?;
            }
        }
        Ok(())
    }
}

pub async fn run(context: &Context, args: QmpArgs) -> Result<ExitCode, Error> {
    let target = context.target(&args.target)?;
    if let Some(pattern) = &args.list {
        let mut commands = ops::qmp_commands(&target, args.timeout).await?;
        let wanted = WildMatch::new(pattern);
        commands.retain(|command| wanted.matches(&command.name) || command.name.contains(pattern));
        output::report(&Commands(commands), context.json);
        return Ok(ExitCode::SUCCESS);
    }
    let Some(command) = &args.command else {
        let hint = format!("to list them: qqmgr qmp {} --list", args.target);
        let message = "a QMP command is needed".to_owned();
        return Err(Usage { message, hint: Some(hint) }.into());
    };
    let words = match args.arguments.as_slice() {
        [stdin] if stdin == "-" => vec![stdin::all().await?],
        words => words.to_owned(),
    };
    let answer = ops::qmp(&target, command, &words, args.timeout).await?;
    match context.json {
        true => drop(output::document(&answer)),
        false => drop(output::text(format_args!("{answer:#}"))),
    }
    Ok(ExitCode::SUCCESS)
}
