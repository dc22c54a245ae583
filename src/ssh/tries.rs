//! Decides when to connect to an SSH server that may not be up yet.
//!
//! When a connection is opened, QEMU's user network (libslirp) tries to reach the guest, and again
//! 6, 18 and 42 s later, each time for a second. It gives up after 75 s. All unanswered connections
//! reach the server at once when the guest's network comes up. So they are few, and spread over the
//! time.

use std::ops::RangeInclusive;
use std::time::Duration;
use tokio::time::Instant;

/// How many connections may be unanswered at a time.
pub const PLACES: usize = 3;

/// A VM that was just started gets its first connection at the first hint, or after this time: a
/// small guest may give no hint, and be up already.
const FIRST: Duration = Duration::from_secs(1);

/// The interval between two connections without a hint: QEMU then tries to reach the guest for each
/// at different times, with no long gaps. The last place is kept for a hint.
const SPREAD: Duration = Duration::from_secs(8);

/// The pause after a hint: the network card comes up just before the guest answers there, and QEMU
/// asks for the guest's address only once in each try.
const SETTLE: Duration = Duration::from_millis(50);

/// The interval after a hint: the guest's address comes later than its network card.
const AGAIN: Duration = Duration::from_secs(1);

/// The interval between two connections that the guest refuses: its network is up, so it mostly
/// starts its server soon. It grows with the time waited.
const REFUSED: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_millis(500);

/// A connection that ends after this time was not refused: QEMU has given up.
const GIVEN_UP: Duration = Duration::from_secs(60);

/// The connections opened so far, and when the next is due.
pub struct Tries {
    /// When the next one is due without a hint.
    scheduled: Instant,
    /// When the last one was opened.
    newest: Option<Instant>,
    /// When to open a connection for the latest hint, if none was opened since.
    hinted: Option<Instant>,
    /// When the last hint came.
    last_hint: Option<Instant>,
    /// Whether the guest gives so few hints that each is worth two connections.
    is_quiet: bool,
    /// When another one is due after a hint or a refusal.
    again: Option<Instant>,
    /// When the guest first refused one.
    refused: Option<Instant>,
}

impl Tries {
    /// No connection yet; `booting` is true for a VM that was just started.
    pub fn new(booting: bool) -> Tries {
        let scheduled = Instant::now() + if booting { FIRST } else { Duration::ZERO };
        Tries {
            scheduled,
            newest: None,
            hinted: None,
            last_hint: None,
            is_quiet: false,
            again: None,
            refused: None,
        }
    }

    /// When to open the next connection while `pending` ones are unanswered.
    pub fn next(&self, pending: usize) -> Option<Instant> {
        let left = PLACES.checked_sub(pending + 1)?;
        let scheduled = (left > 0).then_some(self.scheduled);
        // A guest that gives many hints would soon use up the last place.
        let apart = if left > 0 { AGAIN } else { SPREAD };
        let earliest = self.newest.map(|newest| newest + apart);
        let hinted = self.hinted.map(|hint| earliest.map_or(hint, |earliest| earliest.max(hint)));
        [scheduled, hinted, self.again].into_iter().flatten().min()
    }

    /// Takes in a hint that a try is worth it.
    pub fn hinted(&mut self, pending: usize) {
        let now = Instant::now();
        // The first hint comes too early for the network, and hints in quick succession say little.
        self.is_quiet = self.newest.is_some()
            && self.last_hint.is_none_or(|last| now.duration_since(last) >= SPREAD);
        self.last_hint = Some(now);
        self.hinted = (pending < PLACES).then_some(now + SETTLE);
    }

    /// Records that a connection was opened beside `pending` unanswered ones.
    pub fn opened(&mut self, pending: usize) {
        let now = Instant::now();
        let is_for_two = self.hinted.take().is_some() && self.is_quiet && pending + 1 < PLACES;
        self.again = is_for_two.then_some(now + AGAIN);
        self.newest = Some(now);
        self.scheduled = now + SPREAD;
    }

    /// Records that the connection opened at this time has ended without an answer; returns whether
    /// the guest refused it.
    pub fn ended(&mut self, opened: Instant) -> bool {
        let now = Instant::now();
        let is_refused = now.duration_since(opened) < GIVEN_UP;
        if is_refused {
            let passed = now.duration_since(*self.refused.get_or_insert(now));
            self.again = Some(now + (passed / 16).clamp(*REFUSED.start(), *REFUSED.end()));
        }
        is_refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    /// Opens each connection that is due within `seconds`, all unanswered; returns their times.
    async fn opened(tries: &mut Tries, pending: &mut usize, seconds: u64) -> Vec<u64> {
        let start = Instant::now();
        let end = start + Duration::from_secs(seconds);
        let mut opened = Vec::new();
        while let Some(next) = tries.next(*pending).filter(|next| *next <= end) {
            tokio::time::sleep_until(next).await;
            tries.opened(*pending);
            *pending += 1;
            opened.push(start.elapsed().as_secs());
        }
        tokio::time::sleep_until(end).await;
        opened
    }

    #[tokio::test(start_paused = true)]
    async fn keeps_a_place_for_a_hint() {
        let (mut tries, mut pending) = (Tries::new(false), 0);
        assert_eq!(opened(&mut tries, &mut pending, 60).await, [0, 8]);
        tries.hinted(pending);
        assert_eq!(opened(&mut tries, &mut pending, 60).await, [0]);
        assert_eq!(tries.next(pending), None);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_for_the_first_sign_of_life() {
        let (mut tries, mut pending) = (Tries::new(true), 0);
        assert_eq!(opened(&mut tries, &mut pending, 5).await, [1]);
        let (mut tries, mut pending) = (Tries::new(true), 0);
        tries.hinted(pending);
        assert_eq!(opened(&mut tries, &mut pending, 5).await, [0]);
    }

    #[tokio::test(start_paused = true)]
    async fn tries_twice_after_a_hint() {
        let (mut tries, mut pending) = (Tries::new(true), 0);
        assert_eq!(opened(&mut tries, &mut pending, 4).await, [1]);
        tries.hinted(pending);
        assert_eq!(opened(&mut tries, &mut pending, 4).await, [0, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn is_not_talked_out_of_its_places() {
        let (mut tries, mut pending) = (Tries::new(true), 0);
        let mut after = Vec::new();
        for second in 0..20 {
            tries.hinted(pending);
            let opened = opened(&mut tries, &mut pending, 1).await;
            after.extend(opened.iter().map(|opened| second + opened));
        }
        assert_eq!(after, [0, 1, 9]);
    }

    #[tokio::test(start_paused = true)]
    async fn tries_again_soon_after_a_refusal_but_not_when_qemu_gives_up() {
        let mut tries = Tries::new(false);
        let start = Instant::now();
        tries.opened(0);
        tries.ended(start);
        assert_eq!(tries.next(0), Some(start + *REFUSED.start()));
        advance(Duration::from_secs(50)).await;
        tries.opened(0);
        tries.ended(Instant::now());
        assert_eq!(tries.next(0), Some(Instant::now() + *REFUSED.end()));
        let start = Instant::now();
        tries.opened(0);
        tries.opened(1);
        advance(Duration::from_secs(75)).await;
        tries.hinted(2);
        tries.opened(2);
        tries.ended(start);
        assert_eq!(tries.next(2), None);
    }
}
