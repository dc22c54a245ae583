//! `qqmgr timeline`.

use super::args::view::TimelineArgs;
use super::{Context, output};
use crate::Error;
use crate::text::duration;
use crate::vm::{Milestone, Timeline, VmDir};
use serde::Serialize;
use std::fmt;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

/// `MILESTONE=TIME`.
#[derive(Clone, Debug)]
pub struct Limit {
    milestone: Milestone,
    time: Duration,
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Limit, String> {
        let (name, time) = text.split_once('=').ok_or("write MILESTONE=TIME, such as ssh=20s")?;
        let mut milestones = Milestone::ALL.into_iter();
        let milestone = milestones.find(|milestone| milestone.name() == name);
        let milestone = milestone.ok_or("the milestones are qmp, serial, kernel and ssh")?;
        Ok(Limit { milestone, time: duration::parse(time)? })
    }
}

#[derive(Serialize)]
struct Report {
    name: String,
    #[serde(flatten)]
    timeline: Timeline,
    /// The milestones that came too late or not at all.
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
    let timeline = timeline.ok_or_else(|| Error::NeverStarted { vm: name.clone() })?;
    let is_over = |limit: &&Limit| {
        timeline.at(limit.milestone).is_none_or(|time| time > limit.time.as_secs_f64())
    };
    let over: Vec<_> =
        args.max.iter().filter(is_over).map(|limit| limit.milestone.name()).collect();
    let code = ExitCode::from(u8::from(!over.is_empty()));
    output::report(&Report { name, timeline, over }, context.json);
    Ok(code)
}
