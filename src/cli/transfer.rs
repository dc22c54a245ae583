//! `qqmgr put` and `qqmgr get`.

use super::{Context, ssh};
use crate::Error;
use crate::ssh::{Session, get as get_command, put as put_command};
use std::ffi::OsString;
use std::process::ExitCode;

pub fn put(context: &Context, vm: &str, paths: &[OsString]) -> Result<ExitCode, Error> {
    let session = open(context, vm)?;
    ssh::pass_through(context, put_command(&session, paths)?)
}

pub fn get(context: &Context, vm: &str, paths: &[OsString]) -> Result<ExitCode, Error> {
    let session = open(context, vm)?;
    ssh::pass_through(context, get_command(&session, paths)?)
}

fn open(context: &Context, vm: &str) -> Result<Session, Error> {
    let config = context.load()?;
    Session::open(&config, &config.instance(vm)?)
}
