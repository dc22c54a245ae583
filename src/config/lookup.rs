//! Looks up a VM's variables, and explains why one can't be used.

use super::file::{Definition, Var, Vars};
use super::ports::Ports;
use crate::text::source::{Source, Text};
use crate::text::suggest;
use crate::text::template::Path;

/// What qqmgr itself knows about a VM.
pub struct Builtins {
    pub name: String,
    pub dir: String,
    pub ports: Ports,
    pub vm_port: u16,
    pub config_dir: String,
}

/// All variables that a template of one VM can name.
pub struct Scope<'a> {
    pub source: &'a Source,
    pub vars: &'a Vars,
    pub vm: &'a Definition,
    pub builtins: Builtins,
}

/// The value of a variable.
pub enum Found<'a> {
    /// Text of the config file, a template itself.
    Template(&'a Text),
    /// Text from outside: it may be split, but contains no variables.
    Plain(String),
    /// One word, whatever it contains.
    Word(String),
}

impl Found<'_> {
    pub fn len(&self) -> usize {
        match self {
            Found::Template(text) => text.value.len(),
            Found::Plain(value) | Found::Word(value) => value.len(),
        }
    }
}

/// The hint for a value that is not text.
const AS_STRING: &str = "write it as a string; if it stands alone in `cmd`, it is split into words";

/// Why a variable can't be used: a message and a hint.
pub type Failure = (String, Option<String>);

impl<'a> Scope<'a> {
    /// The value of a variable.
    pub fn lookup(&self, path: &Path) -> Result<Found<'a>, Failure> {
        let keys: Vec<_> = path.0.iter().map(String::as_str).collect();
        let builtins = &self.builtins;
        let word = |value: &str| Ok(Found::Word(value.to_owned()));
        match keys.as_slice() {
            ["config_dir"] => word(&builtins.config_dir),
            ["vm", "name"] => word(&builtins.name),
            ["vm", "dir"] => word(&builtins.dir),
            ["vm", "ssh", "port"] => word(&builtins.ports.ssh.to_string()),
            ["vm", "ssh", "vm_port"] => word(&builtins.vm_port.to_string()),
            ["vm", "ports", name] if let Some(port) = builtins.ports.named.get(*name) => {
                word(&port.to_string())
            }
            ["vm"] => Err(is_a("a table", path, Some(path.join(["name"])))),
            ["vm", "ssh"] => Err(is_a("a table", path, Some(path.join(["port"])))),
            ["vm", "ports"] => {
                let name = builtins.ports.named.keys().next();
                Err(is_a("a table", path, name.map(|name| path.join([name.as_str()]))))
            }
            ["env"] => Err(is_a("a table", path, Some(path.join(["HOME"])))),
            ["env", name] => environment(name).map(Found::Plain),
            ["vm", "ssh", _, ..] => Err(unknown(path, 2, ["port", "vm_port"])),
            ["vm", "ports", _, ..] => {
                Err(unknown(path, 2, builtins.ports.named.keys().map(String::as_str)))
            }
            ["vm", ..] => {
                let ours = ["name", "dir", "ssh", "ports"];
                let names = self.vm.vars.keys().map(String::as_str).chain(ours);
                descend(&self.vm.vars, path, 1, names)
            }
            rest => {
                let names = self.vars.keys().map(String::as_str).chain(["vm", "env", "config_dir"]);
                descend(self.vars, path, 0, names).map_err(|failure| match rest {
                    [name] if self.vm.vars.contains_key(*name) => {
                        let own = Path(Vec::new()).join(["vm", name]);
                        (failure.0, Some(format!("in this VM it is {{{{{own}}}}}")))
                    }
                    _ => failure,
                })
            }
        }
    }
}

/// Follows a path down from the table that its first `depth` keys lead to.
fn descend<'a>(
    vars: &'a Vars,
    path: &Path,
    depth: usize,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Result<Found<'a>, Failure> {
    let is_last = depth + 1 == path.0.len();
    match path.0.get(depth).and_then(|key| vars.get(key)) {
        None => Err(unknown(path, depth, names)),
        Some(Var::Text(text)) if is_last => Ok(Found::Template(text)),
        Some(Var::Table(table)) if is_last => {
            Err(is_a("a table", path, first_of(table).map(|keys| path.join(keys))))
        }
        Some(Var::Table(table)) => {
            descend(table, path, depth + 1, table.keys().map(String::as_str))
        }
        Some(Var::Other(kind)) if is_last => {
            let others = names.filter(|name| path.0.last().is_none_or(|key| key != name));
            let (message, hint) = is_a(kind, path, nearest(path, depth, others));
            Err((message, hint.or_else(|| Some(AS_STRING.to_owned()))))
        }
        Some(other) => {
            let (table, rest) = path.0.split_at(depth + 1);
            let table = Path(table.to_vec());
            let next = rest.first().map_or("", String::as_str);
            let message =
                format!("`{{{{{path}}}}}`: {table} is not a table, so it has no `{next}`");
            Err((message, matches!(other, Var::Text(_)).then(|| did_you_mean(&table))))
        }
    }
}

/// The path to the first text in a table.
fn first_of(table: &Vars) -> Option<Vec<&str>> {
    table.iter().find_map(|(key, var)| match var {
        Var::Text(_) => Some(vec![key.as_str()]),
        Var::Table(inner) => Some([vec![key.as_str()], first_of(inner)?].concat()),
        Var::Other(_) => None,
    })
}

/// The error for a variable that is not text, with another one to use instead.
fn is_a(kind: &str, path: &Path, instead: Option<Path>) -> Failure {
    (format!("`{{{{{path}}}}}` is {kind}"), instead.as_ref().map(did_you_mean))
}

/// The error for a variable that is not among the names at `depth`.
fn unknown<'a>(path: &Path, depth: usize, names: impl IntoIterator<Item = &'a str>) -> Failure {
    let near = nearest(path, depth, names);
    (format!("there is no variable `{{{{{path}}}}}`"), near.as_ref().map(did_you_mean))
}

/// The path with the most similar of the names at `depth`.
fn nearest<'a>(
    path: &Path,
    depth: usize,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<Path> {
    let near = suggest::nearest(path.0.get(depth)?, names)?;
    Some(Path(path.0.iter().take(depth).cloned().collect()).join([near]))
}

fn did_you_mean(path: &Path) -> String {
    format!("did you mean `{{{{{path}}}}}`?")
}

pub fn environment(name: &str) -> Result<String, Failure> {
    std::env::var(name).map_err(|error| match error {
        std::env::VarError::NotPresent => {
            let names: Vec<_> =
                std::env::vars_os().filter_map(|(key, _)| key.into_string().ok()).collect();
            let path = Path(Vec::new()).join(["env", name]);
            let near = nearest(&path, 1, names.iter().map(String::as_str));
            let message = format!("there is no environment variable `{name}`");
            (message, near.as_ref().map(did_you_mean))
        }
        std::env::VarError::NotUnicode(_) => {
            (format!("the environment variable `{name}` is not UTF-8"), None)
        }
    })
}
