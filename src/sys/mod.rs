//! What Unix gives: processes, descriptors, locks, signals, directories, sockets and points in time.

pub(crate) mod changes;
pub(crate) mod child;
pub(crate) mod clock;
pub(crate) mod deadline;
pub(crate) mod descriptors;
pub(crate) mod destination;
pub(crate) mod flock;
pub(crate) mod helper;
pub(crate) mod holes;
pub(crate) mod home;
pub(crate) mod kvm;
pub(crate) mod private_dir;
pub mod process;
pub(crate) mod shared;
pub(crate) mod short_socket;
pub(crate) mod signals;
pub(crate) mod whole_file;
