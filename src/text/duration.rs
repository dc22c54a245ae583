//! Durations as users write them (`500ms`, `20s`, `2m`, `1h`, plain seconds).

use std::time::Duration;

/// The units in which a duration may be written, the longer suffix first.
const UNITS: [(&str, f64); 5] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("", 1.0)];

/// Longer waits are a slip of the fingers: a year, in hours.
const LONGEST: f64 = 366.0 * 24.0;

/// Parses `500ms`, `20s`, `2m`, `1h`, or plain seconds; fractions are fine.
///
/// # Errors
/// A sentence that names the text and the forms that are understood.
pub fn parse(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is not a duration: write 500ms, 20s, 2m, 1h or plain seconds");
    let (number, seconds) = UNITS
        .iter()
        .find_map(|(suffix, seconds)| Some((text.strip_suffix(suffix)?, *seconds)))
        .ok_or_else(bad)?;
    let plain = number.starts_with(|c: char| c.is_ascii_digit())
        && number.chars().all(|c| c.is_ascii_digit() || c == '.');
    let value: f64 = number.parse().map_err(|_| bad())?;
    if !plain {
        return Err(bad());
    }
    if value * seconds > LONGEST * 3600.0 {
        return Err(format!("`{text}` is too long: the longest duration is {LONGEST}h"));
    }
    Ok(Duration::from_secs_f64(value * seconds))
}

/// Writes a duration the way [`parse`] reads it, in the unit that fits.
pub fn format(duration: Duration) -> String {
    let millis = duration.as_millis();
    match millis {
        0..1000 => format!("{millis}ms"),
        _ if millis.is_multiple_of(60_000) => format!("{}m", millis / 60_000),
        _ if millis.is_multiple_of(1000) => format!("{}s", millis / 1000),
        _ => format!("{:.1}s", duration.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::{format, parse};
    use std::time::Duration;

    #[test]
    fn reads_every_unit() {
        for (text, millis) in [
            ("500ms", 500),
            ("20s", 20_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("7", 7_000),
            ("0", 0),
            ("1.5s", 1_500),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_duration() {
        for text in
            ["", "s", "-1", "+1", "1d", "1 s", "inf", "nan", "1e3", ".5", "9999999h", "1.2.3"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("8784h").is_ok());
    }

    #[test]
    fn writes_what_it_reads() {
        for text in ["500ms", "20s", "2m", "1.5s"] {
            assert_eq!(format(parse(text).unwrap()), text);
        }
    }
}
