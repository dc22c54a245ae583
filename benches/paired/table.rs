//! The table: a line for each row, with its target and whether it meets that.

use super::measure::{Pairs, Spread};
use std::fmt;

/// The line above the rows.
pub fn header() -> String {
    let [ours, bare, ratio, range, target] = ["qqmgr", "bare", "ratio", "min - max", "at most"];
    format!("{:<44}{ours:>10} {bare:>10} {ratio:>8} {range:>15} {target:>11}", "medians")
}

/// The measured value of a row.
pub enum Measured {
    /// A time against that of the bare tool.
    Ratio(Pairs),
    /// A time, less that of the bare tool.
    Added(Pairs),
    /// A time, in seconds.
    Time(Spread),
    /// A number of bytes.
    Bytes(u64),
}

/// A line of the table.
pub struct Row {
    /// What was measured.
    pub what: &'static str,
    /// The measured value.
    pub measured: Measured,
    /// The largest good value: times as long, milliseconds or MiB.
    pub target: f64,
}

impl Row {
    /// The value to compare with the target, in the target's unit.
    fn value(&self) -> f64 {
        match &self.measured {
            Measured::Ratio(pairs) => pairs.ratio().median,
            Measured::Added(pairs) => pairs.added().median * 1e3,
            Measured::Time(spread) => spread.median * 1e3,
            Measured::Bytes(bytes) => *bytes as f64 / f64::from(1 << 20),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { what, target, .. } = self;
        write!(f, "{what:<44}")?;
        let ms = |seconds: f64| format!("{:.1} ms", seconds * 1e3);
        match &self.measured {
            Measured::Ratio(pairs) => {
                let (ours, bare, ratio) = (pairs.ours(), pairs.bare(), pairs.ratio());
                write!(f, "{:>10} {:>10}", ms(ours.median), ms(bare.median))?;
                let range = format!("{:.2} - {:.2}", ratio.min, ratio.max);
                write!(f, " {:>8.2} {range:>15} {target:>11.2}", ratio.median)?;
            }
            Measured::Added(pairs) => {
                let (ours, bare, added) = (pairs.ours(), pairs.bare(), pairs.added());
                write!(f, "{:>10} {:>10}", ms(ours.median), ms(bare.median))?;
                let range = format!("{:+.0} - {:+.0}", added.min * 1e3, added.max * 1e3);
                let target = format!("{target:+} ms");
                write!(f, " {:>+8.0} {range:>15} {target:>11}", added.median * 1e3)?;
            }
            Measured::Time(spread) => {
                let range = format!("{:.1} - {:.1}", spread.min * 1e3, spread.max * 1e3);
                let target = format!("{target} ms");
                write!(f, "{:>10} {:10} {:8} {range:>15} {target:>11}", ms(spread.median), "", "")?;
            }
            Measured::Bytes(_) => {
                let (value, target) = (format!("{:.1} MiB", self.value()), format!("{target} MiB"));
                write!(f, "{value:>10} {:10} {:8} {:15} {target:>11}", "", "", "")?;
            }
        }
        f.write_str(if self.value() <= *target { "" } else { "  OVER" })
    }
}
