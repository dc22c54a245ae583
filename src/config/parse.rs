//! TOML text to the typed [`File`]: which keys exist and which values they accept.

use super::file::{Definition, Entry, File, Qemu, SshOption, SshSection, Var, Vars};
use super::ports::Port;
use super::read::{Reader, Section, Value, describe, scalar};
use crate::text::source::{Diagnostic, Source, Text};
use crate::text::suggest;
use std::collections::BTreeMap;
use std::sync::Arc;
use toml::de::{DeTable, DeValue, Error};

pub(super) const KEYS: [&str; 5] = ["runtime_dir", "qemu", "vars", "ssh", "vm"];
pub(super) const QEMU_KEYS: [&str; 2] = ["bin", "img"];
pub(super) const RESERVED: [&str; 4] = ["vm", "env", "img", "config_dir"];
pub(super) const RESERVED_IN_VM: [&str; 4] = ["name", "dir", "ssh", "ports"];

/// The smallest `serial_limit`, in bytes: less would be no useful log.
const SMALLEST_LIMIT: u64 = 64 << 10;

const LONGEST_NAME: usize = 64;

/// Parses a whole file.
///
/// # Errors
/// Every error in it, in the order of the text.
pub fn file(source: Arc<Source>) -> Result<File, Vec<Diagnostic>> {
    let (document, errors) = DeTable::parse_recoverable(&source.text);
    if !errors.is_empty() {
        return Err(no_toml(&source, errors));
    }
    let document = document.into_inner();
    let mut reader = Reader::default();
    let root = Section { table: &document, name: "the file".to_owned(), span: 0..0 };
    reader.only(&root, &KEYS);
    let runtime_dir =
        root.get("runtime_dir").and_then(|value| filled(&mut reader, "`runtime_dir`", value));
    let qemu = qemu(&mut reader, &root);
    let vars = match reader.section(&root, "vars", "[vars]".to_owned()) {
        Some(section) => vars(&mut reader, &section, &RESERVED),
        None => Vars::new(),
    };
    let ssh = match reader.section(&root, "ssh", "[ssh]".to_owned()) {
        Some(section) => global_ssh(&mut reader, &section),
        None => Vec::new(),
    };
    let vms = root.get("vm").map(|value| vms(&mut reader, value)).unwrap_or_default();
    if reader.diagnostics.is_empty() {
        Ok(File { source, runtime_dir, qemu, vars, ssh, vms })
    } else {
        reader.diagnostics.sort_by_key(|diagnostic| diagnostic.span.start);
        Err(reader.diagnostics)
    }
}

/// The `runtime_dir` of a file that may have errors elsewhere.
pub fn runtime_dir(source: &Source) -> Option<Text> {
    let (document, _) = DeTable::parse_recoverable(&source.text);
    let value = document.get_ref().get("runtime_dir")?;
    Reader::default().string("`runtime_dir`", value)
}

/// The TOML syntax errors: only the first on each line, since later ones mostly follow from it.
fn no_toml(source: &Source, mut errors: Vec<Error>) -> Vec<Diagnostic> {
    errors.extend(behind_keys_alone(&source.text, &errors));
    let diagnostic = |error: &Error| {
        let end = source.text.len();
        let span = error.span().unwrap_or(end..end);
        Diagnostic::new(span, format!("not valid TOML: {}", error.message()))
    };
    let mut diagnostics: Vec<_> = errors.iter().map(diagnostic).collect();
    diagnostics.sort_by_key(|diagnostic| diagnostic.span.start);
    drop_echoes(&source.text, &mut diagnostics);
    diagnostics.dedup_by_key(|diagnostic| source.location(diagnostic.span.start).line);
    diagnostics
}

/// The errors that a key without a value hides: the parser checks no value after such a key.
fn behind_keys_alone(text: &str, errors: &[Error]) -> Vec<Error> {
    let alone = errors.iter().filter(|error| error.message().starts_with("key with no value"));
    let mut rest = text.to_owned();
    for end in alone.filter_map(Error::span).map(|span| span.start) {
        let start = text[..end].rfind('\n').map_or(0, |at| at + 1);
        rest.replace_range(start..end, &" ".repeat(end - start));
    }
    if rest == text { Vec::new() } else { DeTable::parse_recoverable(&rest).1 }
}

