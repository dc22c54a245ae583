//! The devices of a machine that have an id: which there are, one more, one less.

use crate::Error;
use crate::error::{Usage, faults};
use crate::qmp::arguments::arguments;
use crate::qmp::schema::Schema;
use crate::qmp::{self, Client};
use crate::target::Target;
use crate::text::{duration, suggest};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

/// How long QEMU itself may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where QEMU keeps the devices that have an id.
const PERIPHERAL: &str = "/machine/peripheral";

/// A device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Device {
    /// Its id.
    pub id: String,
    /// Its driver.
    pub driver: String,
}

/// A device that was added or removed.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceChange {
    /// The target, as the user calls it.
    pub name: String,
    /// The device's id.
    pub id: String,
    /// The device's driver.
    pub driver: String,
    /// Whether it is there now.
    pub present: bool,
}

/// Why a device can't be added or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// QEMU refuses.
    #[error("{target}: can't {action} `{device}`: {desc}")]
    Refused {
        /// The target.
        target: String,
        /// What was tried, as a verb.
        action: &'static str,
        /// The device's id.
        device: String,
        /// QEMU's own words.
        desc: String,
        /// What helps.
        hint: Option<String>,
    },
    /// There is no device of this id.
    #[error("{target}: there is no device `{device}`")]
    Unknown {
        /// The target.
        target: String,
        /// The id.
        device: String,
        /// The ids that exist.
        known: Vec<String>,
    },
    /// The guest refuses to release it.
    #[error("{target}: the guest refuses to release `{device}`")]
    Held {
        /// The target.
        target: String,
        /// The device's id.
        device: String,
    },
    /// The guest does not release it.
    #[error("{target}: the guest did not release `{device}` within {}", duration::format(*waited))]
    NotReleased {
        /// The target.
        target: String,
        /// The device's id.
        device: String,
        /// How long it had.
        waited: Duration,
        /// Whether the guest runs.
        running: bool,
    },
}

faults!(DeviceError {
    DeviceError::Refused { .. } => "device_refused", Failed;
    DeviceError::Unknown { .. } => "device_not_found", State;
    DeviceError::Held { .. } => "device_held", Failed;
    DeviceError::NotReleased { .. } => "device_not_released", Timeout;
}
fn hint(&self) -> Option<String> {
    match self {
        DeviceError::Refused { hint, .. } => hint.clone(),
        DeviceError::Unknown { device, known, .. } => {
            let near = suggest::nearest(device, known.iter().map(String::as_str));
            Some(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => "no device has an id".to_owned(),
                None => format!("the devices are: {}", known.join(", ")),
            })
        }
        DeviceError::Held { .. } => None,
        DeviceError::NotReleased { target, running: false, .. } => {
            Some(format!("the guest does not run: qqmgr resume {target}"))
        }
        DeviceError::NotReleased { target, .. } => {
            Some(format!("it may still do so: qqmgr device list {target}"))
        }
    }
});

/// The devices that have an id, sorted by it.
///
/// # Errors
/// The target can't be reached.
pub async fn devices(target: &Target) -> Result<Vec<Device>, Error> {
    target.qmp(PATIENCE, async |client: &mut Client| list(client).await).await
}

/// Adds a device, as `device_add` takes it; `words` are as those of [`super::qmp`].
///
/// # Errors
/// The words can't be read or lack the driver or the id, or QEMU refuses.
pub async fn add_device(target: &Target, words: &[String]) -> Result<DeviceChange, Error> {
    let name = target.name();
    let exchange = async |client: &mut Client| {
        let schema = Schema::of(client).await?;
        let given = match arguments(words, "device_add", &schema) {
            Ok(given) => given,
            Err(what) => return Ok(Err(usage(what))),
        };
        let said = |key: &str| given.get(key).and_then(Value::as_str).map(str::to_owned);
        let (Some(driver), Some(id)) = (said("driver"), said("id")) else {
            return Ok(Err(usage("a device needs a driver and an id".to_owned())));
        };
        match client.execute("device_add", Some(given)).await {
            Err(qmp::Error::Command { desc, .. }) => {
                let hint = remedy(client, &driver, &desc).await?;
                let refused = DeviceError::Refused {
                    target: name.clone(),
                    action: "add",
                    device: id,
                    desc,
                    hint,
                };
                return Ok(Err(refused.into()));
            }
            result => drop(result?),
        }
        let all = list(client).await?;
        Ok(match all.iter().find(|device| device.id == id) {
            Some(Device { id, driver }) => Ok(DeviceChange {
                name: name.clone(),
                id: id.clone(),
                driver: driver.clone(),
                present: true,
            }),
            None => Err(unknown(&name, &id, &all)),
        })
    };
    target.qmp(PATIENCE, exchange).await?
}

