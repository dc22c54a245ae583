//! `qqmgr throttle`.

use super::args::drive::ThrottleArgs;
use super::{Context, output, size};
use crate::Error;
use crate::ops::{self, Limits, Throttle, Throttled};
use std::fmt;
use std::process::ExitCode;

impl fmt::Display for Throttled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Limits { bps, bps_read, bps_write, iops, iops_read, iops_write } = self.limits;
        let bytes = |limit: u64| format!("{}/s", size::format(limit));
        let operations = |limit: u64| format!("{limit} IOPS");
        let all = [
            bps.map(bytes),
            bps_read.map(|limit| format!("read {}", bytes(limit))),
            bps_write.map(|limit| format!("write {}", bytes(limit))),
            iops.map(operations),
            iops_read.map(|limit| format!("read {}", operations(limit))),
            iops_write.map(|limit| format!("write {}", operations(limit))),
        ];
        let all: Vec<_> = all.into_iter().flatten().collect();
        let limits = if all.is_empty() { "no limit".to_owned() } else { all.join(", ") };
        write!(f, "{}: {}: {limits}", self.name, self.device)
    }
}

pub async fn run(context: &Context, args: &ThrottleArgs) -> Result<ExitCode, Error> {
    let limits = Limits {
        bps: args.bps,
        bps_read: args.bps_read,
        bps_write: args.bps_write,
        iops: args.iops,
        iops_read: args.iops_read,
        iops_write: args.iops_write,
    };
    let change = match args.off {
        true => Throttle::Off,
        false if limits == Limits::default() => Throttle::Show,
        false => Throttle::Set(limits),
    };
    let throttled = ops::throttle(&context.target(&args.target)?, &args.device, change).await?;
    output::report(&throttled, context.json);
    Ok(ExitCode::SUCCESS)
}