/// Drops each key that is only a duplicate because its whole table is repeated.
fn drop_echoes(text: &str, diagnostics: &mut Vec<Diagnostic>) {
    let has_header = |text: &str| text.lines().any(|line| line.trim_start().starts_with('['));
    let mut twice = None;
    diagnostics.retain(|Diagnostic { message, span, .. }| {
        if !message.ends_with("duplicate key") {
            return true;
        }
        if twice.is_some_and(|header| !has_header(&text[header..span.start])) {
            return false;
        }
        let line = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
        twice = has_header(&text[line..span.start]).then_some(span.start);
        true
    });
}

fn qemu(reader: &mut Reader, root: &Section) -> Qemu {
    let section = reader.section(root, "qemu", "[qemu]".to_owned());
    if let Some(section) = &section {
        reader.only(section, &QEMU_KEYS);
    }
    let mut program = |key: &str, default: &str| {
        let value = section.as_ref().and_then(|section| section.get(key));
        value
            .and_then(|value| filled(reader, &format!("`{key}` in [qemu]"), value))
            .unwrap_or(Text { value: default.to_owned(), span: 0..0 })
    };
    Qemu { bin: program("bin", "qemu-system-x86_64"), img: program("img", "qemu-img") }
}

/// Reads a string that is not empty.
fn filled(reader: &mut Reader, what: &str, value: &Value) -> Option<Text> {
    let text = reader.string(what, value)?;
    if text.value.is_empty() {
        reader.error(Diagnostic::new(text.span, format!("{what} is empty")));
        return None;
    }
    Some(text)
}

fn vars(reader: &mut Reader, section: &Section, reserved: &[&str]) -> Vars {
    let mut vars = Vars::new();
    for (key, span, value) in section.entries() {
        if reserved.contains(&key) {
            let message = format!("`{key}` in {} is the name of a built-in variable", section.name);
            reader.error(Diagnostic::new(span, message).hint("rename the variable"));
            continue;
        }
        vars.insert(key.to_owned(), var(value));
    }
    vars
}

fn var(value: &Value) -> Var {
    match value.get_ref() {
        DeValue::Table(table) => {
            let variables = table.iter();
            Var::Table(
                variables.map(|(key, value)| (key.get_ref().to_string(), var(value))).collect(),
            )
        }
        other => match scalar(value) {
            Some(text) => Var::Text(Text { value: text, span: value.span() }),
            None => Var::Other(describe(other)),
        },
    }
}

fn vms(reader: &mut Reader, value: &Value) -> Vec<Definition> {
    let Some(section) = reader.table(value, "[vm]".to_owned()) else {
        return Vec::new();
    };
    let mut vms = Vec::with_capacity(section.table.len());
    for (name, span, value) in section.entries() {
        if !is_vm_name(name) {
            let message = format!("`{name}` is not a valid VM name");
            reader.error(Diagnostic::new(span.clone(), message).hint(NAME_RULE));
        }
        if let Some(section) = reader.table(value, format!("[vm.{name}]")) {
            vms.extend(definition(reader, &Section { span, ..section }, name));
        }
    }
    vms
}

/// The rule for a VM's name.
pub const NAME_RULE: &str =
    "a name has up to 64 letters, digits, `.`, `_` and `-`, and begins with a letter or digit";

/// Whether this can be a VM's name: the name becomes a directory's.
pub fn is_vm_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

pub(super) const VM_KEYS: [&str; 7] = ["cmd", "vars", "ssh", "ports", "bin", "env", "serial_limit"];

