//! `qqmgr start`.

use super::args::life::StartArgs;
use super::{Context, output};
use crate::config::Config;
use crate::vm::{self, Started};
use crate::{Error, ssh};
use serde::Serialize;
use std::fmt;
use std::process::ExitCode;
use tokio::time::Instant;

pub const EXAMPLES: &str = "\
Examples:
  qqmgr start test-vm                  start it
  qqmgr start test-vm --wait           and wait until an SSH login works
  qqmgr start test-vm --dry-run        show QEMU's command line
  qqmgr start test-vm -- -s -S         stop before the first instruction, for gdb";

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    started: Started,
    ssh_ready: bool,
    seconds: f64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Started { name, pid, already_running, ssh_port } = &self.started;
        let what = if *already_running { "is running already" } else { "started" };
        write!(f, "{name}: {what} (pid {pid}), SSH on port {ssh_port}")?;
        match self.ssh_ready {
            true => write!(f, ", login works after {:.1}s", self.seconds),
            false => Ok(()),
        }
    }
}

pub async fn run(context: &Context, args: StartArgs) -> Result<ExitCode, Error> {
    let begun = Instant::now();
    let config = context.load()?;
    let instance = config.instance(&args.vm)?;
    if args.dry_run {
        return dry_run(context, &config, &args);
    }
    let started = vm::start(&config, &instance, &args.extra, args.timeout).await?;
    if args.wait {
        let session = ssh::Session::open(&config, &instance)?;
        ssh::wait_for_login(&session, begun + args.timeout, args.timeout).await?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    output::report(&Report { started, ssh_ready: args.wait, seconds }, context.json);
    Ok(ExitCode::SUCCESS)
}

/// Prints the command line that would be executed. It can be pasted: the directory that its
/// sockets are to live in is made, if it can be.
fn dry_run(context: &Context, config: &Config, args: &StartArgs) -> Result<ExitCode, Error> {
    let instance = config.instance(&args.vm)?;
    let (vm, line) = vm::plan(config, &instance, &args.extra)?;
    let _ = vm::VmDir::create(&instance);
    let words = line.words();
    if context.json {
        output::document(&words);
        return Ok(ExitCode::SUCCESS);
    }
    let quote = |word: &str| shlex::try_quote(word).map_or(word.to_owned(), |quoted| quoted.into());
    let env = vm.env.iter().map(|(name, value)| format!("{name}={}", quote(value)));
    let words = words.iter().map(|word| quote(word));
    output::text(env.chain(words).collect::<Vec<_>>().join(" "));
    if std::env::current_dir().is_ok_and(|dir| dir != vm.config_dir) {
        output::note(format_args!("note: QEMU's working directory is {}", vm.config_dir.display()));
    }
    Ok(ExitCode::SUCCESS)
}
