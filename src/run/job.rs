//! A job for `run`, and the checks that can be made before anything runs.

use super::keep::Keep;
use crate::error::{Usage, cant};
use crate::{Error, ssh};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc::Sender;

/// A copy to make: `FROM:TO`.
#[derive(Clone, Debug)]
pub struct Copy {
    pub(super) from: OsString,
    pub(super) to: OsString,
}

impl Copy {
    /// Parses `FROM:TO`; the first colon separates them.
    ///
    /// # Errors
    /// One of the two is missing, or is a stream.
    pub fn parse(text: impl AsRef<OsStr>) -> Result<Copy, String> {
        let text = text.as_ref();
        let mut parts = text.as_bytes().splitn(2, |byte| *byte == b':');
        match (parts.next().unwrap_or_default(), parts.next().unwrap_or_default()) {
            (b"", _) | (_, b"") => Err(format!("`{}` is not FROM:TO", text.display())),
            (b"-", _) | (_, b"-") => {
                Err("the command uses standard input and output; a file of that name is ./-"
                    .to_owned())
            }
            (from, to) => Ok(Copy {
                from: OsStr::from_bytes(from).to_owned(),
                to: OsStr::from_bytes(to).to_owned(),
            }),
        }
    }

    /// Both paths, in the form for `ssh::put` and `ssh::get`.
    pub(super) fn paths(&self) -> [OsString; 2] {
        [self.from.clone(), self.to.clone()]
    }
}

/// A job to run in a throwaway instance.
#[derive(Clone, Debug)]
pub struct Job {
    /// The copies to make before the command.
    pub put: Vec<Copy>,
    /// The copies to make after it.
    pub get: Vec<Copy>,
    /// How long it may take in all.
    pub timeout: Duration,
    /// Whether to leave the instance running when anything fails, except after a signal.
    pub keep_on_failure: bool,
    /// The command: one word is a line for the guest's shell, several are exact words; empty for a
    /// shell.
    pub command: Vec<OsString>,
    /// Whether to collect the command's output instead of passing it on.
    pub capture: bool,
    /// Whether scp shows its progress on standard error, a terminal.
    pub progress: bool,
    /// Receives the command's output, which then goes neither to the result nor to our streams.
    pub output: Option<Sender<Said>>,
    /// What to keep of the instance, whatever ends the run.
    pub keep: Keep,
}

/// A piece of the command's output.
#[derive(Clone, Debug)]
pub enum Said {
    /// From its standard output.
    Stdout(Vec<u8>),
    /// From its standard error.
    Stderr(Vec<u8>),
}

impl Job {
    /// Checks the command and the local ends of all copies, and makes target directories whose
    /// names end in a slash.
    pub(super) fn prepare(&self) -> Result<(), Error> {
        if let [line] = self.command.as_slice()
            && line.is_empty()
        {
            return Err(Usage {
                message: "the command is empty".to_owned(),
                hint: Some("for a shell, leave it out; to do nothing, use `true`".to_owned()),
            }
            .into());
        }
        for Copy { from, .. } in &self.put {
            ssh::gives(from)?;
        }
        for Copy { to, .. } in &self.get {
            if to.as_bytes().ends_with(b"/") {
                std::fs::create_dir_all(to).map_err(cant("copy to", Path::new(to)))?;
            }
            ssh::takes(to, false)?;
        }
        self.keep.prepare()
    }

    /// The command in the form that ssh takes after a host's name.
    pub(super) fn words(&self) -> Result<Vec<OsString>, Error> {
        match self.command.as_slice() {
            // ssh takes options here: `-t top`.
            [first, _, ..] if !first.as_bytes().starts_with(b"-") => {
                let words = self.command.iter().map(|word| word.as_bytes());
                let line = shlex::bytes::try_join(words);
                let line = line.map_err(|_| {
                    Error::from(Usage {
                        message: "a command can't contain a NUL character".to_owned(),
                        hint: None,
                    })
                })?;
                Ok(vec![OsString::from_vec(line)])
            }
            words => Ok(words.to_vec()),
        }
    }
}
