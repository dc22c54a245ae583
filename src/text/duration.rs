//! Formats durations for messages: `500ms`, `20s`, `2m`.

use std::time::Duration;

/// Formats a duration in the largest unit that fits, as users write it.
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
    use super::*;

    #[test]
    fn writes_the_unit_that_fits() {
        for (millis, text) in [(500, "500ms"), (20_000, "20s"), (120_000, "2m"), (1_500, "1.5s")] {
            assert_eq!(format(Duration::from_millis(millis)), text);
        }
    }
}
