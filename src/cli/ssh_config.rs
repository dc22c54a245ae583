//! `qqmgr ssh-config`.

use super::args::setup::SshConfigArgs;
use super::{Context, output};
use crate::Error;
use crate::ssh::Host;
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

pub fn run(context: &Context, args: &SshConfigArgs) -> Result<ExitCode, Error> {
    let config = context.load()?;
    let registry = Registry::of(&config);
    let instances = match args.all {
        true => registry.all()?,
        false => registry.matching(&args.vms, |name| registry.get(name))?,
    };
    let mut hosts = Vec::with_capacity(instances.len());
    for instance in instances {
        match Host::of(&config, &instance) {
            // Of all VMs, those that can be reached.
            Err(Error::SshPortUnknown { .. }) if args.all && context.json => {}
            Err(error @ Error::SshPortUnknown { .. }) if args.all => {
                output::note(format_args!("note: {error}: left out"));
            }
            // JSON has no other place for a VM that is broken.
            Err(Error::Config(error)) if args.all => {
                output::note(format_args!("note: VM `{}`: {error}: left out", instance.name));
            }
            host => hosts.push(host?),
        }
    }
    output::report(&Report(hosts), context.json);
    Ok(ExitCode::SUCCESS)
}
