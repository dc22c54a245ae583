//! A VM's life: its directory, its command line, its process, from start to stop.

mod argv;
mod connect;
mod dir;
mod explain;
mod launch;
mod lease;
mod lock;
mod options;
mod orphan;
mod port;
mod properties;
mod restart;
mod running;
mod spawn;
mod start;
mod status;
mod stop;
mod stray;
mod timeline;

pub use argv::{CommandLine, Forward, forwards, quote};
pub use connect::connect_qmp;
pub use dir::{GDB_SOCKET, VmDir};
pub use explain::{harmless, last_lines, last_words, place_of_bin};
pub use launch::Launch;
pub use lease::{Lease, LeaseStatus};
pub use lock::Lock;
pub use options::{Opt, name as option_name, options};
pub use port::{Owner, describe as describe_process, free as free_port, owner as port_owner};
pub use properties::Properties;
pub use restart::{reset, restart};
pub use running::{Running, running};
pub use start::{StartOptions, Started, plan, start};
pub use status::{SshStatus, Status, list, status};
pub use stop::{From, Method, Stopped, stop, stop_only, tidy, was_stopped};
pub use stray::{find, running_strays, strays};
pub use timeline::{Milestone, Timeline};
