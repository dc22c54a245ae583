//! Puts variables in: looks them up, to any depth, and splits what may be split.

use super::file::{Definition, Var, Vars};
use super::source::{Diagnostic, Source, Text};
use crate::suggest;
use crate::template::{self, Path, Piece};
use crate::words::{self, Word};
use std::ops::Range;

/// The kernel takes no longer argument (execve(2), MAX_ARG_STRLEN).
const LONGEST: usize = 128 * 1024 - 1;

/// What qqmgr itself knows about a VM.
pub struct Builtins {
    pub name: String,
    pub dir: String,
    pub port: u16,
    pub vm_port: u16,
    pub config_dir: String,
}

/// All that a template of one VM can name.
pub struct Scope<'a> {
    pub source: &'a Source,
    pub vars: &'a Vars,
    pub vm: &'a Definition,
    pub builtins: Builtins,
}

/// What a variable holds.
enum Found<'a> {
    /// Text of the config file, a template itself.
    Template(&'a Text),
    /// Text from outside, which may be split but holds no variables.
    Plain(String),
    /// One word, whatever is in it.
    Word(String),
}

/// Why a variable can't be had: a message and a hint.
type Failure = (String, Option<String>);

impl Scope<'_> {
    /// The text with its variables put in.
    pub fn text(&self, text: &Text) -> Result<String, Diagnostic> {
        self.expand(text, &mut Vec::new())
    }

    /// The words of a command line and the bytes that each came from.
    pub fn words(&self, text: &Text) -> Result<Vec<(String, Range<usize>)>, Diagnostic> {
        self.split(text, &mut Vec::new())
    }

    fn expand(&self, text: &Text, trail: &mut Vec<Path>) -> Result<String, Diagnostic> {
        let pieces = template::scan(&text.value).map_err(|error| self.bad_syntax(text, error))?;
        self.join(text, &pieces, trail)
    }

    fn split(
        &self,
        text: &Text,
        trail: &mut Vec<Path>,
    ) -> Result<Vec<(String, Range<usize>)>, Diagnostic> {
        let mut result = Vec::new();
        for word in words::split(&text.value).map_err(|error| self.bad_syntax(text, error))? {
            match word.lone_variable() {
                Some((path, range)) => {
                    let words = self.split_variable(text, path, range, trail)?;
                    result.extend(words.into_iter().map(|word| (word, range.clone())));
                }
                None => result.push((self.join(text, &word.pieces, trail)?, word.range)),
            }
        }
        Ok(result)
    }

    /// The words of a variable that is a word of its own.
    fn split_variable(
        &self,
        text: &Text,
        path: &Path,
        range: &Range<usize>,
        trail: &mut Vec<Path>,
    ) -> Result<Vec<String>, Diagnostic> {
        match self.enter(text, path, range, trail)? {
            Found::Word(word) => Ok(vec![word]),
            Found::Plain(value) => {
                let words = words::split(&value).map_err(|error| {
                    let message =
                        format!("the value of `{{{{{path}}}}}` can't be split: {}", error.message);
                    Diagnostic::new(self.source.within(text, range), message)
                })?;
                Ok(words.iter().map(|word| literal(word, &value)).collect())
            }
            Found::Template(value) => {
                trail.push(path.clone());
                let words = self.split(value, trail)?;
                trail.pop();
                Ok(words.into_iter().map(|(word, _)| word).collect())
            }
        }
    }

    fn join(
        &self,
        text: &Text,
        pieces: &[Piece],
        trail: &mut Vec<Path>,
    ) -> Result<String, Diagnostic> {
        let mut result = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(literal) => result.push_str(literal),
                Piece::Var(path, range) => match self.enter(text, path, range, trail)? {
                    Found::Plain(value) | Found::Word(value) => result.push_str(&value),
                    Found::Template(value) => {
                        trail.push(path.clone());
                        result.push_str(&self.expand(value, trail)?);
                        trail.pop();
                    }
                },
            }
        }
        let fault = match result {
            _ if result.contains('\0') => "holds a NUL character, which no argument can",
            _ if result.len() > LONGEST => "is longer than the 128 KiB that an argument can have",
            _ => return Ok(result),
        };
        Err(Diagnostic::new(text.span.clone(), format!("this text {fault}")))
    }

    /// Looks a variable up, minding cycles.
    fn enter<'s>(
        &'s self,
        text: &Text,
        path: &Path,
        range: &Range<usize>,
        trail: &[Path],
    ) -> Result<Found<'s>, Diagnostic> {
        let place = || self.source.within(text, range);
        if let Some(start) = trail.iter().position(|passed| passed == path) {
            let members: Vec<_> =
                trail[start..].iter().chain([path]).map(Path::to_string).collect();
            let message =
                format!("variables that use each other in a cycle: {}", members.join(" -> "));
            return Err(Diagnostic::new(place(), message));
        }
        self.lookup(path).map_err(|(message, hint)| {
            let diagnostic = Diagnostic::new(place(), message);
            match hint {
                Some(hint) => diagnostic.hint(hint),
                None => diagnostic,
            }
        })
    }

    fn lookup(&self, path: &Path) -> Result<Found<'_>, Failure> {
        let keys: Vec<_> = path.0.iter().map(String::as_str).collect();
        let builtins = &self.builtins;
        let word = |value: &str| Ok(Found::Word(value.to_owned()));
        match keys.as_slice() {
            ["config_dir"] => word(&builtins.config_dir),
            ["vm", "name"] => word(&builtins.name),
            ["vm", "dir"] => word(&builtins.dir),
            ["vm", "ssh", "port"] => word(&builtins.port.to_string()),
            ["vm", "ssh", "vm_port"] => word(&builtins.vm_port.to_string()),
            ["vm"] | ["vm", "ssh"] | ["env"] => Err((format!("`{{{{{path}}}}}` is a table"), None)),
            ["env", name] => environment(name).map(Found::Plain),
            ["vm", "ssh", key] => {
                Err(unknown(path, "vm.ssh", key, ["port", "vm_port"].into_iter()))
            }
            ["vm", rest @ ..] => {
                let names = self.vm.vars.keys().map(String::as_str).chain(["name", "dir", "ssh"]);
                descend(&self.vm.vars, path, "vm", rest, names)
            }
            rest => {
                let names = self.vars.keys().map(String::as_str).chain(["vm", "env", "config_dir"]);
                descend(self.vars, path, "", rest, names).map_err(|failure| match rest {
                    [name] if self.vm.vars.contains_key(*name) => {
                        (failure.0, Some(format!("this VM has it as {{{{.vm.{name}}}}}")))
                    }
                    _ => failure,
                })
            }
        }
    }

    fn bad_syntax(&self, text: &Text, error: template::Error) -> Diagnostic {
        let diagnostic = Diagnostic::new(self.source.within(text, &error.range), error.message);
        match error.hint {
            Some(hint) => diagnostic.hint(hint),
            None => diagnostic,
        }
    }
}

