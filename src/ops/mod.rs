//! Operations on a VM's whole life, as calls that return a report. Nothing here prints.

mod block_device;
mod blocks;
mod device;
mod down;
mod gc;
mod keys;
mod layout;
mod medium;
mod pause;
mod qmp;
mod restart;
mod throttle;
mod up;

pub use block_device::BlockError;
pub use blocks::{Backing, Block, Blocks, Job, Medium, blocks};
pub use device::{Device, DeviceChange, DeviceError, add_device, devices, remove_device};
pub use down::down;
pub use gc::{Collected, gc};
pub use keys::{KeysError, Sent, send_keys, type_text};
pub use medium::{Changed, NewMedium, eject, insert};
pub use pause::{Moved, NotMoved, pause, resume};
pub use qmp::{Command, QmpRefused, qmp, qmp_commands};
pub use restart::{Reset, Restart, reset, restart};
pub use throttle::{Limits, Throttle, Throttled, throttle};
pub use up::{Up, UpReport, up};
