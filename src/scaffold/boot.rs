//! Finds what a new VM boots: files that the user names, or else files beside the config.

use crate::Error;
use crate::error::{Usage, cant};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The files that a new VM boots.
#[derive(Clone, Debug, Default)]
pub struct Boot {
    /// A disk image.
    pub image: Option<PathBuf>,
    /// A kernel.
    pub kernel: Option<PathBuf>,
    /// The kernel's initrd.
    pub initrd: Option<PathBuf>,
    /// The kernel's command line.
    pub append: Option<String>,
}

/// The path of a kernel in its build tree, by the host's architecture.
const BUILT: [(&str, &str); 4] = [
    ("x86_64", "arch/x86/boot/bzImage"),
    ("x86", "arch/x86/boot/bzImage"),
    ("aarch64", "arch/arm64/boot/Image"),
    ("riscv64", "arch/riscv/boot/Image"),
];

/// The magic bytes of disk images: their offset, the bytes, the format. Raw images have those of a
/// partition table, or of a file system that can fill a whole disk.
const MAGIC: [(u64, &[u8], &str); 7] = [
    (0, b"QFI\xfb", "qcow2"),
    (0, b"KDMV", "vmdk"),
    (0, b"vhdxfile", "vhdx"),
    (510, b"\x55\xaa", "raw"),
    (1080, b"\x53\xef", "raw"),
    (0, b"XFSB", "raw"),
    (0x1_0040, b"_BHRfS_M", "raw"),
];

impl Boot {
    /// The same files with absolute paths; all of them exist.
    ///
    /// # Errors
    /// One can't be read.
    pub fn named(self) -> Result<Boot, Error> {
        let absolute = |path: Option<PathBuf>| {
            let read = |path: PathBuf| {
                let failed = cant("read", &path);
                File::open(&path).and_then(|_| std::path::absolute(&path)).map_err(failed)
            };
            path.map(read).transpose()
        };
        Ok(Boot {
            image: absolute(self.image)?,
            kernel: absolute(self.kernel)?,
            initrd: absolute(self.initrd)?,
            append: self.append,
        })
    }

    /// Files in a directory that a VM can boot, and the names of the alternatives.
    pub fn found(dir: &Path, vm: &str) -> (Boot, Vec<String>) {
        let names = names(dir);
        let is_image = |name: &&String| {
            let path = Path::new(name);
            let extension = path.extension().and_then(|extension| extension.to_str());
            let may = matches!(extension, Some("qcow2" | "img" | "raw")) && !is_initrd(name);
            may && format(&dir.join(path)).is_some()
        };
        let (mut images, mut kernels) = (Vec::new(), Vec::new());
        images.extend(names.iter().filter(is_image).cloned());
        // The image with the VM's name comes first.
        images.sort_by_key(|name| Path::new(name).file_stem().is_none_or(|stem| stem != vm));
        let built = BUILT.iter().find(|(arch, _)| *arch == std::env::consts::ARCH);
        kernels.extend(built.map(|(_, path)| (*path).to_owned()));
        kernels.extend(["bzImage", "vmlinuz"].map(str::to_owned));
        // The last version comes first.
        kernels.extend(names.iter().rev().filter(|name| name.starts_with("vmlinuz-")).cloned());
        kernels.retain(|name| dir.join(name).is_file());
        let kernel = kernels.first();
        let initrd = kernel.and_then(|kernel| initrd(&names, kernel));
        let boot = Boot {
            image: images.first().map(|name| dir.join(name)),
            kernel: kernel.map(|name| dir.join(name)),
            initrd: initrd.map(|name| dir.join(name)),
            append: None,
        };
        let others = kernels.iter().skip(1).chain(images.iter().skip(1)).cloned().collect();
        (boot, others)
    }

    /// Whether there is nothing to boot.
    pub fn is_empty(&self) -> bool {
        self.image.is_none() && self.kernel.is_none()
    }

    /// Checks that there is a kernel for an initrd or a kernel's command line.
    ///
    /// # Errors
    /// There is none.
    pub fn validate(&self) -> Result<(), Error> {
        if self.kernel.is_none() && (self.initrd.is_some() || self.append.is_some()) {
            let message = "--initrd and --append need a kernel".to_owned();
            let hint = Some("add --kernel FILE".to_owned());
            return Err(Usage { message, hint }.into());
        }
        Ok(())
    }
}

/// The private key in a directory, by the names that ssh-keygen gives (ssh-keygen(1), FILES).
pub fn private_key(dir: &Path) -> Option<PathBuf> {
    let mut names = names(dir).into_iter();
    let name = names.find(|name| name.starts_with("id_") && !name.ends_with(".pub"))?;
    Some(dir.join(name))
}

/// The names of the files in a directory, sorted.
fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.path().is_file());
    let mut names: Vec<_> =
        files.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

fn is_initrd(name: &str) -> bool {
    name.starts_with("initrd") || name.starts_with("initramfs")
}

/// The initrd of a kernel: the one with its version, or one without a version.
fn initrd<'a>(names: &'a [String], kernel: &str) -> Option<&'a String> {
    let version = kernel.split_once('-').map(|(_, version)| version);
    let has_version = |name: &&String| version.is_some_and(|version| name.contains(version));
    let plain = |name: &&String| !name.contains('-');
    let mut all = names.iter().filter(|name| is_initrd(name));
    all.clone().find(has_version).or_else(|| all.find(plain))
}

/// The format of a disk image; `None` if the file is none.
pub fn format(path: &Path) -> Option<&'static str> {
    // Reading a pipe would block.
    let file = File::open(path).ok().filter(|_| path.is_file())?;
    let is = |(at, magic, format): &(u64, &[u8], &'static str)| {
        let mut bytes = vec![0; magic.len()];
        file.read_exact_at(&mut bytes, *at).is_ok().then_some(())?;
        (bytes == *magic).then_some(*format)
    };
    MAGIC.iter().find_map(is)
}
