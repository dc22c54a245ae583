//! The hint for a file that does not exist: a command that makes the image, if one can.

use super::files::{Image, Named};
use super::subject::Subject;
use std::path::Path;

/// Formats that the image tool can make from a size alone.
const MADE: [&str; 7] = ["qcow2", "qed", "vmdk", "vdi", "vpc", "vhdx", "parallels"];

/// The hint for a missing file: a likely mistake, or how to make the file.
pub fn of(subject: &Subject, named: &Named, all: &[Named], path: &Path) -> Option<String> {
    match &named.path {
        _ if named.is_alone => Some(
            "QEMU takes a word without an option as a disk image: are quotes missing?".to_owned(),
        ),
        path if path.starts_with('~') || path.contains('$') => {
            Some("`~` and `$` are not expanded: write {{.env.HOME}}".to_owned())
        }
        _ => match named.image.as_ref()? {
            image if image.is_flash => firmware(subject, image, all, path),
            image if image.read_only => None,
            image => create(subject, image, path),
        },
    }
}

/// The command that makes an image in the format that the option names.
fn create(subject: &Subject, image: &Image, path: &Path) -> Option<String> {
    let (usual, size) = match image.interface.as_str() {
        "floppy" => ("raw", "1440K"),
        // The size of an SD card has to be a power of two (QEMU, hw/sd/sd.c).
        "sd" => ("raw", "8G"),
        // The image has to be as large as the board's chip.
        "mtd" => return None,
        _ => ("qcow2", "20G"),
    };
    let format = match image.format.as_deref() {
        None => usual,
        Some("raw" | "file" | "host_device") => "raw",
        Some(format) => MADE.into_iter().find(|made| *made == format)?,
    };
    let size = image.size.as_deref().unwrap_or(size);
    let path = quoted(path)?;
    Some(format!("make an image: {} create -f {format} {path} {size}", subject.vm.img))
}

/// A flash image has the size of its chip, so the user has to copy one. The first one has the code.
fn firmware(subject: &Subject, image: &Image, all: &[Named], path: &Path) -> Option<String> {
    let is_flash = |other: &&Named| other.image.as_ref().is_some_and(|image| image.is_flash);
    let code = all.iter().find(is_flash).map(|code| subject.vm.config_dir.join(&code.path));
    let Some(code) = code.filter(|code| !image.read_only && code != path) else {
        return Some(
            "install the firmware (packages ovmf, edk2-ovmf, qemu-efi-aarch64)".to_owned(),
        );
    };
    let name = code.file_name()?.to_str()?;
    let store = code.with_file_name(name.replace("CODE", "VARS").replace("code", "vars"));
    Some(match store.is_file() && store != code {
        true => format!("copy the firmware's variables: cp {} {}", quoted(&store)?, quoted(path)?),
        false => format!(
            "copy the variables of {} (OVMF_VARS.fd for OVMF_CODE.fd) of the same size",
            code.display()
        ),
    })
}

fn quoted(path: &Path) -> Option<String> {
    let path = path.display().to_string();
    shlex::try_quote(&path).map(|quoted| quoted.into_owned()).ok()
}
