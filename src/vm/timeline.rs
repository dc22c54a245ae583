//! When a boot passed its milestones, as far as a command watched it.

use super::dir::VmDir;
use super::files;
use crate::Error;
use crate::sys::clock;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A machine that resets may reset again from its firmware, in the same boot.
pub const ONE_RESET: Duration = Duration::from_secs(2);

/// Two boots begin at least this far apart, in seconds.
const ONE_SPAWN: f64 = 0.001;

/// A milestone of a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Milestone {
    /// QMP answered.
    Qmp,
    /// The serial port wrote its first byte.
    Serial,
    /// The serial port wrote the kernel's first line.
    Kernel,
    /// An SSH login worked.
    Ssh,
}

impl Milestone {
    /// All of them, in the order of a boot.
    pub const ALL: [Milestone; 4] =
        [Milestone::Qmp, Milestone::Serial, Milestone::Kernel, Milestone::Ssh];

    /// Its name in JSON and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Milestone::Qmp => "qmp",
            Milestone::Serial => "serial",
            Milestone::Kernel => "kernel",
            Milestone::Ssh => "ssh",
        }
    }

    /// Its name for people.
    pub fn label(self) -> &'static str {
        match self {
            Milestone::Qmp => "QMP answered",
            Milestone::Serial => "first serial byte",
            Milestone::Kernel => "kernel's first line",
            Milestone::Ssh => "SSH login worked",
        }
    }
}

/// The milestones of a VM's latest boot, in seconds since QEMU was spawned or qqmgr reset the
/// machine; `None` if the milestone has not come, or no command saw it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// When QEMU was spawned, or the machine reset, in seconds since 1970.
    pub spawned_at: f64,
    /// The length of the serial log at that time, in bytes.
    #[serde(default)]
    pub serial_begins: u64,
    /// QMP answered.
    pub qmp: Option<f64>,
    /// The serial port wrote its first byte.
    pub serial: Option<f64>,
    /// The serial port wrote the kernel's first line.
    pub kernel: Option<f64>,
    /// An SSH login worked.
    pub ssh: Option<f64>,
}

impl Timeline {
    /// A timeline that begins now.
    pub fn begin() -> Timeline {
        Timeline { spawned_at: clock::now(), ..Timeline::default() }
    }

    /// The timeline of a boot that a reset begins now.
    pub fn of_reset(dir: &VmDir) -> Timeline {
        let serial_begins = std::fs::metadata(dir.file(files::SERIAL)).map_or(0, |log| log.len());
        Timeline { serial_begins, ..Timeline::begin() }
    }

    /// Whether it is the timeline of the boot that began with a reset at this time, since 1970:
    /// `qqmgr restart` begins the timeline before it resets the machine.
    pub fn is_of_boot(&self, reset_at: Duration) -> bool {
        reset_at.as_secs_f64() - self.spawned_at < ONE_RESET.as_secs_f64()
    }

    /// The timeline of the VM's latest boot, if a command recorded one.
    pub fn read(dir: &VmDir) -> Option<Timeline> {
        serde_json::from_slice(&std::fs::read(dir.file(files::TIMELINE)).ok()?).ok()
    }

    /// How long ago the boot began, in seconds.
    pub fn age(&self) -> f64 {
        clock::now() - self.spawned_at
    }

    /// When a milestone was passed.
    pub fn at(&self, milestone: Milestone) -> Option<f64> {
        match milestone {
            Milestone::Qmp => self.qmp,
            Milestone::Serial => self.serial,
            Milestone::Kernel => self.kernel,
            Milestone::Ssh => self.ssh,
        }
    }

    /// Records that a milestone is passed now, unless it was before. It records nothing about a
    /// boot that a reset has ended, and keeps what other processes recorded meanwhile.
    ///
    /// # Errors
    /// The record can't be written.
    pub fn note(&mut self, dir: &VmDir, milestone: Milestone) -> Result<(), Error> {
        // Other processes read, change and write it too, so only one does so at a time.
        let _turn = dir.turn();
        let latest = Timeline::read(dir).unwrap_or_default();
        // One of the two may have been through JSON.
        if (latest.spawned_at - self.spawned_at).abs() < ONE_SPAWN {
            *self = latest;
            self.pass(milestone);
            self.write(dir)?;
        }
        Ok(())
    }

    /// Notes that a milestone is passed now, unless it was before.
    pub fn pass(&mut self, milestone: Milestone) {
        let since = (self.age() * 1000.0).round() / 1000.0;
        let mark = match milestone {
            Milestone::Qmp => &mut self.qmp,
            Milestone::Serial => &mut self.serial,
            Milestone::Kernel => &mut self.kernel,
            Milestone::Ssh => &mut self.ssh,
        };
        mark.get_or_insert(since);
    }

    /// Writes the record, whole or not at all.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&self, dir: &VmDir) -> Result<(), Error> {
        dir.write_record(files::TIMELINE, self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_loses_what_others_note() {
        for _ in 0..50 {
            let place = tempfile::tempdir().unwrap();
            let dir = || VmDir::at(place.path()).unwrap().unwrap();
            let begun = Timeline::begin();
            begun.write(&dir()).unwrap();
            std::thread::scope(|scope| {
                for milestone in Milestone::ALL {
                    let mut timeline = begun.clone();
                    scope.spawn(move || timeline.note(&dir(), milestone).unwrap());
                }
            });
            let noted = Timeline::read(&dir()).unwrap();
            assert!(Milestone::ALL.iter().all(|it| noted.at(*it).is_some()), "{noted:?}");
        }
    }
}
