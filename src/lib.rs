//! Quick QEMU Manager as a library: the config file, the virtual machines and QMP.

pub mod config;
pub mod duration;
pub mod process;
mod suggest;
mod template;
mod words;
