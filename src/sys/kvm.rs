//! Tests whether the host offers KVM.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

// `KVM_CREATE_VM` (linux/kvm.h).
nix::ioctl_write_int_bad!(create_vm, nix::request_code_none!(0xae, 0x01));

/// Creates a KVM virtual machine and destroys it.
///
/// # Errors
/// What failed, as a verb, and why.
pub fn try_kvm() -> Result<(), (&'static str, io::Error)> {
    let kvm = File::options().read(true).write(true).open("/dev/kvm");
    let kvm = kvm.map_err(|error| ("open /dev/kvm", error))?;
    make_vm(kvm).map(drop).map_err(|error| ("make a virtual machine with /dev/kvm", error))
}

fn make_vm(kvm: impl AsFd) -> io::Result<OwnedFd> {
    // SAFETY: the argument is a number, the machine's type; 0 is the usual one. The returned
    // descriptor is new, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(create_vm(kvm.as_fd().as_raw_fd(), 0)?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_device_makes_no_machine() {
        let error = make_vm(File::open("/dev/null").unwrap()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(nix::libc::ENOTTY));
    }
}
