//! Lists the ports that a running QEMU forwards to its guest.

use super::liveness::Running;
use crate::qemu_args::{self, Forward, usernet};
use crate::qmp::Client;
use crate::sys::process;
use std::time::Duration;

/// The forwarded ports of a VM's command line. QEMU is asked for those that it picked itself
/// (`hostfwd=tcp::0-:80`); without an answer within `patience` they stay 0.
pub async fn forwards(vm: &Running, patience: Duration) -> Vec<Forward> {
    let argv = process::command_line(vm.process.pid());
    let mut forwards = qemu_args::forwards(argv.iter().map(String::as_str));
    if forwards.iter().any(|forward| forward.host_port == 0)
        && let Ok(table) = vm.qmp(patience, usernet_table).await
    {
        usernet::put_in_ports(&mut forwards, &table);
    }
    forwards
}

/// The table of the user network's connections.
///
/// # Errors
/// QEMU does not answer.
pub async fn usernet_table(client: &mut Client) -> Result<String, crate::qmp::Error> {
    client.human_monitor_command("info usernet").await
}
