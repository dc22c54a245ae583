//! `qqmgr stop`.

use super::args::life::StopArgs;
use super::{Context, output};
use crate::vm::{self, Method, Stopped};
use crate::{Error, ssh};
use std::fmt;
use std::process::ExitCode;

pub const EXAMPLES: &str = "\
Examples:
  qqmgr stop test-vm                   power the guest down, within 20 seconds
  qqmgr stop test-vm --timeout 2m      give it two minutes
  qqmgr stop test-vm --force           don't ask the guest";

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(pid), Some(method)) = (self.pid, self.method) else {
            return write!(f, "{}: is not running", self.name);
        };
        let how = match method {
            Method::Powerdown => "the guest powered down",
            Method::Quit => "QMP quit",
            Method::Sigterm => "SIGTERM",
            Method::Sigkill => "SIGKILL",
        };
        write!(f, "{}: stopped (pid {pid}) by {how} after {:.1}s", self.name, self.seconds)
    }
}

pub async fn run(context: &Context, args: StopArgs) -> Result<ExitCode, Error> {
    let instance = context.load()?.instance(&args.vm)?;
    let stopped = vm::stop(&instance, args.timeout, args.force).await?;
    ssh::close(&instance).await?;
    if !context.json {
        for note in &stopped.notes {
            output::note(format_args!("{note}"));
        }
    }
    output::report(&stopped, context.json);
    Ok(ExitCode::SUCCESS)
}
