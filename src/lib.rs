//! Quick QEMU Manager as a library: the config file, the virtual machines and QMP.
//!
//! - [`config`] reads a `qqmgr.toml`: which VMs there are, and how each is configured.
//! - [`vm`] starts, stops and shows them; its [`Registry`](vm::Registry) finds them by name.
//! - [`ops`] does the same, and also takes care of leases, waits and crash bundles.
//! - [`check`] finds faults of a VM before it is launched.
//! - [`wait`] waits for conditions of a running VM, and [`run`] runs a command in a
//!   throwaway instance.
//! - [`logs`], [`console`] and [`events`] show a VM's output and QEMU's events.
//! - [`lease`] ends a VM when its time is over or its owner has ended.
//! - [`ssh`] reaches the guest with OpenSSH, and [`gdb`] the guest or QEMU itself with gdb.
//! - [`qmp`] is a client for any QEMU's monitor, which knows nothing about the other modules.
//!
//! Functions that wait are `async` and run on [tokio](https://docs.rs/tokio): on a current-thread
//! runtime with I/O and time enabled, or on one with many threads. No function prints, exits or
//! reads the program's arguments. Every [`Error`] knows its stable [code](Error::code), a hint, the
//! place in the config file that it is about, and [which](Error::get) capability's fault it is.
//!
//! A config becomes a command line, which a start would execute:
//!
//! ```
//! use qqmgr::config::Config;
//! use qqmgr::vm;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dir = tempfile::tempdir()?;
//! let file = dir.path().join("qqmgr.toml");
//! std::fs::write(&file, r#"
//!     [vars]
//!     size = 512
//!     [vm.test-vm]
//!     cmd = ["-machine q35 -m {{.size}}"]
//!     ssh = { port = 2089 }
//! "#)?;
//!
//! let config = Config::load(Some(&file))?;
//! let instance = config.instance("test-vm")?;
//! let (_vm, line) = vm::plan(&config, &instance, &[])?;
//! assert_eq!(line.words()[..5], ["qemu-system-x86_64", "-machine", "q35", "-m", "512"]);
//!
//! let error = config.instance("test-mv").unwrap_err();
//! assert_eq!(qqmgr::Error::from(error).hint().as_deref(), Some("did you mean `test-vm`?"));
//! # Ok(())
//! # }
//! ```
//!
//! And a VM's life:
//!
//! ```no_run
//! # async fn life() -> Result<(), qqmgr::Error> {
//! # use qqmgr::{config::Config, vm};
//! # use std::time::Duration;
//! let config = Config::load(None)?;
//! let instance = config.instance("test-vm")?;
//! let timeout = Duration::from_secs(60);
//! let options = vm::StartOptions { extra: vec![], timeout, die_with_us: false };
//! vm::start(&config, &instance, &options).await?;
//! println!("{}", vm::status(&instance).await?.state);
//! vm::stop(&instance, vm::From::Powerdown(Duration::from_secs(20)), vm::By::Stop).await?;
//! # Ok(())
//! # }
//! ```
//!
//! `examples/` in the repository has whole programs: `qmp_status`, `list_vms`, `boot_and_stop`.

mod bundle;
pub mod check;
#[cfg(feature = "cli")]
pub mod cli;
pub mod config;
pub mod console;
mod error;
pub mod events;
pub mod gdb;
pub mod lease;
pub mod logs;
pub mod ops;
mod qemu_args;
pub mod qmp;
pub mod run;
pub mod scaffold;
pub mod screen;
pub mod ssh;
mod sys;
pub mod target;
mod text;
pub mod vm;
pub mod wait;

pub use error::{Error, Exit, Fault, Place, SystemError, Usage};

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The futures that wait can be spawned on a runtime with many threads.
    #[test]
    fn futures_can_be_sent() {
        fn sent<F: Future + Send>(_: impl FnOnce(&'static Sent) -> F) {}
        struct Sent {
            config: config::Config,
            instance: config::Instance,
            options: vm::StartOptions,
            plan: wait::Plan,
            job: run::Job,
            up: ops::Up,
            target: target::Target,
        }
        sent(|it| vm::start(&it.config, &it.instance, &it.options));
        sent(|it| vm::stop(&it.instance, vm::From::Quit, vm::By::Stop));
        sent(|it| vm::restart(&it.config, &it.instance, None, it.plan.timeout));
        sent(|it| vm::status(&it.instance));
        sent(|it| vm::list(std::slice::from_ref(&it.instance)));
        sent(|it| wait::wait(&it.config, &it.instance, &it.plan));
        sent(|it| run::run(&it.config, "a", &it.job));
        sent(|it| ops::up(&it.config, &it.instance, &it.up, async |_: &_| {}));
        sent(|it| ops::down(&it.instance, vm::From::Quit, vm::By::Stop));
        sent(|it| ops::pause(&it.target));
        sent(|it| ops::resume(&it.target));
        sent(|it| ops::blocks(&it.target));
        sent(|it| ops::devices(&it.target));
        sent(|it| ops::eject(&it.target, "cd", false));
        sent(|it| ops::throttle(&it.target, "d0", ops::Throttle::Off));
        sent(|it| ops::add_device(&it.target, &[]));
        sent(|it| ops::remove_device(&it.target, "rng1", it.plan.timeout));
        sent(|it| screen::screenshot(&it.target, None, it.plan.timeout));
        sent(|it| ops::send_keys(&it.target, &[], it.plan.timeout));
        sent(|it| ops::type_text(&it.target, "a", it.plan.timeout));
        sent(|it| ops::qmp(&it.target, "query-status", &[], it.plan.timeout));
        sent(|it| check::check(&it.config, std::slice::from_ref(&it.instance)));
        sent(|it| console::hold(&it.instance, console::Port::Serial, false));
    }

    #[test]
    fn the_json_reference_lists_every_code() {
        let codes = [
            Usage::CODES,
            SystemError::CODES,
            config::Error::CODES,
            vm::VmError::CODES,
            wait::WaitError::CODES,
            events::EventsError::CODES,
            ssh::SshError::CODES,
            console::ConsoleError::CODES,
            gdb::NoStub::CODES,
            scaffold::FileExists::CODES,
            check::WouldFail::CODES,
            target::TargetError::CODES,
            screen::ScreenError::CODES,
            ops::NotMoved::CODES,
            ops::QmpRefused::CODES,
            ops::DeviceError::CODES,
            ops::BlockError::CODES,
            ops::KeysError::CODES,
        ];
        let row = |(code, exit): &(&str, Exit)| format!("| `{code}` | {} ", *exit as u8);
        let codes: BTreeSet<_> = codes.into_iter().flatten().map(row).collect();
        let (_, table) =
            include_str!("../docs/json.md").split_once("| code | exit code |").unwrap();
        let rows = table.lines().filter(|line| line.starts_with("| `"));
        let cells =
            |line: &str| line.rsplit_once('|').unwrap().0.rsplit_once('|').unwrap().0.to_owned();
        let listed: BTreeSet<_> = rows.map(cells).collect();
        assert_eq!(listed, codes);
    }
}
