//! VMs that end by themselves: after a time, with a process, or with the command that runs in
//! them. A keeper, a process of its own for each such VM and for no other, sees to it.

mod keeper;
mod record;

pub use keeper::{Keeper, Role};
pub use record::{Lease, Owner};
