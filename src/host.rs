//! What the host offers to virtual machines.

use std::fs::File;
use std::io;

/// Opens `/dev/kvm` as QEMU does.
///
/// # Errors
/// It is not there or not ours to open.
pub fn open_kvm() -> io::Result<File> {
    File::options().read(true).write(true).open("/dev/kvm")
}
