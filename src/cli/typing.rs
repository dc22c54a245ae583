//! `qqmgr type`.

use super::args::drive::TypeArgs;
use super::{Context, output, stdin};
use crate::Error;
use crate::ops::type_text;
use std::process::ExitCode;

pub async fn run(context: &Context, args: TypeArgs) -> Result<ExitCode, Error> {
    let target = context.target(&args.target)?;
    let mut text = match args.text.as_str() {
        "-" => stdin::all().await?,
        _ => args.text,
    };
    if args.enter {
        text.push('\n');
    }
    output::report(&type_text(&target, &text, args.hold).await?, context.json);
    Ok(ExitCode::SUCCESS)
}
