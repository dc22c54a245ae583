//! `put --links` and `get --links`: runs several tools, one after the other, for one exit code.

use super::Context;
use super::ssh::{self, meter};
use super::supervise::{GRACE, Tool};
use crate::Error;
use crate::config::Instance;
use crate::error::SystemError;
use crate::ssh::Session;
use crate::ssh::links::{self, Transfer};
use crate::sys::child::{ending_with_us, exit_code};
use rustix::fs::{MemfdFlags, memfd_create};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::process::{Command, ExitCode, Stdio};
use tokio::process::Child;
use tokio::time::timeout;

/// A copy in several parts, and its result so far.
pub struct Copying<'a> {
    session: &'a Session,
    instance: &'a Instance,
    /// The code of the first tool that failed.
    code: u8,
    /// The tools' standard error, with `--json`.
    said: Option<File>,
}

impl<'a> Copying<'a> {
    pub fn new(
        context: &Context,
        session: &'a Session,
        instance: &'a Instance,
    ) -> Result<Copying<'a>, Error> {
        let said = context.json.then(|| memfd_create("stderr", MemfdFlags::CLOEXEC));
        let said = said.transpose().map_err(|error| system(error.into()))?.map(File::from);
        Ok(Copying { session, instance, code: 0, said })
    }

    pub async fn put(mut self, paths: &[OsString]) -> Result<ExitCode, Error> {
        for transfer in links::put(self.session, paths)? {
            self.part(transfer).await?;
        }
        self.end()
    }

    pub async fn get(mut self, paths: &[OsString]) -> Result<ExitCode, Error> {
        let mut list = links::list(self.session, paths)?;
        list.stdin(Stdio::null()).stderr(self.stderr()?);
        let (status, listing, _) = ssh::collected(list, self.instance).await?;
        links::has_tar(self.session, status)?;
        self.code = exit_code(status);
        if status.success() {
            let found = links::found(self.session, paths, &listing)?;
            let target = paths.last().map_or(OsStr::new(""), |target| target);
            for transfer in links::get(self.session, found, target)? {
                self.part(transfer?).await?;
            }
        }
        self.end()
    }

    /// Copies one part. If its tool fails, the next parts are still copied.
    async fn part(&mut self, transfer: Transfer) -> Result<(), Error> {
        let Transfer { mut guest, here } = transfer;
        guest.stderr(self.stderr()?);
        let Some(mut here) = here else {
            guest.stdout(if self.said.is_some() { Stdio::null() } else { meter() });
            let status = Tool::start(guest, self.instance)?.ends().await?;
            self.count(exit_code(status));
            return Ok(());
        };
        here.stderr(self.stderr()?);
        let mut here = spawned(here)?;
        let status = Tool::start(guest, self.instance)?.ends().await?;
        links::has_tar(self.session, status)?;
        self.count(exit_code(status));
        let ended = match status.success() {
            true => here.wait().await,
            // The local tar ends with its pipe, unless another process has the pipe open.
            false => timeout(GRACE, here.wait()).await.unwrap_or(Ok(status)),
        };
        self.count(exit_code(ended.map_err(system)?));
        Ok(())
    }

    fn count(&mut self, code: u8) {
        if self.code == 0 {
            self.code = code;
        }
    }

    /// The standard error for a tool.
    fn stderr(&self) -> Result<Stdio, Error> {
        match &self.said {
            Some(said) => Ok(said.try_clone().map_err(system)?.into()),
            None => Ok(Stdio::inherit()),
        }
    }

    fn end(self) -> Result<ExitCode, Error> {
        let Some(mut said) = self.said else { return Ok(ExitCode::from(self.code)) };
        let mut stderr = Vec::new();
        said.rewind().and_then(|()| said.read_to_end(&mut stderr)).map_err(system)?;
        ssh::tell(self.code, b"", &stderr)
    }
}

fn spawned(command: Command) -> Result<Child, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let child = tokio::process::Command::from(ending_with_us(command)).kill_on_drop(true).spawn();
    child.map_err(|error| SystemError::Spawn { program, error, place: None }.into())
}

fn system(error: io::Error) -> Error {
    SystemError::Runtime { error }.into()
}
