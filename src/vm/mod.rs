//! A VM's life: its directory, its command line, its process, from start to stop.

mod argv;
mod connect;
mod dir;
mod explain;
mod launch;
mod port;
mod reset;
mod spawn;
mod start;
mod status;
mod stop;
mod timeline;

pub use argv::{CommandLine, Forward, forwards};
pub use connect::{Control, connect_qmp};
pub use dir::{Lock, VmDir};
pub use explain::{harmless, last_lines, last_words};
pub use launch::Launch;
pub use reset::reset;
pub use start::{StartOptions, Started, plan, start};
pub use status::{SshStatus, Status, list, status};
pub use stop::{From, Method, Stopped, stop};
pub use timeline::{Milestone, Timeline};
