//! `qqmgr put` and `qqmgr get`.

use super::{Context, ssh};
use crate::Error;
use crate::ssh::{Session, get as get_command, put as put_command};
use std::process::ExitCode;

pub const PUT_EXAMPLES: &str = "\
Examples:
  qqmgr put test-vm bzImage modules/ /root/      files and directories, with cp's rules
  dmesg | qqmgr put test-vm - /tmp/host-dmesg    a stream";

pub const GET_EXAMPLES: &str = "\
Examples:
  qqmgr get test-vm /var/log .                   a directory
  qqmgr get test-vm '/tmp/*.log' logs/           the guest expands the pattern
  qqmgr get test-vm /proc/config.gz - | zcat     a stream";

pub fn put(context: &Context, vm: &str, paths: &[String]) -> Result<ExitCode, Error> {
    let session = open(context, vm)?;
    ssh::pass_through(context, put_command(&session, paths)?)
}

pub fn get(context: &Context, vm: &str, paths: &[String]) -> Result<ExitCode, Error> {
    let session = open(context, vm)?;
    ssh::pass_through(context, get_command(&session, paths)?)
}

fn open(context: &Context, vm: &str) -> Result<Session, Error> {
    let config = context.load()?;
    Session::open(&config, &config.instance(vm)?)
}
