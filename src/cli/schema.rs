//! `qqmgr schema`: prints the JSON schema of the config file.

use super::{Context, output};
use crate::Error;
use crate::config;
use crate::error::SystemError;
use serde_json::Value;
use std::process::ExitCode;

pub fn run(context: &Context) -> Result<ExitCode, Error> {
    if context.json {
        let schema: Result<Value, _> = serde_json::from_str(config::SCHEMA);
        output::document(&schema.map_err(|error| SystemError::Runtime { error: error.into() })?);
    } else {
        output::text(config::SCHEMA.trim_end());
    }
    Ok(ExitCode::SUCCESS)
}
