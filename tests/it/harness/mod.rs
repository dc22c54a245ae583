//! The base of the tests: a laboratory to run qqmgr in, and the outcome of a run.

mod lab;
mod live;
mod outcome;
mod processes;
mod run;

pub use lab::{Lab, NO_GUEST, fake_qemu, free_port, guest_file, guest_vm, vm};
pub use live::Live;
pub use outcome::Outcome;
pub use processes::{Alive, side_by_side, until};
pub use run::Run;
