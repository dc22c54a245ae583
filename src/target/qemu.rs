//! The QEMU processes of this host, whoever has started them.

use super::TargetError;
use crate::config::DIR_PREFIX;
use crate::qemu_args::{Arg, Opt, Properties, QmpSocket, options, qmp_sockets};
use crate::sys::process::{self, Identity};
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};

/// A QEMU process.
#[derive(Clone, Debug)]
pub struct Qemu {
    /// Its pid.
    pub pid: u32,
    /// Its name, by `-name`, else that of its first image.
    pub name: Option<String>,
    /// Who has started it.
    pub manager: Manager,
    /// Where it has QMP.
    pub qmp: Vec<QmpSocket>,
    /// How long it runs, in seconds.
    pub uptime_seconds: Option<f64>,
    /// How much of the host's memory it uses, in bytes.
    pub memory: Option<u64>,
}

/// Who has started a QEMU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Manager {
    /// qqmgr, with the VM's directory.
    Qqmgr(PathBuf),
    /// libvirt.
    Libvirt,
    /// A person, a script or another tool.
    None,
}

impl Qemu {
    /// The QEMU with this pid.
    ///
    /// # Errors
    /// There is no such process, it is another program, or it is another user's.
    pub fn of(pid: u32) -> Result<Qemu, TargetError> {
        let argv = process::command_line(pid);
        let exe = fs::read_link(format!("/proc/{pid}/exe"));
        if Identity::of(pid).is_none() {
            return Err(TargetError::NoProcess { pid });
        }
        let program = match (&exe, argv.first()) {
            (Ok(exe), _) => exe.clone(),
            (Err(_), Some(first)) => PathBuf::from(first),
            (Err(_), None) => return Err(TargetError::NotOurs { pid }),
        };
        let program = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !is_qemu(&program) {
            return Err(TargetError::NotQemu { pid, program });
        }
        match fs::read_link(format!("/proc/{pid}/cwd")) {
            Ok(working_dir) => Ok(Qemu::read(pid, &argv, &working_dir)),
            Err(_) => Err(TargetError::NotOurs { pid }),
        }
    }

    fn read(pid: u32, argv: &[String], working_dir: &Path) -> Qemu {
        let read = |path: &Path| fs::read_to_string(path).ok();
        Qemu {
            pid,
            name: name(argv),
            manager: manager(argv),
            qmp: qmp_sockets(argv, working_dir, read),
            uptime_seconds: uptime(pid),
            memory: memory(pid),
        }
    }
}

/// Every QEMU that this user may see into; root sees into all.
pub fn qemus() -> Vec<Qemu> {
    let program = |pid: u32| fs::read_link(format!("/proc/{pid}/exe")).ok();
    let is_one = |pid: &u32| {
        program(*pid)
            .is_some_and(|exe| is_qemu(&exe.file_name().unwrap_or_default().to_string_lossy()))
    };
    let pids = process::pids().filter(is_one);
    let mut found: Vec<_> = pids.filter_map(|pid| Qemu::of(pid).ok()).collect();
    found.sort_by_key(|qemu| qemu.pid);
    found
}

/// Whether a program is a system emulator, by the names that QEMU and distributions give it.
fn is_qemu(program: &str) -> bool {
    let program = program.strip_suffix(" (deleted)").unwrap_or(program);
    program.starts_with("qemu-system-") || matches!(program, "qemu-kvm" | "qemu" | "kvm")
}

fn name(argv: &[String]) -> Option<String> {
    let args: Vec<_> =
        argv.iter().skip(1).map(|word| Arg { text: word.clone(), span: None }).collect();
    let all = options(&args, |_| None);
    let named = all.iter().rfind(|opt| opt.name == "name").and_then(|opt| opt.value);
    let named =
        named.and_then(|value| Properties::parse(&value.text).implied("guest").map(str::to_owned));
    named.or_else(|| all.iter().find_map(image))
}

/// The file name of an image, without its extension.
fn image(opt: &Opt) -> Option<String> {
    let properties = Properties::parse(&opt.value?.text);
    let path = match opt.name {
        "drive" => properties.get("file")?.to_owned(),
        "blockdev" => properties.get("filename").or(properties.get("file.filename"))?.to_owned(),
        "hda" | "cdrom" | "kernel" => opt.value?.text.clone(),
        _ => return None,
    };
    Some(Path::new(&path).file_stem()?.to_string_lossy().into_owned())
}

fn manager(argv: &[String]) -> Manager {
    let value = |option: &str| {
        let at = argv.iter().position(|word| word == option)?;
        argv.get(at + 1).map(String::as_str)
    };
    let dir = value("-pidfile").and_then(|path| Path::new(path).parent());
    let is_ours = argv.iter().any(|word| word.contains("id=qqmgr-events"));
    match dir {
        Some(dir) if is_ours => Manager::Qqmgr(dir.to_owned()),
        _ if argv.iter().any(|word| word.contains("/libvirt/qemu/")) => Manager::Libvirt,
        _ => Manager::None,
    }
}

impl Manager {
    /// The VM's name, if qqmgr has started it.
    pub fn vm(&self) -> Option<String> {
        let Manager::Qqmgr(dir) = self else { return None };
        let name = dir.file_name()?.to_string_lossy().into_owned();
        match name.strip_prefix(DIR_PREFIX) {
            Some(name) => Some(name.to_owned()),
            None => {
                let vm = dir.parent()?.parent()?.file_name()?.to_string_lossy().into_owned();
                Some(format!("{}+{name}", vm.strip_prefix(DIR_PREFIX)?))
            }
        }
    }
}

fn uptime(pid: u32) -> Option<f64> {
    let process = Identity::of(pid)?.open().ok()??;
    process.uptime().map(|uptime| (uptime.as_secs_f64() * 100.0).round() / 100.0)
}

/// The resident set, in bytes (proc_pid_statm(5)).
fn memory(pid: u32) -> Option<u64> {
    let statm =
        procfs::process::Process::new(pid.try_into().ok()?).and_then(|it| it.statm()).ok()?;
    Some(statm.resident * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn names_by_what_the_command_line_tells() {
        for (line, found) in [
            ("qemu -name guest=web,debug-threads=on -drive file=/a.img", Some("web")),
            ("qemu -name web", Some("web")),
            ("qemu -m 1 -drive if=virtio,file=/x/deb.qcow2", Some("deb")),
            ("qemu disk.img", Some("disk")),
            ("qemu -kernel /boot/vmlinuz-6", Some("vmlinuz-6")),
            ("qemu -m 1", None),
        ] {
            assert_eq!(name(&words(line)).as_deref(), found, "{line}");
        }
    }

    #[test]
    fn knows_who_has_started_it() {
        let ours = "qemu -pidfile /p/.qqmgr/vm.a/pid -chardev pipe,id=qqmgr-events,path=/p";
        assert_eq!(manager(&words(ours)).vm().as_deref(), Some("a"));
        let run = ours.replace("vm.a/", "vm.a/runs/0a/");
        assert_eq!(manager(&words(&run)).vm().as_deref(), Some("a+0a"));
        let libvirt = "qemu -chardev socket,id=m,fd=3 -object x,file=/var/lib/libvirt/qemu/d/k";
        assert_eq!(manager(&words(libvirt)), Manager::Libvirt);
        assert_eq!(manager(&words("qemu -pidfile /x/pid")), Manager::None);
    }
}