/// Removes a device, and returns when QEMU says that it is gone: most buses ask the guest, which has
/// `patience` to release it.
///
/// # Errors
/// There is no such device, QEMU or the guest refuses, or the guest does nothing.
pub async fn remove_device(
    target: &Target,
    id: &str,
    patience: Duration,
) -> Result<DeviceChange, Error> {
    let name = target.name();
    let exchange = async |client: &mut Client| {
        let all = list(client).await?;
        let Some(device) = all.iter().find(|device| device.id == id) else {
            return Ok(Err(unknown(&name, id, &all)));
        };
        let (target, device, driver) = (name.clone(), id.to_owned(), device.driver.clone());
        match client.execute("device_del", Some(json!({ "id": id }))).await {
            // QEMU has no class for it; asked already, the guest may still answer.
            Err(qmp::Error::Command { desc, .. }) if desc.contains("in the process of unplug") => {}
            Err(qmp::Error::Command { desc, .. }) => {
                let action = "remove";
                let hint = None;
                let refused = DeviceError::Refused { target, action, device, desc, hint };
                return Ok(Err(refused.into()));
            }
            result => drop(result?),
        }
        match timeout(patience, verdict(client, id)).await {
            Ok(verdict) => match verdict? {
                true => Ok(Ok(DeviceChange { name: target, id: device, driver, present: false })),
                false => Ok(Err(DeviceError::Held { target, device }.into())),
            },
            Err(_) => {
                let running = client.query_status().await?.running;
                let waited = patience;
                Ok(Err(DeviceError::NotReleased { target, device, waited, running }.into()))
            }
        }
    };
    target.qmp(patience.saturating_add(PATIENCE), exchange).await?
}

/// Waits until QEMU has removed a device, or the guest has refused to release it.
async fn verdict(client: &mut Client, id: &str) -> Result<bool, qmp::Error> {
    loop {
        let event = client.event().await?;
        let is_ours = event.data.get("device").and_then(Value::as_str) == Some(id);
        match event.name.as_str() {
            "DEVICE_DELETED" if is_ours => return Ok(true),
            "DEVICE_UNPLUG_GUEST_ERROR" if is_ours => return Ok(false),
            _ => {}
        }
    }
}

async fn list(client: &mut Client) -> Result<Vec<Device>, qmp::Error> {
    let answer = client.execute("qom-list", Some(json!({ "path": PERIPHERAL }))).await?;
    let items = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    let device = |item: &Value| {
        let kind = item.get("type")?.as_str()?;
        let driver = kind.strip_prefix("child<")?.strip_suffix('>')?.to_owned();
        Some(Device { id: item.get("name")?.as_str()?.to_owned(), driver })
    };
    let mut devices: Vec<_> = items.iter().filter_map(device).collect();
    devices.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(devices)
}

/// What helps against a refusal, as far as its words tell: QEMU has one class for all.
async fn remedy(
    client: &mut Client,
    driver: &str,
    desc: &str,
) -> Result<Option<String>, qmp::Error> {
    let (command, arguments, wrong) = if desc.contains("is not a valid device model name") {
        let arguments = json!({ "implements": "device", "abstract": false });
        ("qom-list-types", arguments, driver)
    } else if let Some(property) = unknown_property(desc) {
        ("device-list-properties", json!({ "typename": driver }), property)
    } else if desc.contains("does not support hotplugging") {
        let port = "-device pcie-root-port,id=port1,chassis=1";
        return Ok(Some(format!("start the VM with {port}, and add `bus=port1` here")));
    } else {
        return Ok(None);
    };
    let known = match client.execute(command, Some(arguments)).await {
        // An alias such as `virtio-rng` is no type of its own.
        Err(qmp::Error::Command { .. }) => return Ok(None),
        result => result?,
    };
    let names = known.as_array().into_iter().flatten();
    let names = names.filter_map(|item| item.get("name")?.as_str());
    Ok(suggest::nearest(wrong, names).map(|near| format!("did you mean `{near}`?")))
}

/// The property that is not there: `foo` of `Property 'virtio-rng-pci.foo' not found`.
fn unknown_property(desc: &str) -> Option<&str> {
    let (property, _) = desc.strip_prefix("Property '")?.split_once("' not found")?;
    Some(property.rsplit_once('.').map_or(property, |(_, name)| name))
}

fn unknown(target: &str, id: &str, all: &[Device]) -> Error {
    let known = all.iter().map(|device| device.id.clone()).collect();
    DeviceError::Unknown { target: target.to_owned(), device: id.to_owned(), known }.into()
}

fn usage(message: String) -> Error {
    let hint = Some("write driver=virtio-rng-pci id=rng1".to_owned());
    Usage { message, hint }.into()
}
