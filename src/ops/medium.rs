//! What is in a drive for removable media: takes it out, or puts another in.

use super::block_device::{Answer, BlockError, Found};
use super::blocks::PATIENCE;
use crate::Error;
use crate::qmp::Client;
use crate::target::Target;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::path::Path;

/// QEMU says so if the guest has locked the tray; it has no error class for it.
const LOCKED: &str = "is locked";

/// What came of an eject or an insert.
#[derive(Clone, Debug, Serialize)]
pub struct Changed {
    /// The target, as the user calls it.
    pub name: String,
    /// The drive.
    pub device: String,
    /// The file that is in it now.
    pub file: Option<String>,
    /// The file that was in it.
    pub was: Option<String>,
}

/// What to put into a drive.
#[derive(Clone, Debug)]
pub struct NewMedium {
    /// The file, or anything else that QEMU opens, such as `nbd://host/name`.
    pub file: String,
    /// Its format; none: QEMU finds it out.
    pub format: Option<String>,
}

/// Takes the medium out of a drive; `force` even if the guest has locked the tray. An empty one stays
/// so.
///
/// # Errors
/// There is no such device, or QEMU refuses.
pub async fn eject(target: &Target, device: &str, force: bool) -> Result<Changed, Error> {
    let arguments = Map::from_iter([("force".to_owned(), force.into())]);
    change(target, device, ["eject", "ejecting"], "eject", arguments, |now, _| now.is_none()).await
}

/// Puts a medium into a drive, in place of the one that is in it; `force` even if the guest has locked
/// the tray.
///
/// # Errors
/// There is no such device, or QEMU refuses.
pub async fn insert(
    target: &Target,
    device: &str,
    medium: &NewMedium,
    force: bool,
) -> Result<Changed, Error> {
    let mut arguments = Map::from_iter([("filename".to_owned(), json!(source(&medium.file)))]);
    arguments.extend(medium.format.iter().map(|format| ("format".to_owned(), json!(format))));
    // Before 7.1, QEMU did not know this argument.
    arguments.extend(force.then(|| ("force".to_owned(), true.into())));
    let words = ["insert a medium into", "inserting a medium into"];
    // Each medium has a node of its own.
    let is_new = |now: Option<&Value>, was: Option<&Value>| {
        let node = |inserted: &Value| inserted.get("node-name").cloned();
        now.is_some() && now.map(node) != was.map(node)
    };
    change(target, device, words, "blockdev-change-medium", arguments, is_new).await
}

async fn change(
    target: &Target,
    device: &str,
    words: [&'static str; 2],
    command: &'static str,
    arguments: Map<String, Value>,
    is_done: fn(Option<&Value>, Option<&Value>) -> bool,
) -> Result<Changed, Error> {
    let name = target.name();
    let exchange = async |client: &mut Client| -> Answer<Changed> {
        let (target, called) = (name.clone(), device.to_owned());
        let found = match Found::named(client, &name, device).await? {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        if let Err(desc) = found.execute(client, command, arguments).await? {
            let locked = desc.contains(LOCKED);
            let hint = locked
                .then(|| format!("to open it all the same: qqmgr eject {target} {device} --force"));
            let [action, _] = words;
            return Ok(Err(BlockError::Refused { target, action, device: called, desc, hint }));
        }
        let now = match Found::named(client, &name, device).await? {
            Ok(now) => now.inserted,
            Err(error) => return Ok(Err(error)),
        };
        let was = found.inserted;
        let [_, action] = words;
        Ok(match is_done(now.as_ref(), was.as_ref()) {
            true => {
                let (file, was) = (file(now.as_ref()), file(was.as_ref()));
                Ok(Changed { name: target, device: called, file, was })
            }
            false => Err(BlockError::Unchanged { target, action, device: called }),
        })
    };
    Ok(target.qmp(PATIENCE, exchange).await??)
}

fn file(inserted: Option<&Value>) -> Option<String> {
    Some(inserted?.get("file")?.as_str()?.to_owned())
}

/// What QEMU is to open: its working directory is not ours, and a protocol is no path.
fn source(file: &str) -> String {
    let has_protocol = file.split('/').next().is_some_and(|first| first.contains(':'));
    if has_protocol && !Path::new(file).exists() {
        return file.to_owned();
    }
    let path = std::path::absolute(file);
    path.map_or_else(|_| file.to_owned(), |path| path.to_string_lossy().into_owned())
}
