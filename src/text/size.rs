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
}