/// A word of a text that is no template: variables in it stand for themselves.
fn literal(word: &Word, text: &str) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Var(_, range) => text[range.clone()].to_owned(),
    };
    word.pieces.iter().map(piece).collect()
}

/// Follows `keys` down from a table called `prefix`.
fn descend<'a>(
    vars: &'a Vars,
    path: &Path,
    prefix: &str,
    keys: &[&str],
    names: impl Iterator<Item = &'a str>,
) -> Result<Found<'a>, Failure> {
    let [key, rest @ ..] = keys else {
        return Err((format!("`{{{{{path}}}}}` is a table"), None));
    };
    match (vars.get(*key), rest) {
        (None, _) => Err(unknown(path, prefix, key, names)),
        (Some(Var::Text(text)), []) => Ok(Found::Template(text)),
        (Some(Var::Other(kind)), []) => Err((format!("`{{{{{path}}}}}` is {kind}"), None)),
        (Some(Var::Table(table)), rest) => {
            let prefix = format!("{prefix}.{key}");
            descend(
                table,
                path,
                prefix.trim_start_matches('.'),
                rest,
                table.keys().map(String::as_str),
            )
        }
        (Some(_), [next, ..]) => {
            let message = format!(
                "`{{{{{path}}}}}`: .{prefix}{dot}{key} is no table, so it has no `{next}`",
                dot = if prefix.is_empty() { "" } else { "." }
            );
            Err((message, None))
        }
    }
}

fn unknown<'a>(
    path: &Path,
    prefix: &str,
    key: &str,
    names: impl Iterator<Item = &'a str>,
) -> Failure {
    let hint = suggest::nearest(key, names).map(|near| {
        let dot = if prefix.is_empty() { "" } else { "." };
        format!("did you mean `{{{{.{prefix}{dot}{near}}}}}`?")
    });
    (format!("there is no variable `{{{{{path}}}}}`"), hint)
}

fn environment(name: &str) -> Result<String, Failure> {
    std::env::var(name).map_err(|error| match error {
        std::env::VarError::NotPresent => {
            let names: Vec<_> =
                std::env::vars_os().filter_map(|(key, _)| key.into_string().ok()).collect();
            let near = suggest::nearest(name, names.iter().map(String::as_str));
            let hint = near.map(|near| format!("did you mean `{{{{.env.{near}}}}}`?"));
            (format!("there is no environment variable `{name}`"), hint)
        }
        std::env::VarError::NotUnicode(_) => {
            (format!("the environment variable `{name}` is not UTF-8"), None)
        }
    })
}
