//! A VM's life: its directory, its command line, its process, from start to stop.

mod argv;
mod connect;
mod dir;
mod explain;
mod launch;
mod port;
mod spawn;
mod start;
mod status;
mod stop;

pub use argv::{CommandLine, Forward, forwards};
pub use connect::{Control, connect_qmp};
pub use dir::{Lock, VmDir};
pub use explain::{harmless, last_words};
pub use launch::Launch;
pub use start::{Started, plan, start};
pub use status::{SshStatus, Status, list, status};
pub use stop::{Method, Stopped, stop};
