//! A temporary directory with a config. When it is dropped, every process in it ends.

use super::processes::{self, Alive, until};
use super::run::Run;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Options for a real QEMU without a guest: it starts in a tenth of a second.
pub const NO_GUEST: &str = "-nodefaults -machine q35,accel=tcg -m 64 -display none";

/// A `[vm.NAME]` with these QEMU options; nothing listens on its SSH port.
pub fn vm(name: &str, cmd: &str) -> String {
    format!("[vm.{name}]\ncmd = ['''{cmd}''']\nssh = {{ port = 2222 }}\n")
}

/// A `[vm.NAME]` that runs the scripted fake.
pub fn fake_qemu(name: &str, script: &str) -> String {
    let bin = Path::new(env!("CARGO_BIN_EXE_qqmgr")).with_file_name("examples/fake-qemu");
    assert!(bin.is_file(), "{bin:?} is missing: run `cargo test` without a target filter first");
    format!(
        "[vm.{name}]\nbin = {bin:?}\ncmd = []\nssh = {{ port = 2222 }}\n\
         env = {{ FAKE_QEMU = \"{script}\" }}\n"
    )
}

/// A file of the Linux guest that `make guest` builds.
pub fn guest_file(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/guest").join(name);
    assert!(file.is_file(), "{file:?} is missing: run `make guest`");
    file.display().to_string()
}

/// A `[vm.NAME]` with that guest.
pub fn guest_vm(name: &str) -> String {
    format!(
        r#"[vm.{name}]
cmd = [
    "-nodefaults -machine q35,accel=tcg -m 256 -display none",
    ["-kernel", "{kernel}", "-initrd", "{initrd}", "-append", "console=ttyS0 quiet"],
    "-netdev user,id=n0,hostfwd=tcp:127.0.0.1:{{{{.vm.ssh.port}}}}-:{{{{.vm.ssh.vm_port}}}}",
    "-device virtio-net-pci,netdev=n0",
]
[vm.{name}.ssh]
port = "auto"
User = "root"
IdentityFile = "{key}"
"#,
        kernel = guest_file("vmlinuz"),
        initrd = guest_file("initrd.img"),
        key = guest_file("id_ed25519"),
    )
}

/// A test's own directory. When it is dropped, every process that the test started ends.
pub struct Lab {
    dir: PathBuf,
}

impl Lab {
    /// A laboratory whose `qqmgr.toml` is `config`.
    pub fn new(config: &str) -> Lab {
        let lab = Lab::empty();
        lab.write("qqmgr.toml", config);
        lab
    }

    /// A laboratory whose VM `a` runs, without a guest.
    pub fn running() -> Lab {
        let lab = Lab::new(&vm("a", NO_GUEST));
        lab.qqmgr("start a").run().code(0);
        lab
    }

    pub fn empty() -> Lab {
        let dir = tempfile::Builder::new().prefix("qqmgr-test-").tempdir().unwrap().keep();
        let lab = Lab { dir: dir.canonicalize().unwrap() };
        for name in ["home", "run"] {
            fs::DirBuilder::new().mode(0o700).create(lab.path(name)).unwrap();
        }
        lab
    }

    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.dir.join(relative)
    }

    /// A path in the runtime directory of a VM.
    pub fn vm_file(&self, vm: &str, name: &str) -> PathBuf {
        self.dir.join(format!(".qqmgr/vm.{vm}")).join(name)
    }

    /// Writes a file, with the directories that it needs.
    pub fn write(&self, relative: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, contents).unwrap();
        path
    }

    /// Writes a shell script through another process: a script can't be executed while a forked
    /// child of this process still has it open for writing (execve(2), `ETXTBSY`).
    pub fn script(&self, relative: impl AsRef<Path>, lines: &str) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let write = r#"printf '#!/bin/sh\n%s\n' "$1" >"$0" && chmod 755 "$0""#;
        self.program("sh").args(["-c", write, path.to_str().unwrap(), lines]).run().code(0);
        path
    }

    pub fn read(&self, relative: impl AsRef<Path>) -> String {
        let path = self.path(relative);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("can't read {path:?}: {error}"))
    }

    /// A qqmgr about to run in this laboratory; the words of `line` are quoted as for a shell.
    pub fn qqmgr(&self, line: &str) -> Run {
        let words = shlex::split(line).unwrap_or_else(|| panic!("bad quoting: {line}"));
        self.program(env!("CARGO_BIN_EXE_qqmgr")).args(words)
    }

    /// Any other program about to run in this laboratory.
    pub fn program(&self, program: impl AsRef<std::ffi::OsStr>) -> Run {
        Run::new(&self.dir, program.as_ref())
    }

    /// How far a process has read the current serial log of `a`, for each descriptor that it has on
    /// it.
    pub fn positions(&self, pid: u32) -> Vec<u64> {
        let fds = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let log = self.vm_file("a", "serial");
        let open = fds.filter(|fd| fs::read_link(fd.path()).is_ok_and(|target| target == log));
        let position = |fd: fs::DirEntry| {
            let info = format!("/proc/{pid}/fdinfo/{}", fd.file_name().to_str()?);
            let info = fs::read_to_string(info).ok()?;
            info.lines().find_map(|line| line.strip_prefix("pos:")?.trim().parse().ok())
        };
        open.filter_map(position).collect()
    }

    /// The living processes that were started here, by their command lines.
    pub fn processes(&self) -> Vec<Alive> {
        processes::mentioning(&self.dir)
    }

    /// The living QEMUs, real or fake, that were started here.
    pub fn qemus(&self) -> Vec<u32> {
        self.living_qemus().map(|process| process.pid).collect()
    }

    /// The only QEMU that runs here.
    #[track_caller]
    pub fn qemu(&self) -> Alive {
        let found: Vec<_> = self.living_qemus().collect();
        let [qemu] = &found[..] else { panic!("not one QEMU, but {found:?}") };
        qemu.clone()
    }

    fn living_qemus(&self) -> impl Iterator<Item = Alive> {
        let is_qemu = |process: &Alive| process.args.iter().any(|arg| arg == "-pidfile");
        self.processes().into_iter().filter(is_qemu)
    }

    /// Checks that no QEMU is left, and soon no other process: a shared ssh connection ends by
    /// itself.
    #[track_caller]
    pub fn nobody_is_left(&self) {
        assert!(self.qemus().is_empty(), "{:?}", self.processes());
        until("nobody is left", || self.processes().is_empty().then_some(()));
    }

    /// Checks that `status` says the same as `/proc` about the only VM that may run here.
    #[track_caller]
    pub fn status_is_true(&self, vm: &str) {
        let outcome = self.qqmgr(&format!("status {vm} --json")).run();
        let said = outcome.code(0).stderr("").json()["pid"].as_u64();
        let there: Vec<_> = self.qemus().into_iter().map(u64::from).collect();
        assert_eq!(said.into_iter().collect::<Vec<_>>(), there, "{outcome}");
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let left = processes::end_all(&self.dir);
        let removed = fs::remove_dir_all(&self.dir);
        if !std::thread::panicking() {
            assert!(left.is_empty(), "processes survive their laboratory: {left:?}");
            removed.unwrap();
        }
    }
}

/// A TCP port of the host on which nothing listens now.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}
