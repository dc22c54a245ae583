//! `qqmgr screenshot`.

use super::args::drive::ScreenshotArgs;
use super::{Context, output, stdout};
use crate::Error;
use crate::error::{Usage, cant};
use crate::screen::{Display, screenshot};
use crate::sys::whole_file;
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// How long QEMU may take to draw the screen.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a picture was saved.
#[derive(Serialize)]
struct Saved {
    name: String,
    file: PathBuf,
    width: u32,
    height: u32,
}

impl fmt::Display for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Saved { name, file, width, height } = self;
        write!(f, "{name}: saved {} ({width}x{height})", file.display())
    }
}

pub async fn run(context: &Context, args: ScreenshotArgs) -> Result<ExitCode, Error> {
    let ScreenshotArgs { target, file, device, head } = args;
    let is_stream = file == Path::new("-");
    if is_stream && context.json {
        let message = "`-` and --json both need standard output".to_owned();
        return Err(Usage { message, hint: Some("name a file".to_owned()) }.into());
    }
    let target = context.target(&target)?;
    let display = device.map(|device| Display { device, head });
    let picture = screenshot(&target, display.as_ref(), PATIENCE).await?;
    if is_stream {
        stdout::write(&picture.png);
        return Ok(ExitCode::SUCCESS);
    }
    whole_file::write(&file, &picture.png).map_err(cant("write", &file))?;
    let file = match context.json {
        true => std::path::absolute(&file).unwrap_or(file),
        false => file,
    };
    let saved = Saved { name: target.name(), file, width: picture.width, height: picture.height };
    output::report(&saved, context.json);
    Ok(ExitCode::SUCCESS)
}
