//! Rows in columns, each as wide as its widest cell.

use std::fmt;

/// Writes rows, the header first, with no line break at the end; the columns in `right` are aligned
/// to the right.
pub fn write<const N: usize>(
    f: &mut fmt::Formatter<'_>,
    rows: &[[String; N]],
    right: &[usize],
) -> fmt::Result {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or(0));
    for (at, row) in rows.iter().enumerate() {
        if at > 0 {
            writeln!(f)?;
        }
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            match column {
                _ if right.contains(&column) => write!(f, "{cell:>width$}")?,
                _ if column + 1 == N => f.write_str(cell)?,
                _ => write!(f, "{cell:width$}")?,
            }
            if column + 1 < N {
                f.write_str("  ")?;
            }
        }
    }
    Ok(())
}
