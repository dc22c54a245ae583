//! Why there is no usable config.

use crate::error::faults;
use crate::text::source::{Diagnostic, Source};
use std::path::PathBuf;
use std::sync::Arc;

/// Why there is no usable config.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no config file at all.
    #[error("no config file found")]
    NotFound {
        /// Where the search for `qqmgr.toml` began.
        from: PathBuf,
        /// The user's own config file, which does not exist either.
        user_file: Option<PathBuf>,
    },
    /// The search found a file that another user may have put there.
    #[error("the config file {path:?} is not used: {reason}")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Why it is not used.
        reason: String,
    },
    /// The current directory can't be read.
    #[error("can't read the current directory: {0}")]
    CurrentDir(#[source] std::io::Error),
    /// The file can't be read.
    #[error("can't read the config file {path:?}: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why it can't be read.
        #[source]
        error: std::io::Error,
    },
    /// `$QQMGR_RUNTIME_DIR` is relative, or not UTF-8.
    #[error("$QQMGR_RUNTIME_DIR must be an absolute path in UTF-8, not {path:?}")]
    RuntimeDir {
        /// Its value.
        path: PathBuf,
    },
    /// The file contains errors.
    #[error("{}", summary(diagnostics))]
    Invalid {
        /// The file.
        source_file: Arc<Source>,
        /// All errors in it; never empty.
        diagnostics: Vec<Diagnostic>,
    },
    /// The file has no such VM.
    #[error("there is no VM `{name}` in {path:?}")]
    NoSuchVm {
        /// The name that was asked for.
        name: String,
        /// The most similar name that exists.
        nearest: Option<String>,
        /// The names that exist.
        known: Vec<String>,
        /// The config file.
        path: PathBuf,
    },
}

faults!(Error {
    Error::NotFound { .. } => "config_not_found", Config;
    Error::CurrentDir(_) | Error::Unreadable { .. } => "config_unreadable", Config;
    Error::Foreign { .. } => "config_refused", Config;
    Error::RuntimeDir { .. } => "runtime_dir_invalid", Config;
    Error::Invalid { .. } => "config_invalid", Config;
    Error::NoSuchVm { .. } => "vm_not_found", State;
}
fn hint(&self) -> Option<String> {
    match self {
        Error::NotFound { from, user_file } => {
            let users = user_file.as_ref().map(|path| format!(", {}", path.display()));
            Some(format!(
                "create one (`qqmgr init`) or name one (-c FILE); searched: {} and its parents{}",
                from.display(),
                users.unwrap_or_default()
            ))
        }
        Error::Invalid { diagnostics, .. } => diagnostics.first()?.hint.clone(),
        Error::NoSuchVm { nearest: Some(nearest), .. } => Some(format!("did you mean `{nearest}`?")),
        Error::NoSuchVm { known, .. } if known.is_empty() => {
            Some("the config defines no VMs".into())
        }
        Error::NoSuchVm { known, .. } if known.len() <= 10 => {
            Some(format!("the VMs are: {}", known.join(", ")))
        }
        Error::NoSuchVm { .. } => Some("`qqmgr list` shows all of them".into()),
        Error::Foreign { path, .. } => {
            let path = path.display().to_string();
            let path = shlex::try_quote(&path).ok()?;
            Some(format!("if you trust it, name it: qqmgr -c {path}"))
        }
        Error::CurrentDir(_) | Error::Unreadable { .. } | Error::RuntimeDir { .. } => None,
    }
}

fn diagnostics(&self) -> Option<(Arc<Source>, Vec<Diagnostic>)> {
    match self {
        Error::Invalid { source_file, diagnostics } => {
            Some((source_file.clone(), diagnostics.clone()))
        }
        _ => None,
    }
});

impl Error {
    /// The error for a file with these errors in it.
    pub(super) fn invalid(source: &Arc<Source>) -> impl Fn(Vec<Diagnostic>) -> Error {
        |diagnostics| Error::Invalid { source_file: source.clone(), diagnostics }
    }
}

fn summary(diagnostics: &[Diagnostic]) -> String {
    match diagnostics {
        [only] => only.message.clone(),
        [first, ..] => format!("{} (and {} more)", first.message, diagnostics.len() - 1),
        [] => String::new(),
    }
}
