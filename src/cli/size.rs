//! Sizes in bytes as people write and read them: `512`, `100M`, `1.5 GiB`.

const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// A size in the largest unit that fits, with one decimal.
pub fn format(bytes: u64) -> String {
    let mut size = bytes as f64;
    let mut name = "B";
    for unit in UNITS {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        name = unit;
    }
    match name {
        "B" => format!("{bytes} B"),
        _ => format!("{size:.1} {name}"),
    }
}

/// Reads a number of bytes with one of QEMU's suffixes, each 1024 times the one before it.
///
/// # Errors
/// A sentence that names the text and the forms that are understood.
pub fn parse(text: &str) -> Result<u64, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let shift = match suffix {
        "" | "B" => Some(0),
        _ => (10..).step_by(10).zip(UNITS).find_map(|(shift, unit)| {
            (suffix == unit || unit.strip_suffix("iB") == Some(suffix)).then_some(shift)
        }),
    };
    let bytes = shift.and_then(|shift: u32| number.parse::<u64>().ok()?.checked_mul(1 << shift));
    bytes.ok_or_else(|| format!("`{text}` is not a number of bytes: write 500, 64K, 100M, 2G"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_unit_that_fits() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (197_120, "192.5 KiB"),
            (100 << 20, "100.0 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(format(bytes), text);
        }
    }

    #[test]
    fn reads_the_suffixes_of_qemu() {
        for (text, bytes) in
            [("0", 0), ("512", 512), ("64K", 64 << 10), ("100M", 100 << 20), ("2GiB", 2 << 30)]
        {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "M", "-1", "1.5M", "100m", "1X", "100000000T", "1 M"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
