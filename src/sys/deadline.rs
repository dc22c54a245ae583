//! Points in time, however far away: adding a large duration to an `Instant` may panic.

use std::time::Duration;
use tokio::time::Instant;

/// Longer than any wait.
const FAR: Duration = Duration::from_hours(24 * 365 * 30);

/// `time` after `start`, or a point that is never reached.
pub fn after(start: Instant, time: Duration) -> Instant {
    start.checked_add(time).unwrap_or(start + FAR)
}

/// `time` from now.
pub fn within(time: Duration) -> Instant {
    after(Instant::now(), time)
}

/// Returns at that point in time; never, if it is `None`.
pub async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_time_has_an_end() {
        let now = Instant::now();
        assert_eq!(after(now, Duration::from_secs(1)), now + Duration::from_secs(1));
        assert!(after(now, Duration::MAX) > now + Duration::from_hours(24 * 365));
        assert!(within(Duration::MAX) > now);
    }
}
