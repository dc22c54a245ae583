//! What commands a QEMU has and what arguments they take, as it tells itself (QEMU QMP Reference,
//! "QMP introspection").

use super::{Client, Error};
use serde::Deserialize;
use std::collections::HashMap;

/// As many values of an enumeration are listed in a type's description.
const MOST_VALUES: usize = 8;

/// A QEMU's commands and types.
#[derive(Debug)]
pub struct Schema(HashMap<String, Entry>);

/// An argument of a command.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// Its type: `str`, `int`, `bool`, `number`, `object`, `any`, the values of an enumeration,
    /// or one of these in brackets, for a list.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it can be left out.
    pub optional: bool,
}

/// What an argument holds, as far as it matters for writing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text, or the name of one of several values.
    Text,
    /// A number without a fraction.
    Integer,
    /// Any number.
    Number,
    /// True or false.
    Boolean,
    /// Something else.
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "meta-type", rename_all = "kebab-case")]
enum Entry {
    Builtin {
        #[serde(rename = "json-type")]
        json_type: String,
    },
    Enum {
        values: Vec<String>,
    },
    Array {
        #[serde(rename = "element-type")]
        element_type: String,
    },
    Object {
        members: Vec<Member>,
        #[serde(default)]
        variants: Vec<Variant>,
    },
    Alternate {
        members: Vec<Choice>,
    },
    Command {
        #[serde(rename = "arg-type")]
        arg_type: String,
    },
    Event {},
}

#[derive(Debug, Deserialize)]
struct Member {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    /// Present, and null, if the member is optional.
    #[serde(default, deserialize_with = "present")]
    default: bool,
}

#[derive(Debug, Deserialize)]
struct Variant {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(rename = "type")]
    kind: String,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| true)
}

impl Schema {
    /// Asks QEMU.
    ///
    /// # Errors
    /// It does not tell.
    pub async fn of(client: &mut Client) -> Result<Schema, Error> {
        let answer = client.execute("query-qmp-schema", None).await?;
        let items = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        let entry = |item: &serde_json::Value| {
            let name = item.get("name")?.as_str()?.to_owned();
            // What a later QEMU adds is skipped.
            Some((name, Entry::deserialize(item).ok()?))
        };
        Ok(Schema(items.iter().filter_map(entry).collect()))
    }

