//! Points in time that are there however far away: adding any time to another may panic.

use std::time::Duration;
use tokio::time::Instant;

/// Nobody waits for longer.
const FAR: Duration = Duration::from_hours(24 * 365 * 30);

/// `time` after `start`, or as good as never.
pub fn after(start: Instant, time: Duration) -> Instant {
    start.checked_add(time).unwrap_or(start + FAR)
}

/// `time` from now.
pub fn within(time: Duration) -> Instant {
    after(Instant::now(), time)
}

/// Returns at that point in time; never, if there is none.
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
