//! Limits on how fast a block device may be.

use super::block_device::{Answer, BlockError, Found};
use super::blocks::PATIENCE;
use crate::Error;
use crate::qmp::Client;
use crate::target::Target;
use serde::Serialize;
use serde_json::{Map, Value};

/// The limits of a block device, per second; none is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Bytes, read and written.
    pub bps: Option<u64>,
    /// Bytes read.
    pub bps_read: Option<u64>,
    /// Bytes written.
    pub bps_write: Option<u64>,
    /// Operations of both kinds.
    pub iops: Option<u64>,
    /// Reads.
    pub iops_read: Option<u64>,
    /// Writes.
    pub iops_write: Option<u64>,
}

/// The limits of a device as they are now.
#[derive(Clone, Debug, Serialize)]
pub struct Throttled {
    /// The target, as the user calls it.
    pub name: String,
    /// The device.
    pub device: String,
    /// Its limits.
    #[serde(flatten)]
    pub limits: Limits,
}

/// What to do with the limits of a device.
#[derive(Clone, Copy, Debug)]
pub enum Throttle {
    /// Show them.
    Show,
    /// Set those that are given; zero is no limit. A total replaces the limits of reads and writes,
    /// and the other way round: QEMU has either.
    Set(Limits),
    /// Remove all.
    Off,
}

/// Shows or sets the limits of a block device, and returns those that QEMU then tells.
///
/// # Errors
/// There is no such device, or QEMU refuses.
pub async fn throttle(target: &Target, device: &str, change: Throttle) -> Result<Throttled, Error> {
    let name = target.name();
    let exchange = async |client: &mut Client| {
        let found = match Found::named(client, &name, device).await? {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        let limits = match change {
            Throttle::Show => return Ok(Ok(Limits::of(found.inserted.as_ref()))),
            Throttle::Set(new) => Limits::of(found.inserted.as_ref()).with(new),
            Throttle::Off => Limits::default(),
        };
        set(client, &name, device, &found, limits).await
    };
    let limits = target.qmp(PATIENCE, exchange).await??;
    Ok(Throttled { name, device: device.to_owned(), limits })
}

async fn set(
    client: &mut Client,
    target: &str,
    device: &str,
    found: &Found,
    limits: Limits,
) -> Answer<Limits> {
    let (target, device) = (target.to_owned(), device.to_owned());
    if let Err(desc) = found.execute(client, "block_set_io_throttle", limits.arguments()).await? {
        return Ok(Err(BlockError::Refused {
            target,
            action: "throttle",
            device,
            desc,
            hint: None,
        }));
    }
    Ok(match Found::named(client, &target, &device).await? {
        Ok(now) if Limits::of(now.inserted.as_ref()) == limits => Ok(limits),
        Ok(_) => Err(BlockError::Unchanged { target, action: "throttling", device }),
        Err(error) => Err(error),
    })
}

impl Limits {
    /// QEMU's names of the limits, each with its value.
    fn named(&self) -> [(&'static str, Option<u64>); 6] {
        [
            ("bps", self.bps),
            ("bps_rd", self.bps_read),
            ("bps_wr", self.bps_write),
            ("iops", self.iops),
            ("iops_rd", self.iops_read),
            ("iops_wr", self.iops_write),
        ]
    }

    fn of(inserted: Option<&Value>) -> Limits {
        let limit = |key: &str| inserted?.get(key)?.as_u64().filter(|limit| *limit > 0);
        Limits {
            bps: limit("bps"),
            bps_read: limit("bps_rd"),
            bps_write: limit("bps_wr"),
            iops: limit("iops"),
            iops_read: limit("iops_rd"),
            iops_write: limit("iops_wr"),
        }
    }

    fn arguments(&self) -> Map<String, Value> {
        let argument =
            |(key, limit): (&str, Option<u64>)| (key.to_owned(), limit.unwrap_or(0).into());
        self.named().into_iter().map(argument).collect()
    }

    /// These limits with others in their place, where given.
    fn with(self, new: Limits) -> Limits {
        let (bps, bps_read, bps_write) = merged(
            [self.bps, self.bps_read, self.bps_write],
            [new.bps, new.bps_read, new.bps_write],
        );
        let (iops, iops_read, iops_write) = merged(
            [self.iops, self.iops_read, self.iops_write],
            [new.iops, new.iops_read, new.iops_write],
        );
        Limits { bps, bps_read, bps_write, iops, iops_read, iops_write }
    }
}

type Triple = (Option<u64>, Option<u64>, Option<u64>);

fn merged([total, read, write]: [Option<u64>; 3], new: [Option<u64>; 3]) -> Triple {
    let limit = |old: Option<u64>, new: Option<u64>| new.or(old).filter(|limit| *limit > 0);
    match new {
        [None, None, None] => (total, read, write),
        [Some(_), None, None] => (limit(None, new[0]), None, None),
        [total, new_read, new_write] => {
            (limit(None, total), limit(read, new_read), limit(write, new_write))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Limits;

    #[test]
    fn a_total_and_its_parts_replace_each_other() {
        let total = Limits { bps: Some(1), iops: Some(2), ..Limits::default() };
        let read = Limits { bps_read: Some(3), ..Limits::default() };
        let parts = Limits { bps_read: Some(3), iops: Some(2), ..Limits::default() };
        assert_eq!(total.with(read), parts);
        let write = Limits { bps_write: Some(4), ..Limits::default() };
        assert_eq!(parts.with(write), Limits { bps_write: Some(4), ..parts });
        assert_eq!(parts.with(Limits { bps: Some(1), ..Limits::default() }), total);
        let none = Limits { iops: Some(0), ..Limits::default() };
        assert_eq!(total.with(none), Limits { bps: Some(1), ..Limits::default() });
    }
}