    /// The names of all commands, sorted.
    pub fn commands(&self) -> Vec<&str> {
        let is_command = |(_, entry): &(&String, &Entry)| matches!(entry, Entry::Command { .. });
        let mut names: Vec<_> =
            self.0.iter().filter(is_command).map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// The arguments of a command: those that have to be given first. Those that only some values of
    /// another argument bring are optional.
    pub fn arguments(&self, command: &str) -> Vec<Argument> {
        let Some(Entry::Command { arg_type }) = self.0.get(command) else { return Vec::new() };
        let mut arguments: Vec<Argument> = Vec::new();
        self.members(arg_type, false, &mut arguments);
        arguments.sort_by_key(|argument| argument.optional);
        arguments
    }

    /// What an argument holds; `path` leads to it through objects.
    pub fn kind(&self, command: &str, path: &[&str]) -> Kind {
        let Some(Entry::Command { arg_type }) = self.0.get(command) else { return Kind::Other };
        let mut name = arg_type.as_str();
        for key in path {
            match self.member(name, key) {
                Some(kind) => name = kind,
                None => return Kind::Other,
            }
        }
        match self.0.get(name) {
            Some(Entry::Enum { .. }) => Kind::Text,
            Some(Entry::Builtin { json_type }) => match json_type.as_str() {
                "string" => Kind::Text,
                "int" => Kind::Integer,
                "number" => Kind::Number,
                "boolean" => Kind::Boolean,
                _ => Kind::Other,
            },
            _ => Kind::Other,
        }
    }

    /// The values of the enumeration to which `path` leads, through objects and lists; none if it leads
    /// elsewhere.
    pub fn values(&self, command: &str, path: &[&str]) -> &[String] {
        let Some(Entry::Command { arg_type }) = self.0.get(command) else { return &[] };
        let mut kinds = vec![arg_type.as_str()];
        for key in path {
            kinds = kinds.into_iter().flat_map(|kind| self.all_members(kind, key)).collect();
        }
        let values = |kind| match self.0.get(kind) {
            Some(Entry::Enum { values }) => Some(values.as_slice()),
            _ => None,
        };
        kinds.into_iter().find_map(values).unwrap_or_default()
    }

    /// The type of an object's member, one of its variants' too.
    fn member(&self, object: &str, key: &str) -> Option<&str> {
        self.all_members(object, key).into_iter().next()
    }

    /// The types of all members of this name: that of an object, or of a list's elements, and those
    /// of their variants.
    fn all_members(&self, kind: &str, key: &str) -> Vec<&str> {
        match self.0.get(kind) {
            Some(Entry::Array { element_type }) => self.all_members(element_type, key),
            Some(Entry::Object { members, variants }) => {
                let own = members.iter().filter(|member| member.name == key);
                let own = own.map(|member| member.kind.as_str());
                let variants = variants.iter();
                own.chain(variants.flat_map(|variant| self.all_members(&variant.kind, key)))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn members(&self, object: &str, of_variant: bool, arguments: &mut Vec<Argument>) {
        let Some(Entry::Object { members, variants }) = self.0.get(object) else { return };
        for member in members {
            if arguments.iter().all(|known| known.name != member.name) {
                arguments.push(Argument {
                    name: member.name.clone(),
                    kind: self.describe(&member.kind),
                    optional: member.default || of_variant,
                });
            }
        }
        for variant in variants {
            self.members(&variant.kind, true, arguments);
        }
    }

    fn describe(&self, name: &str) -> String {
        match self.0.get(name) {
            Some(Entry::Enum { values }) if values.len() <= MOST_VALUES => values.join("|"),
            Some(Entry::Enum { values }) => {
                format!("{}|..", values.get(..MOST_VALUES).unwrap_or_default().join("|"))
            }
            Some(Entry::Array { element_type }) => format!("[{}]", self.describe(element_type)),
            Some(Entry::Object { .. }) => "object".to_owned(),
            Some(Entry::Alternate { members }) => {
                let mut kinds: Vec<_> =
                    members.iter().map(|choice| self.describe(&choice.kind)).collect();
                kinds.dedup();
                kinds.join(" or ")
            }
            Some(Entry::Builtin { json_type }) => match json_type.as_str() {
                "string" => "str".to_owned(),
                "boolean" => "bool".to_owned(),
                "value" => "any".to_owned(),
                other => other.to_owned(),
            },
            Some(Entry::Command { .. } | Entry::Event {}) | None => "any".to_owned(),
        }
    }
}

#[cfg(test)]
pub(super) fn example() -> Schema {
    let entries = serde_json::json!([
        {"name": "do", "meta-type": "command", "arg-type": "1", "ret-type": "0"},
        {"name": "0", "meta-type": "object", "members": []},
        {"name": "1", "meta-type": "object", "tag": "kind", "variants": [{"case": "a", "type": "3"}], "members": [
            {"name": "speed", "type": "int", "default": null}, {"name": "kind", "type": "2"},
            {"name": "list", "type": "[str]", "default": null}, {"name": "on", "type": "bool", "default": null}]},
        {"name": "2", "meta-type": "enum", "values": ["a", "b"]},
        {"name": "3", "meta-type": "object", "members": [{"name": "inner", "type": "4"}, {"name": "id", "type": "str"}]},
        {"name": "4", "meta-type": "object", "members": [{"name": "ratio", "type": "number"}]},
        {"name": "int", "meta-type": "builtin", "json-type": "int"},
        {"name": "number", "meta-type": "builtin", "json-type": "number"},
        {"name": "str", "meta-type": "builtin", "json-type": "string"},
        {"name": "bool", "meta-type": "builtin", "json-type": "boolean"},
        {"name": "[str]", "meta-type": "array", "element-type": "str"},
        {"name": "DONE", "meta-type": "event", "arg-type": "0"}
    ]);
    let entries = entries.as_array().unwrap().iter();
    let named = |item: &serde_json::Value| item["name"].as_str().unwrap().to_owned();
    Schema(entries.map(|item| (named(item), Entry::deserialize(item).unwrap())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_commands_and_arguments() {
        let schema = example();
        assert_eq!(schema.commands(), ["do"]);
        let shown = |argument: &Argument| {
            let Argument { name, kind, optional } = argument;
            format!("{name}{} {kind}", if *optional { "?" } else { "" })
        };
        let arguments: Vec<_> = schema.arguments("do").iter().map(shown).collect();
        let all = ["kind a|b", "speed? int", "list? [str]", "on? bool", "inner? object", "id? str"];
        assert_eq!(arguments, all);
        assert_eq!(schema.arguments("DONE"), []);
        for (path, kind) in [
            (&["speed"][..], Kind::Integer),
            (&["kind"], Kind::Text),
            (&["inner", "ratio"], Kind::Number),
            (&["inner", "x"], Kind::Other),
            (&["on"], Kind::Boolean),
        ] {
            assert_eq!(schema.kind("do", path), kind, "{path:?}");
        }
    }
}
