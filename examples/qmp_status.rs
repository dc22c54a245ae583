//! Asks any QEMU for its version and run state over QMP; it need not be one of qqmgr's.
//!
//!     cargo run --example qmp_status -- .qqmgr/vm.test-vm/qmp.socket

use qqmgr::qmp::Client;
use std::error::Error;
use tokio::net::UnixStream;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let socket = std::env::args_os().nth(1).ok_or("which QMP socket?")?;
    let mut client = Client::handshake(UnixStream::connect(socket).await?).await?;
    let state = client.query_status().await?.status;
    println!("QEMU {} is {state}", client.version());
    let cpus = client.execute("query-cpus-fast", None).await?;
    println!("with {} CPUs", cpus.as_array().map_or(0, Vec::len));
    Ok(())
}
