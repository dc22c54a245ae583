//! TOML text to the typed [`File`]: which keys exist and which values they accept.

use super::file::{Definition, Entry, File, Qemu, Var, Vars};
use super::parse_ports::{global_ssh, ports, vm_ssh};
use super::read::{Reader, Section, Value, describe, scalar};
use super::syntax::no_toml;
use crate::text::source::{Diagnostic, Source, Text};
use std::collections::BTreeMap;
use std::sync::Arc;
use toml::de::{DeTable, DeValue};

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
