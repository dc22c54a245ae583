//! `qqmgr gdb`.

use super::args::setup::GdbArgs;
use super::{Context, output, ssh};
use crate::{Error, gdb};
use serde::Serialize;
use std::fmt;
use std::process::ExitCode;

#[derive(Serialize)]
struct Report {
    target: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "target remote {}", self.target)
    }
}

pub async fn run(context: &Context, args: GdbArgs) -> Result<ExitCode, Error> {
    let (config, instance) = context.find(&args.vm)?;
    if !args.guest {
        let command = gdb::on_qemu(&config, &instance, &args.gdb, &args.args).await?;
        return ssh::pass_through(context, command);
    }
    let target = gdb::open_stub(&instance).await?;
    if args.print {
        output::report(&Report { target }, context.json);
        return Ok(ExitCode::SUCCESS);
    }
    ssh::pass_through(context, gdb::on_stub(&target, &args.gdb, &args.args))
}
