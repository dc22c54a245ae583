//! Reads a QEMU command line: words to options, properties and forwarded ports, and the argument
//! that QEMU complains about. It knows nothing about VMs.

pub(crate) mod culprit;
mod forwards;
mod options;
mod properties;
mod qmp_sockets;
pub mod usernet;

pub use forwards::{Forward, forwards};
pub use options::{Arg, Opt, name as option_name, options};
pub use properties::{Properties, escape};
pub use qmp_sockets::{QmpSocket, qmp_sockets};
