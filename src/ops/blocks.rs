//! The block devices of a QEMU, whether `-drive` or `-blockdev` made them.

use crate::Error;
use crate::qmp::{self, Client};
use crate::target::Target;
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;

/// How long QEMU may take to look at its images: some may be on a slow network.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The block devices of a QEMU, its other nodes, and what works on them.
#[derive(Clone, Debug, Serialize)]
pub struct Blocks {
    /// The target, as the user calls it.
    pub name: String,
    /// The devices.
    pub devices: Vec<Block>,
    /// The nodes with a name that are no device's own.
    pub nodes: Vec<Medium>,
    /// The jobs.
    pub jobs: Vec<Job>,
}

/// A block device.
#[derive(Clone, Debug, Serialize)]
pub struct Block {
    /// The id of its `-drive`, if it has one.
    pub device: Option<String>,
    /// The id of its `-device`, else its path in QEMU's object tree.
    pub qdev: Option<String>,
    /// Whether its medium can be changed.
    pub removable: bool,
    /// Whether the guest has locked its tray.
    pub locked: bool,
    /// Whether its tray is open, if it has one.
    pub tray_open: Option<bool>,
    /// What is in it.
    pub medium: Option<Medium>,
}

/// An image or another source of blocks.
#[derive(Clone, Debug, Serialize)]
pub struct Medium {
    /// The name of its node.
    pub node: Option<String>,
    /// Its file.
    pub file: Option<String>,
    /// Its format.
    pub format: Option<String>,
    /// Whether it can't be written.
    pub read_only: bool,
    /// Its size for the guest, in bytes.
    pub virtual_size: Option<u64>,
    /// Its size on the host, in bytes.
    pub actual_size: Option<u64>,
    /// The images that it is based on, from the nearest on.
    pub backing: Vec<Backing>,
}

/// An image that another is based on.
#[derive(Clone, Debug, Serialize)]
pub struct Backing {
    /// Its file.
    pub file: Option<String>,
    /// Its format.
    pub format: Option<String>,
}

/// A block job.
#[derive(Clone, Debug, Serialize)]
pub struct Job {
    /// Its id: the device's, unless another was given.
    pub id: Option<String>,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Its state.
    pub status: Option<String>,
    /// How much is done, in QEMU's unit; of most jobs, bytes.
    pub offset: u64,
    /// How much is to be done.
    pub len: u64,
}

/// The block devices of a QEMU.
///
/// # Errors
/// The target can't be reached.
pub async fn blocks(target: &Target) -> Result<Blocks, Error> {
    let name = target.name();
    let exchange = async |client: &mut Client| {
        let devices = devices(client).await?;
        let nodes =
            client.execute("query-named-block-nodes", Some(json!({ "flat": true }))).await?;
        let jobs = client.execute("query-block-jobs", None).await?;
        Ok((devices, nodes, jobs))
    };
    let (devices, nodes, jobs) = target.qmp(PATIENCE, exchange).await?;
    let is_own = |node: &Medium| {
        let media = devices.iter().filter_map(|block| block.medium.as_ref());
        media.into_iter().any(|medium| medium.node == node.node)
    };
    let mut nodes: Vec<_> = list(&nodes).iter().map(medium).collect();
    nodes.retain(|node| node.node.is_some() && !is_own(node));
    nodes.sort_by(|one, other| one.node.cmp(&other.node));
    let jobs = list(&jobs).iter().map(job).collect();
    Ok(Blocks { name, devices, nodes, jobs })
}

impl Block {
    /// How it is called: by the id of its `-drive`, else of its `-device`.
    pub fn name(&self) -> &str {
        self.device.as_deref().or(self.qdev.as_deref()).unwrap_or("?")
    }

    pub(super) fn is_called(&self, name: &str) -> bool {
        [&self.device, &self.qdev].into_iter().any(|own| own.as_deref() == Some(name))
    }

    pub(super) fn of(item: &Value) -> Block {
        Block {
            device: text(item, "device"),
            qdev: text(item, "qdev").map(|path| short(&path).to_owned()),
            removable: is(item, "removable"),
            locked: is(item, "locked"),
            tray_open: item.get("tray_open").and_then(Value::as_bool),
            medium: item.get("inserted").map(medium),
        }
    }
}

/// The id of a device in its path: `vda` of `/machine/peripheral/vda/virtio-backend`.
fn short(path: &str) -> &str {
    let id = path.strip_prefix("/machine/peripheral/").unwrap_or(path);
    id.strip_suffix("/virtio-backend").filter(|id| !id.contains('/')).unwrap_or(id)
}

async fn devices(client: &mut Client) -> Result<Vec<Block>, qmp::Error> {
    let answer = client.execute("query-block", None).await?;
    Ok(list(&answer).iter().map(Block::of).collect())
}

fn medium(item: &Value) -> Medium {
    let image = item.get("image").cloned().unwrap_or_default();
    let below = |image: &Value| image.get("backing-image").cloned();
    let chain = std::iter::successors(below(&image), below);
    let backing =
        |image: Value| Backing { file: text(&image, "filename"), format: text(&image, "format") };
    Medium {
        // QEMU makes up names with a `#`, others at each start.
        node: text(item, "node-name").filter(|node| !node.starts_with('#')),
        file: text(item, "file"),
        format: text(item, "drv"),
        read_only: is(item, "ro"),
        virtual_size: image.get("virtual-size").and_then(Value::as_u64),
        actual_size: image.get("actual-size").and_then(Value::as_u64),
        backing: chain.map(backing).collect(),
    }
}

fn job(item: &Value) -> Job {
    let number = |key| item.get(key).and_then(Value::as_u64).unwrap_or(0);
    Job {
        id: text(item, "device"),
        kind: text(item, "type"),
        status: text(item, "status"),
        offset: number("offset"),
        len: number("len"),
    }
}

fn list(answer: &Value) -> &[Value] {
    answer.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(item: &Value, key: &str) -> Option<String> {
    let text = item.get(key)?.as_str().filter(|text| !text.is_empty())?;
    Some(text.to_owned())
}

fn is(item: &Value, key: &str) -> bool {
    item.get(key).and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn a_device_is_called_by_its_id() {
        for (path, id) in [
            ("/machine/peripheral/vda/virtio-backend", "vda"),
            ("/machine/peripheral/cd", "cd"),
            ("disk", "disk"),
            ("/machine/unattached/device[18]", "/machine/unattached/device[18]"),
        ] {
            assert_eq!(short(path), id);
        }
    }
}
