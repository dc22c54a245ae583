//! Tips for command lines that qqmgr does not understand: what to write instead.

use crate::wait::Condition;
use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Verbs of other programs, and what to write here.
const ELSEWHERE: [(&[&str], &str); 21] = [
    (&["up", "boot", "launch"], "use `qqmgr start VM`"),
    (&["down", "halt", "shutdown", "poweroff"], "use `qqmgr stop VM`"),
    (&["reboot"], "use `qqmgr restart VM`"),
    (&["reset"], "use `qqmgr restart VM --reset`"),
    (&["destroy"], "use `qqmgr kill VM`"),
    (
        &["rm", "remove", "delete"],
        "`qqmgr kill VM` ends it, `qqmgr gc` cleans up; the config defines it",
    ),
    (&["prune", "clean"], "use `qqmgr gc`"),
    (&["ps"], "use `qqmgr list`"),
    (&["info", "show", "inspect"], "use `qqmgr status VM`"),
    (&["log", "logs", "dmesg"], "use `qqmgr serial VM`"),
    (&["exec"], "use `qqmgr ssh VM COMMAND`"),
    (&["shell", "login", "enter"], "use `qqmgr ssh VM`"),
    (&["cp", "scp", "copy"], "use `qqmgr put VM LOCAL REMOTE` or `qqmgr get VM REMOTE LOCAL`"),
    (&["attach"], "use `qqmgr console VM`"),
    (&["hmp"], "use `qqmgr monitor VM COMMAND`"),
    (&["suspend"], "use `qqmgr pause VM`"),
    (&["screendump"], "use `qqmgr screenshot VM FILE.png`"),
    (&["unpause", "continue", "cont"], "use `qqmgr resume VM`"),
    (&["validate", "lint"], "use `qqmgr check`"),
    (&["create", "new"], "use `qqmgr init`"),
    (&["images", "image"], "`qqmgr check` checks the images in a VM's `cmd`"),
];

/// The error with a tip, if there is one for it.
pub fn with_tip(command: &Command, mut error: clap::Error) -> clap::Error {
    let Some(tip) = tip(command, &error) else { return error };
    for kind in [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg] {
        error.remove(kind);
    }
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    error
}

fn tip(command: &Command, error: &clap::Error) -> Option<String> {
    let context = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    let word = context(ContextKind::InvalidArg);
    let usage = context(ContextKind::Usage);
    let verb = usage.split_whitespace().find_map(|word| command.find_subcommand(word));
    match error.kind() {
        ErrorKind::InvalidSubcommand => elsewhere(&context(ContextKind::InvalidSubcommand)),
        ErrorKind::MissingRequiredArgument
            if word.starts_with("<VM>") || word.starts_with("<TARGET>") =>
        {
            let verb = verb?;
            let takes_all = verb.get_arguments().any(|arg| arg.get_long() == Some("all"));
            Some(match takes_all {
                true => format!("name the VMs, or use all: `qqmgr {} --all`", verb.get_name()),
                false => "name a VM: `qqmgr list` shows them".to_owned(),
            })
        }
        ErrorKind::MissingRequiredArgument if word.starts_with("--for ") => {
            // clap took the condition for a VM's name.
            let words = std::env::args_os().filter_map(|arg| arg.into_string().ok());
            let said = words.into_iter().find(|word| word.parse::<Condition>().is_ok());
            Some(match said {
                Some(word) => format!("use `--for {word}`"),
                None => "add a condition, such as `--for ssh`".to_owned(),
            })
        }
        ErrorKind::ArgumentConflict => {
            let both = [word, context(ContextKind::PriorArg)];
            let is_in_both = |part| both.iter().any(|arg| arg.contains(part));
            let all_and_names = is_in_both("--all") && is_in_both("VM]");
            let tip = "`--all` means every VM of the config: leave out `--all` or the names";
            all_and_names.then(|| tip.to_owned())
        }
        ErrorKind::UnknownArgument => {
            let words = usage.split_once("[-- <").and_then(|(_, rest)| rest.split_once('>'));
            let has_better = error.get(ContextKind::Suggested).is_some();
            let (words, _) = words.filter(|_| !has_better)?;
            Some(format!("put `--` before {words}: `-- {word}`"))
        }
        _ => None,
    }
}

fn elsewhere(word: &str) -> Option<String> {
    let (_, tip) = ELSEWHERE.iter().find(|(theirs, _)| theirs.contains(&word))?;
    Some((*tip).to_owned())
}

#[cfg(test)]
mod tests {
    use super::ELSEWHERE;
    use crate::cli::Cli;
    use clap::CommandFactory;

    #[test]
    fn words_of_other_programs_are_no_verbs_and_lead_to_verbs() {
        let mut command = Cli::command();
        command.build();
        for (theirs, tip) in ELSEWHERE {
            let verb =
                tip.split_once("`qqmgr ").and_then(|(_, rest)| rest.split([' ', '`']).next());
            assert!(verb.is_some_and(|verb| command.find_subcommand(verb).is_some()), "{tip}");
            let taken = theirs.iter().find(|word| command.find_subcommand(word).is_some());
            assert_eq!(taken, None);
        }
    }
}
