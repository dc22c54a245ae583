//! Lists the VMs of a config file with their live states, asked side by side.
//!
//!     cargo run --example list_vms -- examples/demo.toml

use qqmgr::config::Config;
use qqmgr::vm::{self, Registry};
use std::error::Error;
use std::path::PathBuf;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // Without a path, this finds the config as `qqmgr` does.
    let path = std::env::args_os().nth(1).map(PathBuf::from);
    let config = Config::load(path.as_deref())?;
    for status in vm::list(&Registry::of(&config).all()?).await {
        let pid = status.pid.map_or("no process".to_owned(), |pid| format!("pid {pid}"));
        println!("{}: {}, {pid}", status.name, status.state);
    }
    Ok(())
}
