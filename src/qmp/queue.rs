//! Keeps the events that arrive while the client waits for something else.

use std::collections::VecDeque;

use super::message::Event;

/// How much the queue may contain, in bytes of JSON text: thousands of ordinary events.
const CAPACITY: usize = 1 << 20;

/// A queue of events that forgets the oldest ones rather than grow without bound.
///
/// The newest event is always kept, whatever its size.
#[derive(Debug, Default)]
pub(super) struct EventQueue {
    events: VecDeque<(Event, usize)>,
    bytes: usize,
}

impl EventQueue {
    /// Appends an event that took `size` bytes on the wire.
    pub(super) fn push(&mut self, event: Event, size: usize) {
        self.bytes += size;
        while self.bytes > CAPACITY && self.pop().is_some() {}
        self.events.push_back((event, size));
    }

    /// Takes the oldest event.
    pub(super) fn pop(&mut self) -> Option<Event> {
        let (event, size) = self.events.pop_front()?;
        self.bytes -= size;
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qmp::Timestamp;
    use serde_json::Value;

    fn event(name: impl ToString) -> Event {
        let timestamp = Timestamp { seconds: 0, microseconds: 0 };
        Event { name: name.to_string(), data: Value::Null, timestamp }
    }

    #[test]
    fn first_in_first_out() {
        let mut queue = EventQueue::default();
        queue.push(event("A"), 60);
        queue.push(event("B"), 60);
        assert_eq!(queue.pop(), Some(event("A")));
        assert_eq!(queue.pop(), Some(event("B")));
        assert_eq!((queue.pop(), queue.bytes), (None, 0));
    }

    #[test]
    fn the_oldest_events_make_room() {
        let mut queue = EventQueue::default();
        for n in 0..10_000 {
            queue.push(event(n), 1 << 10);
            assert!(queue.bytes <= CAPACITY);
        }
        assert_eq!(queue.events.len(), 1 << 10);
        assert_eq!(queue.pop(), Some(event(10_000 - (1 << 10))));
        queue.push(event("huge"), 2 * CAPACITY);
        assert_eq!(queue.events.len(), 1);
        queue.push(event("small"), 60);
        assert_eq!(queue.pop(), Some(event("small")));
        assert_eq!((queue.pop(), queue.bytes), (None, 0));
    }
}
