//! A value that several futures of one task, or several threads, change.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A value behind a lock, which is never held over an `await`.
#[derive(Debug, Default)]
pub struct Shared<T>(Mutex<T>);

impl<T> Shared<T> {
    /// Puts a value behind a lock.
    pub const fn new(value: T) -> Shared<T> {
        Shared(Mutex::new(value))
    }

    /// The value, until dropped.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        // No holder panics in the middle of a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
