//! How VMs are reached: `[ssh]`, `[vm.NAME.ssh]` and `[vm.NAME.ports]`.

use super::file::{SshOption, SshSection};
use super::ports::Port;
use super::read::{Reader, Section, Value, scalar};
use crate::text::source::{Diagnostic, Text};
use crate::text::suggest;
use std::collections::BTreeMap;
use toml::de::DeValue;

pub fn ports(reader: &mut Reader, section: &Section) -> BTreeMap<String, Port> {
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

pub fn global_ssh(reader: &mut Reader, section: &Section) -> Vec<SshOption> {
    for (key, span, _) in section.entries() {
        if is_our_keyword(key) {
            let message = format!("`{key}` can't be set in [ssh]");
            reader.error(Diagnostic::new(span, message).hint("set it in [vm.NAME.ssh]"));
        }
    }
    ssh_options(reader, section)
}

pub fn vm_ssh(reader: &mut Reader, section: &Section) -> Option<SshSection> {
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
