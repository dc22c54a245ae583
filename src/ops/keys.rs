//! Keys on a guest's keyboard: chords by QEMU's names, and text.

use super::layout;
use crate::Error;
use crate::error::faults;
use crate::qmp::schema::Schema;
use crate::qmp::{self, Client};
use crate::target::Target;
use crate::text::suggest;
use crate::vm::State;
use serde::Serialize;
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

/// How long QEMU may take to answer, besides the time for which keys are held.
const PATIENCE: Duration = Duration::from_secs(10);

/// Names of keys that people write, and QEMU's.
const OTHER_NAMES: [(&str, &str); 11] = [
    ("enter", "ret"),
    ("return", "ret"),
    ("escape", "esc"),
    ("space", "spc"),
    ("del", "delete"),
    ("ins", "insert"),
    ("pageup", "pgup"),
    ("pagedown", "pgdn"),
    ("control", "ctrl"),
    ("super", "meta_l"),
    ("win", "meta_l"),
];

/// Keys that were pressed and released.
#[derive(Clone, Debug, Serialize)]
pub struct Sent {
    /// Where, as the user calls it.
    pub name: String,
    /// How many keys, or keys held down together.
    pub pressed: usize,
}

/// Why no key was pressed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// QEMU has no key of this name.
    #[error("there is no key `{key}`")]
    UnknownKey {
        /// The name.
        key: String,
        /// The nearest.
        near: Option<String>,
    },
    /// The keyboard's layout does not have a character.
    #[error(
        "can't type {character:?} (line {line}, column {column}): the US layout does not have it"
    )]
    NotOnLayout {
        /// The character.
        character: char,
        /// Its line, from 1.
        line: usize,
        /// Its column, from 1.
        column: usize,
    },
    /// The guest does not run, and QEMU drops its keys.
    #[error("{target}: the guest takes no keys: its state is `{state}`")]
    Standstill {
        /// The target.
        target: String,
        /// Its state.
        state: String,
    },
    /// The machine has no keyboard.
    #[error("{target}: it has no keyboard")]
    NoKeyboard {
        /// The target.
        target: String,
    },
}

faults!(KeysError {
    KeysError::UnknownKey { .. } => "unknown_key", Usage;
    KeysError::NotOnLayout { .. } => "not_on_layout", Usage;
    KeysError::Standstill { .. } => "guest_not_running", State;
    KeysError::NoKeyboard { .. } => "no_keyboard", State;
}
fn hint(&self) -> Option<String> {
    match self {
        KeysError::UnknownKey { near: Some(near), .. } => Some(format!("did you mean `{near}`?")),
        KeysError::UnknownKey { near: None, .. } => {
            Some("keys have QEMU's names: a, 1, ret, esc, f1; ctrl-alt-delete is one of several".into())
        }
        KeysError::Standstill { target, state } if ["paused", "prelaunch"].contains(&state.as_str()) => {
            Some(format!("let it run: qqmgr resume {target}"))
        }
        KeysError::NoKeyboard { .. } => {
            Some("give QEMU one, such as -device usb-kbd or -device virtio-keyboard-pci".into())
        }
        KeysError::NotOnLayout { .. } | KeysError::Standstill { .. } => None,
    }
});

/// Presses chords, such as `ctrl-alt-delete`, one after another. `hold` passes after each press and each
/// release of a key.
///
/// # Errors
/// There is no such key, the guest does not run or has no keyboard, or QMP fails.
pub async fn send_keys(target: &Target, chords: &[String], hold: Duration) -> Result<Sent, Error> {
    let chord = |chord: &String| chord.split('-').map(str::to_owned).collect();
    let chords: Vec<Vec<_>> = chords.iter().map(chord).collect();
    press(target, &chords, hold).await
}

