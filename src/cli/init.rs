//! `qqmgr init`.

use super::{Context, output};
use crate::Error;
use crate::scaffold;
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Serialize)]
struct Report {
    file: PathBuf,
    vm: String,
    #[serde(skip)]
    option: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { file, vm, option } = self;
        write!(
            f,
            "wrote {}\n\n\
             Give it a disk or a kernel to boot, then:\n  \
             qqmgr{option} check\n  \
             qqmgr{option} start {vm} --wait\n  \
             qqmgr{option} ssh {vm}",
            file.display(),
        )
    }
}

pub async fn run(context: &Context, vm: &str) -> Result<ExitCode, Error> {
    let named = context.config.as_deref();
    let path = named.unwrap_or(Path::new(scaffold::FILE_NAME));
    let option = named.map(|path| {
        let path = path.display().to_string();
        format!(" -c {}", shlex::try_quote(&path).unwrap_or(path.as_str().into()))
    });
    let file = scaffold::write(path, vm).await?;
    let report = Report { file, vm: vm.to_owned(), option: option.unwrap_or_default() };
    output::report(&report, context.json);
    Ok(ExitCode::SUCCESS)
}
