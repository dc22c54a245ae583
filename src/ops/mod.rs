//! What the verbs do that are about a VM's whole life, as calls with a report each. Nothing here
//! prints.

mod down;
mod gc;
mod restart;
mod up;

pub use down::down;
pub use gc::{Collected, gc};
pub use restart::{Reset, Restart, reset, restart};
pub use up::{Up, UpReport, up};
