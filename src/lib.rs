//! Quick QEMU Manager as a library: the config file, the virtual machines and QMP.

pub mod cli;
pub mod config;
pub mod duration;
mod error;
pub mod events;
mod private_dir;
pub mod process;
pub mod qmp;
pub mod ssh;
mod suggest;
mod template;
pub mod vm;
mod words;

pub use error::{Error, Place};
