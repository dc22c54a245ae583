//! `qqmgr keep`: a keeper's whole life; see `crate::lease`.

use crate::Error;
use crate::lease::Role;
use std::process::ExitCode;

pub async fn run(role: &str) -> Result<ExitCode, Error> {
    let role: Role = serde_json::from_str(role)
        .map_err(|error| Error::Usage { message: error.to_string(), hint: None })?;
    role.keep().await?;
    Ok(ExitCode::SUCCESS)
}
