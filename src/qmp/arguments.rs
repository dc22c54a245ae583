//! A command's arguments as people write them: `key=value`, with dots for objects in objects,
//! `key:=JSON`, or one JSON object.

use super::schema::{Kind, Schema};
use serde_json::{Map, Value};

/// The arguments that words stand for; what a value is, the command's schema tells.
///
/// # Errors
/// A word is none of the forms, or a value is not of the argument's type: the message says which.
pub fn arguments(words: &[String], command: &str, schema: &Schema) -> Result<Value, String> {
    if let [json] = words
        && json.trim_start().starts_with('{')
    {
        return serde_json::from_str(json).map_err(|error| format!("not JSON: {error}"));
    }
    let mut object = Map::new();
    for word in words {
        let (key, value) = match (word.split_once(":="), word.split_once('=')) {
            (Some((key, json)), _) if !key.contains('=') => {
                let value = serde_json::from_str(json);
                (key, value.map_err(|error| format!("`{word}`: not JSON: {error}"))?)
            }
            (_, Some((key, text))) => {
                let path: Vec<_> = key.split('.').collect();
                (
                    key,
                    typed(text, schema.kind(command, &path)).ok_or_else(|| {
                        format!("`{word}`: `{key}` takes {}", wanted(schema.kind(command, &path)))
                    })?,
                )
            }
            _ => return Err(format!("`{word}` is not KEY=VALUE, KEY:=JSON or a JSON object")),
        };
        insert(&mut object, key, value).ok_or_else(|| format!("`{key}` is set twice"))?;
    }
    Ok(Value::Object(object))
}

/// A value of the wanted type; of an unknown type, what it looks like.
fn typed(text: &str, kind: Kind) -> Option<Value> {
    let json = || serde_json::from_str(text).ok();
    match kind {
        Kind::Text => Some(text.into()),
        Kind::Integer => json().filter(|value: &Value| value.is_i64() || value.is_u64()),
        Kind::Number => json().filter(Value::is_number),
        Kind::Boolean => match text {
            "true" | "on" | "yes" => Some(true.into()),
            "false" | "off" | "no" => Some(false.into()),
            _ => None,
        },
        Kind::Other => {
            let scalar = json().filter(|value: &Value| value.is_number() || value.is_boolean());
            Some(scalar.unwrap_or_else(|| text.into()))
        }
    }
}

fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::Other => "text",
        Kind::Integer => "a whole number",
        Kind::Number => "a number",
        Kind::Boolean => "true or false",
    }
}

/// Puts a value in, into objects along the key's dots; none if there is one already.
fn insert(object: &mut Map<String, Value>, key: &str, value: Value) -> Option<()> {
    match key.split_once('.') {
        None if object.contains_key(key) => None,
        None => {
            object.insert(key.to_owned(), value);
            Some(())
        }
        Some((first, rest)) => {
            let inner = object.entry(first).or_insert_with(|| Value::Object(Map::new()));
            insert(inner.as_object_mut()?, rest, value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema::example;
    use super::*;
    use proptest::prelude::*;

    fn read(words: &[&str]) -> Result<Value, String> {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        arguments(&words, "do", &example())
    }

    #[test]
    fn values_have_the_types_of_their_arguments() {
        for (words, json) in [
            (&["id=1", "speed=1"][..], r#"{"id":"1","speed":1}"#),
            (
                &["kind=a", "inner.ratio=1.5", "on=off"],
                r#"{"inner":{"ratio":1.5},"kind":"a","on":false}"#,
            ),
            (&["list:=[\"a\",\"b\"]"], r#"{"list":["a","b"]}"#),
            (&["x=1", "y=true", "z=a=b", "e="], r#"{"e":"","x":1,"y":true,"z":"a=b"}"#),
            (&[r#" {"a": {"b": null}} "#], r#"{"a":{"b":null}}"#),
            (&[], "{}"),
        ] {
            assert_eq!(read(words), Ok(serde_json::from_str(json).unwrap()), "{words:?}");
        }
        for (words, error) in [
            (&["speed=fast"][..], "`speed=fast`: `speed` takes a whole number"),
            (&["on=maybe"], "`on=maybe`: `on` takes true or false"),
            (&["word"], "`word` is not KEY=VALUE, KEY:=JSON or a JSON object"),
            (&["id=1", "id=2"], "`id` is set twice"),
            (&["id=1", "id.x=2"], "`id.x` is set twice"),
        ] {
            assert_eq!(read(words), Err(error.to_owned()), "{words:?}");
        }
        assert!(read(&["{"]).unwrap_err().starts_with("not JSON: "));
    }

    proptest! {
        #[test]
        fn no_word_makes_it_panic(words in prop::collection::vec(".*", 0..4)) {
            let _ = arguments(&words, "do", &example());
        }
    }
}
