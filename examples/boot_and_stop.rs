//! Boots a VM, runs a command in it over SSH and stops it again: a test bench in one function.
//!
//!     make guest
//!     cargo run --example boot_and_stop -- examples/demo.toml demo uname -a

use qqmgr::config::{Config, Instance};
use qqmgr::ssh;
use qqmgr::vm::{self, By, From, StartOptions};
use qqmgr::wait::{self, Condition, Plan};
use std::error::Error;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

const BOOT: Duration = Duration::from_secs(60);
const POWER_DOWN: Duration = Duration::from_secs(20);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let [file, name, command @ ..] = args.as_slice() else {
        return Err("which config file, which VM, which command?".into());
    };
    let config = Config::load(Some(Path::new(file)))?;
    let instance = config.instance(name)?;
    let options = StartOptions { extra: Vec::new(), timeout: BOOT, die_with_us: true };
    let started = vm::start(&config, &instance, &options).await?;
    println!("{name} runs as process {}, SSH on port {}", started.pid, started.ssh_port);

    // The VM is stopped even if the command fails.
    let result = log_in_and_run(&config, &instance, command).await;
    ssh::close(&instance).await?;
    let stopped = vm::stop(&instance, From::Powerdown(POWER_DOWN), By::Stop).await?;
    println!("{name} was stopped by {:?}", stopped.method);
    result
}

async fn log_in_and_run(
    config: &Config,
    instance: &Instance,
    command: &[String],
) -> Result<(), Box<dyn Error>> {
    let conditions = vec![Condition::Ssh];
    let since = Instant::now();
    let plan = Plan {
        conditions,
        any: false,
        fail_on: Vec::new(),
        since_start: true,
        timeout: BOOT,
        since,
    };
    wait::wait(config, instance, &plan).await?;
    let session = ssh::Session::open(config, instance).await?;
    let output = session.ssh(command).output()?;
    print!("{}", String::from_utf8_lossy(&output.stdout));
    if output.status.success() { Ok(()) } else { Err(output.status.to_string().into()) }
}
