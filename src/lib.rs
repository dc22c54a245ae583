//! Quick QEMU Manager as a library: the config file, the virtual machines and QMP.

pub mod qmp;
