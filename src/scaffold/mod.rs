//! Writes a first config file, whose VM boots what the user names or what exists beside the file.

mod boot;
mod machine;

use crate::error::{Usage, cant, faults};
use crate::{Error, config};
use machine::Machine;
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

pub use crate::config::FILE_NAME;
pub use boot::Boot;

const TEMPLATE: &str = include_str!("template.toml");

/// A file that exists and must not be overwritten.
#[derive(Debug, thiserror::Error)]
#[error("{path:?} already exists")]
pub struct FileExists {
    /// The file.
    pub path: PathBuf,
}

faults!(FileExists {
    FileExists { .. } => "file_exists", Failed;
}
fn hint(&self) -> Option<String> {
    Some("to add a VM, add a [vm.NAME] section to it; for another file: qqmgr -c FILE init".into())
});

/// The config file that was written.
#[derive(Clone, Debug)]
pub struct Written {
    /// Its absolute path.
    pub file: PathBuf,
    /// The files that its VM boots.
    pub boot: Boot,
    /// The names of other files that were found, which the VM could boot instead.
    pub others: Vec<String>,
}

/// Writes a new config file with one VM, and creates its directory if that is missing. The VM boots
/// the files in `boot`, or else files that are found beside the config.
///
/// # Errors
/// The name is not valid for a VM, a named file can't be read, or the config already exists or
/// can't be written.
pub async fn write(path: &Path, vm: &str, boot: Boot) -> Result<Written, Error> {
    if !config::is_vm_name(vm) {
        let message = format!("`{vm}` is not a valid VM name");
        return Err(Usage { message, hint: Some(config::NAME_RULE.to_owned()) }.into());
    }
    boot.validate()?;
    let named = boot.named()?;
    let host = Machine::of_this_host();
    let works = host.kvm_works().await;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir).map_err(cant("make", dir))?;
    let dir = dir.canonicalize().map_err(cant("read", dir))?;
    let (boot, others) = match named.is_empty() {
        true => Boot::found(&dir, vm),
        false => (named, Vec::new()),
    };
    let text = text(vm, &host, works, &boot, &dir);
    let write = || -> io::Result<PathBuf> {
        // The file appears only when it is complete: half of it would block the next `init`.
        let mode = Permissions::from_mode(0o666);
        let mut file =
            tempfile::Builder::new().prefix(".qqmgr").permissions(mode).tempfile_in(&dir)?;
        file.as_file_mut().write_all(text.as_bytes())?;
        file.persist_noclobber(path)?;
        path.canonicalize()
    };
    let file = write().map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Error::from(FileExists { path: path.to_owned() }),
        _ => cant("write", path)(error),
    })?;
    Ok(Written { file, boot, others })
}

/// The file's text: the template with the values for this host and these files.
fn text(vm: &str, host: &Machine, kvm_works: bool, boot: &Boot, dir: &Path) -> String {
    let (accel, why) = machine::accelerator(kvm_works);
    // Without quotes, a name with a dot would be two keys.
    let key = if vm.contains('.') { format!("\"{vm}\"") } else { vm.to_owned() };
    let usual = |name: &str| dir.join(name);
    let image = boot.image.clone().unwrap_or_else(|| usual(&format!("{vm}.qcow2")));
    let kernel = boot.kernel.clone().unwrap_or_else(|| usual("bzImage"));
    let initrd = boot.initrd.clone().unwrap_or_else(|| usual("initrd.img"));
    let root = match (&boot.kernel, &boot.image) {
        (Some(_), None) => "",
        _ => " root=/dev/vda1",
    };
    let append = format!("console={}{root}", host.console);
    let only_if = |wanted: bool| if wanted { "" } else { "# " };
    // In the properties of `-drive`, QEMU reads `,,` as a comma.
    let disk = quoted(&variable(&image, dir, ",,"));
    let found_key = boot::private_key(dir);
    let identity = match &found_key {
        Some(key) => quoted(&variable(key, dir, ",")),
        None => quoted("{{.env.HOME}}/.ssh/id_ed25519"),
    };
    let values = [
        ("vm", vm),
        ("key", &key),
        ("bin", &host.bin),
        ("machine", host.machine),
        ("accel", accel),
        ("why", why),
        ("disk", &disk),
        (
            "format",
            boot.image.as_deref().map_or("qcow2", |image| boot::format(image).unwrap_or("raw")),
        ),
        ("kernel", &quoted(&variable(&kernel, dir, ","))),
        ("initrd", &quoted(&variable(&initrd, dir, ","))),
        ("append", &quoted(boot.append.as_ref().unwrap_or(&append))),
        ("identity", &identity),
        ("if-identity", only_if(found_key.is_some())),
        ("if-disk", only_if(boot.image.is_some())),
        ("if-kernel", only_if(boot.kernel.is_some())),
        ("if-initrd", only_if(boot.initrd.is_some())),
    ];
    values
        .iter()
        .fold(TEMPLATE.to_owned(), |text, (name, value)| text.replace(&format!("@{name}@"), value))
}

/// A path as the config writes it: relative to its directory if possible, so that both can move.
fn variable(path: &Path, dir: &Path, comma: &str) -> String {
    let escaped = |path: &Path| path.display().to_string().replace(',', comma);
    match path.strip_prefix(dir) {
        // A comma in the value of `config_dir` can't be doubled.
        Ok(below) if comma == "," || !dir.display().to_string().contains(',') => {
            format!("{{{{.config_dir}}}}/{}", escaped(below))
        }
        _ => escaped(path),
    }
}

/// A TOML string; its escapes include those of JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Port, Source};
    use std::sync::Arc;

    #[test]
    fn what_is_written_can_be_read() {
        for vm in ["vm", "a.b-c"] {
            let boot = Boot { image: Some("/c/a \"b\"".into()), ..Boot::default() };
            let text = text(vm, &Machine::of_this_host(), true, &boot, Path::new("/c"));
            assert!(!text.contains('@'), "{text}");
            let source = Arc::new(Source { path: "/c/qqmgr.toml".into(), text });
            let file = config::parse(source).unwrap();
            assert_eq!(file.vms[0].name, vm);
            assert_eq!(file.vms[0].ssh.port, Port::Auto);
        }
    }
}