fn definition(reader: &mut Reader, section: &Section, name: &str) -> Option<Definition> {
    reader.only(section, &VM_KEYS);
    let what = |key: &str| format!("`{key}` in {}", section.name);
    for (key, what, hint) in [
        ("cmd", "`cmd`", "add `cmd = [\"...\"]` with QEMU's options"),
        ("ssh", "`ssh`", "add `ssh = { port = \"auto\" }`: a free port, picked at each start"),
    ] {
        if !section.means(key, &VM_KEYS) {
            reader.missing(section, what, hint);
        }
    }
    let cmd = section.get("cmd").and_then(|value| cmd(reader, &what("cmd"), value));
    let bin = section.get("bin").and_then(|value| filled(reader, &what("bin"), value));
    let env = section.get("env").map(|value| env(reader, name, value)).unwrap_or_default();
    let limit = section.get("serial_limit");
    let serial_limit = limit.and_then(|value| size(reader, &what("serial_limit"), value));
    let vars = match reader.section(section, "vars", format!("[vm.{name}.vars]")) {
        Some(section) => vars(reader, &section, &RESERVED_IN_VM),
        None => Vars::new(),
    };
    let ports = match reader.section(section, "ports", format!("[vm.{name}.ports]")) {
        Some(section) => ports(reader, &section),
        None => BTreeMap::new(),
    };
    let ssh = reader.section(section, "ssh", format!("[vm.{name}.ssh]"));
    let ssh = ssh.and_then(|section| vm_ssh(reader, &section));
    let (name, span) = (name.to_owned(), section.span.clone());
    let (cmd, ssh) = (cmd?, ssh?);
    Some(Definition { name, span, cmd, bin, env, serial_limit, vars, ports, ssh })
}

/// Reads a size in QEMU's form: `512K`, `64M` or `1G`.
fn size(reader: &mut Reader, what: &str, value: &Value) -> Option<u64> {
    let text = reader.string(what, value)?.value;
    let number = text.trim_end_matches(['K', 'M', 'G']);
    let unit = match &text[number.len()..] {
        "K" => Some(1 << 10),
        "M" => Some(1 << 20),
        "G" => Some(1_u64 << 30),
        _ => None,
    };
    let bytes = unit.and_then(|unit| number.parse::<u64>().ok()?.checked_mul(unit));
    let bytes = bytes.filter(|bytes| *bytes >= SMALLEST_LIMIT);
    if bytes.is_none() {
        let message =
            format!("{what} must be a size of at least 64K, such as \"64M\", not {text:?}");
        reader.error(Diagnostic::new(value.span(), message));
    }
    bytes
}

fn cmd(reader: &mut Reader, what: &str, value: &Value) -> Option<Vec<Entry>> {
    let elements = reader.list(what, value)?;
    let mut entries = Vec::with_capacity(elements.len());
    for element in elements {
        entries.push(match element.get_ref().as_array() {
            Some(words) => {
                let what = format!("a word in {what}");
                let words = words.iter().filter_map(|word| reader.string(&what, word));
                Entry::Words(words.collect())
            }
            None => match reader.string(&format!("an entry of {what}"), element) {
                Some(text) => Entry::Line(text),
                None => continue,
            },
        });
    }
    Some(entries)
}

fn env(reader: &mut Reader, vm: &str, value: &Value) -> Vec<(String, Text)> {
    let Some(section) = reader.table(value, format!("[vm.{vm}.env]")) else {
        return Vec::new();
    };
    let mut variables = Vec::new();
    for (key, span, value) in section.entries() {
        if key.is_empty() || key.contains(['=', '\0']) {
            let message = format!("`{key}` is not a valid environment variable name");
            reader.error(Diagnostic::new(span, message));
        }
        let Some(text) = scalar(value) else {
            reader.string(&format!("`{key}` in {}", section.name), value);
            continue;
        };
        variables.push((key.to_owned(), Text { value: text, span: value.span() }));
    }
    variables
}

fn ports(reader: &mut Reader, section: &Section) -> BTreeMap<String, Port> {
    let mut ports = BTreeMap::new();
    for (name, span, value) in section.entries() {
        if !name.starts_with(|c: char| c.is_ascii_alphabetic())
            || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            let message = format!("`{name}` is not a valid port name");
            let rule = "a name has letters, digits and `_`, and begins with a letter";
            reader.error(Diagnostic::new(span, message).hint(rule));
        }
        let what = format!("`{name}` in {}", section.name);
        ports.extend(port(reader, &what, value).map(|port| (name.to_owned(), port)));
    }
    ports
}

fn port(reader: &mut Reader, what: &str, value: &Value) -> Option<Port> {
    match value.get_ref().as_str() {
        Some("auto") => Some(Port::Auto),
        _ => reader.port(what, &["auto"], value).map(Port::Fixed),
    }
}

