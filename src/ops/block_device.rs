//! One block device, as QMP's commands find it.

use super::blocks::Block;
use crate::error::faults;
use crate::qmp::{self, Client};
use crate::text::suggest;
use serde_json::{Map, Value, json};

/// Why a block device can't be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// There is no such device.
    #[error("{target}: there is no block device `{device}`")]
    Unknown {
        /// The target.
        target: String,
        /// What was written.
        device: String,
        /// The devices that exist.
        known: Vec<String>,
    },
    /// QEMU refuses.
    #[error("{target}: can't {action} `{device}`: {desc}")]
    Refused {
        /// The target.
        target: String,
        /// What was tried, as a verb.
        action: &'static str,
        /// The device.
        device: String,
        /// QEMU's own words.
        desc: String,
        /// What helps.
        hint: Option<String>,
    },
    /// QEMU has accepted it, and nothing has changed.
    #[error("{target}: {action} `{device}` had no effect")]
    Unchanged {
        /// The target.
        target: String,
        /// What was tried, as a participle.
        action: &'static str,
        /// The device.
        device: String,
    },
}

faults!(BlockError {
    BlockError::Unknown { .. } => "block_device_not_found", State;
    BlockError::Refused { .. } => "block_refused", Failed;
    BlockError::Unchanged { .. } => "block_unchanged", Failed;
}
fn hint(&self) -> Option<String> {
    match self {
        BlockError::Refused { hint, .. } => hint.clone(),
        BlockError::Unchanged { target, .. } => Some(format!("to see its state: qqmgr blocks {target}")),
        BlockError::Unknown { device, known, .. } => {
            Some(match suggest::nearest(device, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => "it has no block devices".to_owned(),
                None => format!("the block devices are: {}", known.join(", ")),
            })
        }
    }
});

/// A block device, and how QMP calls it.
pub(super) struct Found {
    /// What QEMU says of its medium, if it has one.
    pub inserted: Option<Value>,
    key: (&'static str, Value),
}

/// What an exchange comes to: QMP may fail, or QEMU refuses.
pub(super) type Answer<T> = Result<Result<T, BlockError>, qmp::Error>;

impl Found {
    /// The device that is called `name`, by the id of its `-drive` or of its `-device`.
    pub async fn named(client: &mut Client, target: &str, name: &str) -> Answer<Found> {
        let answer = client.execute("query-block", None).await?;
        let items = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        let Some(item) = items.iter().find(|item| Block::of(item).is_called(name)) else {
            let known = items.iter().map(|item| Block::of(item).name().to_owned()).collect();
            let (target, device) = (target.to_owned(), name.to_owned());
            return Ok(Err(BlockError::Unknown { target, device, known }));
        };
        // Only some devices have a `-drive` with an id, and one that no guest sees has no path.
        let key = match item.get("qdev") {
            Some(path) => ("id", path.clone()),
            None => ("device", json!(name)),
        };
        let inserted = item.get("inserted").cloned();
        Ok(Ok(Found { inserted, key }))
    }

    /// Runs a command on it; the inner error has QEMU's words.
    pub async fn execute(
        &self,
        client: &mut Client,
        command: &str,
        mut arguments: Map<String, Value>,
    ) -> Result<Result<(), String>, qmp::Error> {
        arguments.insert(self.key.0.to_owned(), self.key.1.clone());
        match client.execute(command, Some(arguments.into())).await {
            Err(qmp::Error::Command { desc, .. }) => Ok(Err(desc)),
            result => result.map(|_| Ok(())),
        }
    }
}
