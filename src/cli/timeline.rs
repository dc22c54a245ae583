//! `qqmgr timeline`.

use super::args::view::{Limit, TimelineArgs};
use super::{Context, output};
use crate::Error;
use crate::vm::{Milestone, Timeline, VmDir, VmError};
use serde::Serialize;
use std::fmt;
use std::process::ExitCode;

#[derive(Serialize)]
struct Report {
    name: String,
    #[serde(flatten)]
    timeline: Timeline,
    /// The milestones that were late or missing.
    over: Vec<&'static str>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.name)?;
        for milestone in Milestone::ALL {
            let time = self.timeline.at(milestone);
            let time = time.map_or("not seen".to_owned(), |time| format!("{time:8.3}s"));
            let over = if self.over.contains(&milestone.name()) { "  OVER" } else { "" };
            write!(f, "\n  {:<20} {time:>9}{over}", milestone.label())?;
        }
        Ok(())
    }
}

pub fn run(context: &Context, args: &TimelineArgs) -> Result<ExitCode, Error> {
    let instance = context.find(&args.vm)?.1;
    let timeline = VmDir::open(&instance)?.as_ref().map(Timeline::latest).transpose()?.flatten();
    let name = instance.name;
    let timeline =
        timeline.ok_or_else(|| Error::from(VmError::NeverStarted { vm: name.clone() }))?;
    let is_over = |limit: &&Limit| {
        timeline.at(limit.milestone).is_none_or(|time| time > limit.time.as_secs_f64())
    };
    let over: Vec<_> =
        args.max.iter().filter(is_over).map(|limit| limit.milestone.name()).collect();
    let code = ExitCode::from(u8::from(!over.is_empty()));
    output::report(&Report { name, timeline, over }, context.json);
    Ok(code)
}