/// Types text on the US layout; `hold` as in [`send_keys`].
///
/// # Errors
/// The layout does not have a character, the guest does not run or has no keyboard, or QMP fails.
pub async fn type_text(target: &Target, text: &str, hold: Duration) -> Result<Sent, Error> {
    let mut chords = Vec::new();
    let (mut line, mut column) = (1, 1);
    for character in text.chars() {
        let keys = layout::keys(character);
        chords.push(keys.ok_or(KeysError::NotOnLayout { character, line, column })?);
        (line, column) = if character == '\n' { (line + 1, 1) } else { (line, column + 1) };
    }
    press(target, &chords, hold).await
}

async fn press(target: &Target, chords: &[Vec<String>], hold: Duration) -> Result<Sent, Error> {
    let hold = hold.max(Duration::from_millis(1));
    let times = |keys: &Vec<String>| u32::try_from(2 * keys.len()).unwrap_or(u32::MAX);
    let all: Duration = chords
        .iter()
        .map(|keys| hold.saturating_mul(times(keys)))
        .fold(Duration::ZERO, Duration::saturating_add);
    let name = target.name();
    let exchange = async |client: &mut Client| {
        let schema = Schema::of(client).await?;
        if let Err(unknown) = known(&schema, chords) {
            return Ok(Err(unknown));
        }
        let status = client.query_status().await?.status;
        if let Some(refusal) = refusal(client, &name, &status).await? {
            return Ok(Err(refusal));
        }
        for keys in chords {
            let keys: Vec<_> =
                keys.iter().map(|key| json!({ "type": "qcode", "data": key })).collect();
            let pause = hold.saturating_mul(u32::try_from(2 * keys.len()).unwrap_or(u32::MAX));
            let arguments = json!({ "keys": keys, "hold-time": hold.as_millis() as u64 });
            client.execute("send-key", Some(arguments)).await?;
            // QEMU has only put them into a queue, from which it drops what is too much.
            sleep(pause).await;
        }
        Ok(Ok(()))
    };
    target.qmp(PATIENCE.saturating_add(all), exchange).await??;
    Ok(Sent { name, pressed: chords.len() })
}

/// Checks all keys before the first one is pressed.
fn known(schema: &Schema, chords: &[Vec<String>]) -> Result<(), KeysError> {
    let names = schema.values("send-key", &["keys", "data"]);
    let unknown = chords.iter().flatten().find(|key| !names.contains(key));
    let Some(key) = unknown else { return Ok(()) };
    let folded = key.to_lowercase();
    let other = OTHER_NAMES.iter().find(|(other, _)| *other == folded).map(|(_, name)| *name);
    // Each name of one letter is near every other.
    let nearest = || match key.chars().count() {
        0 | 1 => None,
        _ => suggest::nearest(key, names.iter().map(String::as_str)),
    };
    let near = match key.contains('+') {
        true => Some(key.replace('+', "-")),
        false => other.or_else(nearest).map(str::to_owned),
    };
    Err(KeysError::UnknownKey { key: key.clone(), near })
}

/// Why keys would have no effect. `send-key` tells nothing of that, but `input-send-event` does, which
/// here releases a key that no keyboard has.
async fn refusal(
    client: &mut Client,
    target: &str,
    status: &str,
) -> Result<Option<KeysError>, qmp::Error> {
    let key = json!({ "type": "qcode", "data": "unmapped" });
    let events = json!([{ "type": "key", "data": { "down": false, "key": key } }]);
    match client.execute("input-send-event", Some(json!({ "events": events }))).await {
        Ok(_) => Ok(None),
        Err(qmp::Error::Command { desc, .. }) if desc.contains("handler not found") => {
            Ok(Some(KeysError::NoKeyboard { target: target.to_owned() }))
        }
        Err(qmp::Error::Command { desc, .. }) if desc.contains("not running") => {
            let state = State::of_run_state(status).name;
            Ok(Some(KeysError::Standstill { target: target.to_owned(), state }))
        }
        Err(error) => Err(error),
    }
}
