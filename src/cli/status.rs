//! `qqmgr status`.

use super::args::view::StatusArgs;
use super::many::Targets;
use super::{Context, output};
use crate::qemu_args::Forward;
use crate::vm::{self, LeaseStatus, Registry, Status};
use crate::{Error, Exit};
use std::fmt;
use std::process::ExitCode;

impl fmt::Display for LeaseStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rounded up: a lease that has just begun has all its time left.
        let time = self.left.map(|left| left.as_secs_f64().ceil() as u64);
        let time = time.map(|left| format!("in {}", output::whole_seconds(left)));
        let owner = self.owner_pid.map(|pid| format!("with process {pid}"));
        let ends: Vec<_> = time.into_iter().chain(owner).collect();
        write!(f, "ends {}", ends.join(" or "))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stopping = if self.stopping { ", being stopped" } else { "" };
        let detail = self.state_detail.as_ref().map(|detail| format!(" ({detail})"));
        write!(f, "{}: {}{}{stopping}", self.name, self.state, detail.unwrap_or_default())?;
        let mut line = |key: &str, value: &str| write!(f, "\n  {key:<8} {value}");
        if let Some(pid) = self.pid {
            line("pid", &pid.to_string())?;
        }
        if let Some(uptime) = self.uptime_seconds {
            line("uptime", &output::seconds(uptime))?;
        }
        if let Some(version) = &self.qemu_version {
            line("QEMU", version)?;
        }
        let port = self.ssh.port.map_or("auto".to_owned(), |port| port.to_string());
        let host = self.ssh.host.as_ref().map(|host| format!("{host} "));
        line("SSH", &format!("{}port {port}", host.unwrap_or_default()))?;
        if let Some(lease) = &self.lease {
            line("lease", &lease.to_string())?;
        }
        if let Some(error) = &self.keeper_error {
            line("keeper", error)?;
        }
        if let Some(ended) = &self.ended {
            let age = ended.age().map(|age| output::seconds(age.as_secs_f64()));
            let age = age.map(|age| format!(", {age} ago"));
            line("ended", &(ended.to_string() + &age.unwrap_or_default()))?;
            if let Some(bundle) = &ended.bundle {
                line("bundle", &bundle.display().to_string())?;
            }
        }
        if let Some(error) = &self.error {
            line("note", error)?;
        }
        if !self.configured {
            line("note", "no longer in the config")?;
        }
        for (name, port) in &self.ports {
            line("port", &format!("{name} {port}"))?;
        }
        for Forward { protocol, host_address, host_port, guest_port } in &self.forwards {
            line("forward", &format!("{protocol} {host_address}:{host_port} -> {guest_port}"))?;
        }
        let files = [
            ("pidfile", &self.pid_file),
            ("serial", &self.serial_file),
            ("QMP", &self.qmp_file),
            ("monitor", &self.monitor_file),
            ("stdout", &self.stdout_file),
            ("stderr", &self.stderr_file),
        ];
        files.iter().try_for_each(|(key, file)| line(key, &file.display().to_string()))
    }
}

pub async fn run(context: &Context, args: StatusArgs) -> Result<ExitCode, Error> {
    let config = context.load()?;
    let targets = Targets::existing(&Registry::of(&config), &args.vms)?;
    let code = |status: &Status| match args.exit_code && !status.is_running() {
        true => Exit::State as u8,
        false => 0,
    };
    targets.each_in_order(context, async |instance| vm::status(instance).await, code).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_lease_that_has_just_begun_has_all_its_time() {
        for (left, text) in [(4.997, "5s"), (0.0, "0s"), (59.5, "1m 0s"), (7199.999, "2h 0m")] {
            let left = Some(Duration::from_secs_f64(left));
            let lease = LeaseStatus { expires_at: None, owner_pid: None, left };
            assert_eq!(lease.to_string(), format!("ends in {text}"));
        }
    }
}
