//! What a guest shows: a display of a VM, or of any other QEMU, as a PNG.

mod error;
mod ppm;

pub use error::ScreenError;

use crate::Error;
use crate::error::SystemError;
use crate::qmp::{self, Client};
use crate::target::Target;
use serde_json::{Value, json};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// A display to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Display {
    /// The id of its device.
    pub device: String,
    /// Which of the device's outputs.
    pub head: u32,
}

/// What a display showed.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The picture, as a PNG file.
    pub png: Vec<u8>,
    /// Its width, in pixels.
    pub width: u32,
    /// Its height, in pixels.
    pub height: u32,
}

/// Takes a picture of a display; by default, of the first one.
///
/// QEMU writes a PPM, which each QEMU can: not all know PNG, or are built with it. Compression here
/// does not hold up the guest either.
///
/// # Errors
/// The target can't be reached, has no such display, or can't write where we can read.
pub async fn screenshot(
    target: &Target,
    display: Option<&Display>,
    patience: Duration,
) -> Result<Picture, Error> {
    let dir = private_directory(target)?;
    let path = dir.path().join("screen.ppm");
    let exchange = async |client: &mut Client| draw(client, &path, display).await;
    let failed = |reason| ScreenError::of(target.name(), display, reason);
    if let Some(refusal) = target.qmp(patience, exchange).await? {
        return Err(failed(refusal).into());
    }
    let file =
        std::fs::read(&path).map_err(|_| "it wrote no picture where qqmgr can read it".into());
    let picture = file.and_then(|file| ppm::to_png(&file));
    picture.map_err(|desc| failed(Refusal { desc, displays: Vec::new() }).into())
}

/// Why QEMU did not take a picture, and the displays that it has.
struct Refusal {
    desc: String,
    displays: Vec<Display>,
}

async fn draw(
    client: &mut Client,
    path: &Path,
    display: Option<&Display>,
) -> Result<Option<Refusal>, qmp::Error> {
    let mut arguments = json!({ "filename": path });
    if let Some(Display { device, head }) = display {
        arguments["device"] = json!(device);
        arguments["head"] = json!(head);
    }
    match client.execute("screendump", Some(arguments)).await {
        Ok(_) => Ok(None),
        Err(qmp::Error::Command { desc, .. }) => {
            Ok(Some(Refusal { desc, displays: displays(client).await? }))
        }
        Err(error) => Err(error),
    }
}

/// The displays whose devices have an id, without those that were plugged in later (QEMU,
/// ui/console.c: `/backend/console[N]`).
async fn displays(client: &mut Client) -> Result<Vec<Display>, qmp::Error> {
    let mut displays = Vec::new();
    for at in 0.. {
        let path = format!("/backend/console[{at}]");
        let Some(device) = property(client, &path, "device").await? else { break };
        let id = device.as_str().and_then(|device| device.strip_prefix("/machine/peripheral/"));
        let head = property(client, &path, "head").await?;
        let head = head.and_then(|head| head.as_u64()?.try_into().ok());
        if let (Some(id), Some(head)) = (id, head) {
            displays.push(Display { device: id.to_owned(), head });
        }
    }
    Ok(displays)
}

async fn property(
    client: &mut Client,
    path: &str,
    name: &str,
) -> Result<Option<Value>, qmp::Error> {
    let arguments = json!({ "path": path, "property": name });
    match client.execute("qom-get", Some(arguments)).await {
        Err(qmp::Error::Command { .. }) => Ok(None),
        result => result.map(Some),
    }
}

/// A directory of ours into which QEMU writes: it has another working directory, and may have
/// another root.
fn private_directory(target: &Target) -> Result<TempDir, Error> {
    let parent = match target {
        // One that never ran has no directory; QMP tells that better.
        Target::Vm(instance) if instance.dir.is_dir() => instance.dir.clone(),
        _ => std::env::temp_dir(),
    };
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix(".screen-").permissions(Permissions::from_mode(0o700));
    builder.tempdir_in(&parent).map_err(|error| {
        SystemError::File { action: "make a directory in", path: parent.clone(), error }.into()
    })
}
