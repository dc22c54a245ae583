//! Why there is no picture.

use super::{Display, Refusal};
use crate::error::faults;
use crate::text::suggest;

/// Why there is no picture of a display.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScreenError {
    /// It has no display at all.
    #[error("{target}: it has no display")]
    NoDisplay {
        /// The target.
        target: String,
    },
    /// It has no display of this name and number.
    #[error("{target}: {}", which(display, displays))]
    NoSuchDisplay {
        /// The target.
        target: String,
        /// The one that was named.
        display: Display,
        /// Those that there are.
        displays: Vec<Display>,
    },
    /// QEMU can't take it, or wrote something else.
    #[error("{target}: QEMU took no screenshot: {reason}")]
    Failed {
        /// The target.
        target: String,
        /// QEMU's own words.
        reason: String,
    },
}

faults!(ScreenError {
    ScreenError::NoDisplay { .. } => "no_display", State;
    ScreenError::NoSuchDisplay { .. } => "no_such_display", State;
    ScreenError::Failed { .. } => "screenshot_failed", Failed;
}
fn hint(&self) -> Option<String> {
    match self {
        ScreenError::NoDisplay { .. } => {
            Some("give QEMU one, such as -device VGA; -display none can stay".into())
        }
        ScreenError::NoSuchDisplay { display, displays, .. } => known(display, displays),
        ScreenError::Failed { reason, .. } if reason.contains("Permission denied") => {
            Some("run qqmgr as the user who runs QEMU".into())
        }
        ScreenError::Failed { reason, .. } if reason.contains("No such file") => {
            Some("QEMU has other files than qqmgr: run qqmgr on its host, or in its container".into())
        }
        ScreenError::Failed { .. } => None,
    }
});

impl ScreenError {
    /// The error for what QEMU said (QEMU, ui/console.c and ui/ui-qmp-cmds.c).
    pub(super) fn of(target: String, display: Option<&Display>, refusal: Refusal) -> ScreenError {
        let Refusal { desc, displays } = refusal;
        match display {
            None if desc.contains("no console") => ScreenError::NoDisplay { target },
            Some(display) if desc.contains("not found") || desc.contains("not bound") => {
                ScreenError::NoSuchDisplay { target, display: display.clone(), displays }
            }
            _ => ScreenError::Failed { target, reason: desc },
        }
    }
}

fn which(Display { device, head }: &Display, displays: &[Display]) -> String {
    match displays.iter().any(|display| display.device == *device) {
        true => format!("display `{device}` has no head {head}"),
        false => format!("it has no display `{device}`"),
    }
}

fn known(wanted: &Display, displays: &[Display]) -> Option<String> {
    let mut devices: Vec<_> = displays.iter().map(|display| display.device.as_str()).collect();
    devices.dedup();
    if !devices.contains(&wanted.device.as_str()) {
        if let Some(near) = suggest::nearest(&wanted.device, devices.iter().copied()) {
            return Some(format!("did you mean `{near}`?"));
        }
        return Some(match devices.as_slice() {
            [] => "no display has an id; leave out --device for the first one".to_owned(),
            _ => format!("the displays are: {}", devices.join(", ")),
        });
    }
    let heads = displays.iter().filter(|display| display.device == wanted.device);
    let heads: Vec<_> = heads.map(|display| display.head.to_string()).collect();
    Some(format!("its heads are: {}", heads.join(", ")))
}
