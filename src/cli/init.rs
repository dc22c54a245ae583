//! `qqmgr init`.

use super::args::setup::InitArgs;
use super::{Context, output};
use crate::Error;
use crate::scaffold::{self, Boot, Written};
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Serialize)]
struct Report {
    file: PathBuf,
    vm: String,
    image: Option<PathBuf>,
    kernel: Option<PathBuf>,
    initrd: Option<PathBuf>,
    #[serde(skip)]
    others: Vec<String>,
    #[serde(skip)]
    option: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { file, vm, others, option, .. } = self;
        writeln!(f, "wrote {}", file.display())?;
        let files = [&self.kernel, &self.initrd, &self.image].into_iter().flatten();
        let files: Vec<_> = files.map(|path| path.display().to_string()).collect();
        match files.as_slice() {
            [] => writeln!(
                f,
                "Found nothing to boot next to it: no *.qcow2, *.img, vmlinuz or bzImage.\n\n\
                 Add a disk or a kernel to `cmd`, then:"
            )?,
            files => writeln!(f, "{vm} boots {}", files.join(", "))?,
        }
        if !others.is_empty() {
            writeln!(f, "not used: {}", others.join(", "))?;
        }
        if self.kernel.is_some() && self.initrd.is_none() && self.image.is_none() {
            writeln!(f, "The kernel has no root file system: add an initrd or a disk to `cmd`.")?;
        }
        if !files.is_empty() {
            writeln!(f, "\nNext:")?;
        }
        write!(
            f,
            "  qqmgr{option} check\n  qqmgr{option} start {vm} --wait\n  qqmgr{option} ssh {vm}"
        )
    }
}

pub async fn run(context: &Context, args: InitArgs) -> Result<ExitCode, Error> {
    let InitArgs { vm, image, kernel, initrd, append } = args;
    let named = context.config.as_deref();
    let path = named.unwrap_or(Path::new(scaffold::FILE_NAME));
    let option = named.map(|path| {
        let path = path.display().to_string();
        format!(" -c {}", shlex::try_quote(&path).unwrap_or(path.as_str().into()))
    });
    let boot = Boot { image, kernel, initrd, append };
    let Written { file, boot, others } = scaffold::write(path, &vm, boot).await?;
    let Boot { image, kernel, initrd, .. } = boot;
    let option = option.unwrap_or_default();
    output::report(&Report { file, vm, image, kernel, initrd, others, option }, context.json);
    Ok(ExitCode::SUCCESS)
}
