//! Reads the properties in an option's value: QEMU's lists (`a,b=c`, with `,,` for a comma in a
//! value) and JSON. Both become keys with dots.

use serde_json::Value;
use std::path::Path;

/// Properties in their order. If the first one has no `=`, its key is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties(pub Vec<(String, String)>);

impl Properties {
    /// The properties in an option's value; empty for invalid JSON.
    pub fn parse(text: &str) -> Properties {
        if text.starts_with('{') {
            let mut flat = Vec::new();
            flatten("", &serde_json::from_str(text).unwrap_or_default(), &mut flat);
            return Properties(flat);
        }
        let items = split(text).into_iter().enumerate();
        let property = |(at, item): (usize, String)| match item.split_once('=') {
            Some((key, value)) => (key.to_owned(), value.to_owned()),
            None if at == 0 => (String::new(), item),
            None => match item.strip_prefix("no") {
                Some(key) => (key.to_owned(), "off".to_owned()),
                None => (item, "on".to_owned()),
            },
        };
        Properties(items.map(property).collect())
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The value of a key whose name may be omitted in the first property.
    pub fn implied(&self, key: &str) -> Option<&str> {
        self.get(key).or_else(|| self.get(""))
    }

    /// Whether a switch is on.
    pub fn is_on(&self, key: &str) -> bool {
        matches!(self.get(key), Some("on" | "yes" | "true" | "y"))
    }
}

/// A path for a list of QEMU properties, where a comma is written twice.
pub fn escape(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

/// The items of a list; `,,` is a comma inside an item.
fn split(text: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ',' if chars.next_if_eq(&',').is_none() => items.push(String::new()),
            c => {
                if let Some(item) = items.last_mut() {
                    item.push(c);
                }
            }
        }
    }
    items
}

fn flatten(key: &str, value: &Value, flat: &mut Vec<(String, String)>) {
    let join = |name: &str| match key {
        "" => name.to_owned(),
        key => format!("{key}.{name}"),
    };
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| flatten(&join(name), value, flat));
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(at, value)| flatten(&join(&at.to_string()), value, flat));
        }
        Value::String(text) => flat.push((key.to_owned(), text.clone())),
        Value::Bool(value) => flat.push((key.to_owned(), if *value { "on" } else { "off" }.into())),
        Value::Number(number) => flat.push((key.to_owned(), number.to_string())),
        Value::Null => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        Properties::parse(text).0.iter().map(|(key, value)| format!("{key}={value}")).collect()
    }

    #[test]
    fn reads_lists_and_json() {
        assert_eq!(shown("user,id=n0,ipv6,x=a,,b=c"), ["=user", "id=n0", "ipv6=on", "x=a,b=c"]);
        assert_eq!(shown("socket,server,nowait"), ["=socket", "server=on", "wait=off"]);
        assert_eq!(shown("file=/a,,b"), ["file=/a,b"]);
        assert_eq!(
            shown(r#"{"driver":"qcow2","read-only":true,"file":{"filename":"/a,b"},"l":[1]}"#),
            ["driver=qcow2", "read-only=on", "file.filename=/a,b", "l.0=1"]
        );
        assert_eq!(shown("{broken"), [""; 0]);
    }
}