/// The keys of a VM's SSH section that qqmgr itself reads; case does not matter.
pub(super) const OUR_KEYWORDS: [&str; 2] = ["port", "vm_port"];

fn is_our_keyword(key: &str) -> bool {
    OUR_KEYWORDS.iter().any(|ours| key.eq_ignore_ascii_case(ours))
}

/// The keyword of ours that a key is, in any case, or misspells. No keyword of OpenSSH is similar
/// to one of ours.
fn near_ours(key: &str) -> Option<&'static str> {
    suggest::nearest(key, OUR_KEYWORDS)
}

fn is_no_keyword(key: &str) -> bool {
    key.is_empty() || !key.chars().all(|c| c.is_ascii_alphanumeric())
}

fn global_ssh(reader: &mut Reader, section: &Section) -> Vec<SshOption> {
    for (key, span, _) in section.entries() {
        if is_our_keyword(key) {
            let message = format!("`{key}` can't be set in [ssh]");
            reader.error(Diagnostic::new(span, message).hint("set it in [vm.NAME.ssh]"));
        }
    }
    ssh_options(reader, section)
}

fn vm_ssh(reader: &mut Reader, section: &Section) -> Option<SshSection> {
    let mut port = None;
    let mut vm_port = 22;
    for (key, _, value) in section.entries() {
        let what = format!("`{key}` in {}", section.name);
        if key.eq_ignore_ascii_case("port") {
            port = self::port(reader, &what, value);
        } else if key.eq_ignore_ascii_case("vm_port") {
            vm_port = reader.port(&what, &[], value).unwrap_or(vm_port);
        }
    }
    if !section.entries().any(|(key, ..)| near_ours(key) == Some("port")) {
        reader.missing(
            section,
            "`port`",
            "add `port = \"auto\"`: a free one, picked at each start",
        );
    }
    let options = ssh_options(reader, section);
    Some(SshSection { port: port?, vm_port, options })
}

fn ssh_options(reader: &mut Reader, section: &Section) -> Vec<SshOption> {
    let mut options: Vec<SshOption> = Vec::new();
    for (index, (key, span, value)) in section.entries().enumerate() {
        let what = format!("`{key}` in {}", section.name);
        let mut earlier = section.entries().take(index);
        if earlier.any(|(other, ..)| other.eq_ignore_ascii_case(key)) {
            let message = format!("{what} is set twice");
            let hint = "upper and lower case make no difference";
            reader.error(Diagnostic::new(span, message).hint(hint));
        } else if is_our_keyword(key) {
            // qqmgr reads this key itself.
        } else if is_no_keyword(key) || near_ours(key).is_some() {
            let diagnostic = Diagnostic::new(span, format!("{what} is not an OpenSSH keyword"));
            reader.error(diagnostic.did_you_mean(near_ours(key)));
        } else if key.eq_ignore_ascii_case("host") || key.eq_ignore_ascii_case("match") {
            let diagnostic = Diagnostic::new(span, format!("{what} can't be set for a VM"));
            reader.error(diagnostic.hint("qqmgr writes the `Host` line itself"));
        } else {
            let values = ssh_values(reader, &what, value);
            options.push(SshOption { keyword: key.to_owned(), values });
        }
    }
    options
}

fn ssh_values(reader: &mut Reader, what: &str, value: &Value) -> Vec<Text> {
    let array = value.get_ref().as_array().map(|values| &**values);
    let values = array.unwrap_or(std::slice::from_ref(value));
    let mut texts = Vec::with_capacity(values.len());
    for value in values {
        let text = match value.get_ref() {
            DeValue::Boolean(true) => "yes".to_owned(),
            DeValue::Boolean(false) => "no".to_owned(),
            _ => match scalar(value) {
                Some(text) => text,
                None => {
                    reader.string(what, value);
                    continue;
                }
            },
        };
        if text.contains(['\n', '\r']) {
            let message = format!("{what} contains a line break");
            reader.error(Diagnostic::new(value.span(), message));
        }
        texts.push(Text { value: text, span: value.span() });
    }
    texts
}
