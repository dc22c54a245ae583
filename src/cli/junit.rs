//! Writes a run's report for CI systems: JUnit's XML, with one test case.

use super::args::guest::RunArgs;
use crate::Error;
use crate::error::cant;
use crate::run::{EndedBy, Ran};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::fs::File;
use std::io::{self, Seek};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How much of each stream's end is in the report, in bytes.
const TAIL: usize = 64 << 10;

/// A report that is not written yet.
pub struct Junit {
    path: PathBuf,
    file: File,
    vm: String,
    name: String,
}

/// The end of the command's standard output and error.
#[derive(Default)]
pub struct Tail(pub [Vec<u8>; 2]);

impl Tail {
    /// Appends to one of the two, and drops the beginning if it is too long.
    pub fn push(&mut self, stream: usize, bytes: &[u8]) {
        let kept = &mut self.0[stream];
        kept.extend_from_slice(bytes);
        kept.drain(..kept.len().saturating_sub(TAIL));
    }
}

impl Junit {
    /// Opens the file before anything runs.
    ///
    /// # Errors
    /// It can't be written.
    pub fn open(path: &Path, args: &RunArgs) -> Result<Junit, Error> {
        let file = File::options().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(cant("write", path))?;
        let words = args.command.iter().map(|word| word.to_string_lossy().into_owned());
        let name = match words.collect::<Vec<_>>().as_slice() {
            [] => "a shell".to_owned(),
            [line] => line.clone(),
            words => shlex::try_join(words.iter().map(String::as_str)).unwrap_or_default(),
        };
        Ok(Junit { path: path.to_owned(), file, vm: args.vm.clone(), name })
    }

    /// Writes the result of the run.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(self, ran: &Result<Ran, Error>, mut tail: Tail) -> Result<(), Error> {
        let mut case = TestCase::new(self.name, status(ran));
        case.set_classname(&*self.vm);
        if let Ok(ran) = ran {
            case.set_time(Duration::try_from_secs_f64(ran.seconds).unwrap_or_default());
            for (stream, output) in [&ran.stdout, &ran.stderr].into_iter().enumerate() {
                tail.push(stream, output.as_deref().unwrap_or_default().as_bytes());
            }
        }
        let [stdout, stderr] = &tail.0;
        case.set_system_out_lossy(stdout);
        case.set_system_err_lossy(stderr);
        let mut suite = TestSuite::new(self.vm);
        suite.add_test_case(case);
        let mut report = Report::new("qqmgr run");
        report.add_test_suite(suite);
        let write = || -> io::Result<()> {
            let mut file = &self.file;
            file.set_len(0)?;
            file.rewind()?;
            report.serialize(file).map_err(io::Error::other)
        };
        write().map_err(cant("write", &self.path))
    }
}

/// A command that failed is a failure; a run that ended for another reason is an error.
fn status(ran: &Result<Ran, Error>) -> TestCaseStatus {
    let (kind, of, message) = match ran {
        Ok(Ran { exit_code: 0, .. }) => return TestCaseStatus::success(),
        Ok(Ran { ended_by: EndedBy::Command, exit_code, .. }) => {
            (NonSuccessKind::Failure, "command".to_owned(), format!("exit code {exit_code}"))
        }
        Ok(ran) => {
            let of = serde_json::to_value(ran.ended_by).unwrap_or_default();
            let of = of.as_str().unwrap_or_default().to_owned();
            (NonSuccessKind::Error, of, ran.message.clone().unwrap_or_default())
        }
        Err(error) => (NonSuccessKind::Error, error.code().to_owned(), error.to_string()),
    };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(of).set_message(message);
    if let Ok(Ran { excerpt: Some(excerpt), .. }) = ran {
        status.set_description(excerpt.as_str());
    }
    status
}
