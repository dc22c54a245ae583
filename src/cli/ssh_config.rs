//! `qqmgr ssh-config`.

use super::args::setup::SshConfigArgs;
use super::{Context, output, ssh};
use crate::Error;
use crate::config;
use crate::ssh::{Host, SshError};
use crate::vm::Registry;
use serde::Serialize;
use std::fmt;
use std::process::ExitCode;

#[derive(Serialize)]
#[serde(transparent)]
struct Report(Vec<Host>);

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blocks: Vec<_> = self.0.iter().map(|host| host.config.trim_end()).collect();
        f.write_str(&blocks.join("\n\n"))
    }
}

pub async fn run(context: &Context, args: &SshConfigArgs) -> Result<ExitCode, Error> {
    let config = context.load()?;
    let registry = Registry::of(&config);
    let instances = match args.all {
        true => registry.all()?,
        false => registry.matching(&args.vms, |name| registry.get(name))?,
    };
    let mut hosts = Vec::with_capacity(instances.len());
    for instance in instances {
        let error = match Host::of(&config, &instance).await {
            Err(error) if args.all => error,
            host => {
                let host = host?;
                if !context.json {
                    ssh::unshared(&host.name, host.unshared.as_deref());
                }
                hosts.push(host);
                continue;
            }
        };
        // With all VMs, those that have no port yet are left out.
        let unreachable = |error: &SshError| {
            matches!(error, SshError::PortUnknown { .. } | SshError::AddressUnknown { .. })
        };
        if error.get().is_some_and(unreachable) {
            if !context.json {
                output::note(format_args!("note: {error}; skipped"));
            }
        } else if error.get::<config::Error>().is_some() {
            // JSON has no other place for a VM with errors.
            output::note(format_args!("note: VM `{}`: {error}; skipped", instance.name));
        } else {
            return Err(error);
        }
    }
    output::report(&Report(hosts), context.json);
    Ok(ExitCode::SUCCESS)
}
