//! Durations as users write them: `500ms`, `20s`, `1h 30m`, `2d`, plain seconds.

use jiff::SpanRelativeTo;
use jiff::fmt::friendly::SpanParser;
use std::time::Duration;

/// Longer waits are a slip of the fingers: a year, in hours.
const LONGEST: u64 = 366 * 24;

/// Parses `500ms`, `20s`, `1h30m`, `1h 30m`, `2d`, or plain seconds; fractions are fine.
///
/// # Errors
/// A sentence that names the text and the forms that are understood.
pub fn parse(text: &str) -> Result<Duration, String> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let span = SpanParser::new().parse_span(text.to_owned() + if is_plain { "s" } else { "" });
    let time = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    let time = time.ok().and_then(|time| Duration::try_from(time).ok());
    time.filter(|time| *time <= Duration::from_hours(LONGEST)).ok_or_else(|| {
        format!(
            "`{text}` is not a duration of up to {LONGEST}h: \
             write 500ms, 20s, 1h30m, 2d or plain seconds"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::parse;
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
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            ("2d", 172_800_000),
            ("1 min", 60_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_duration() {
        for text in
            ["", "s", "-1", "+1", "-1s", "1y", "inf", "nan", "1e3", ".5", "8785h", "1.2.3", "30m1h"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("8784h").is_ok());
    }
}
