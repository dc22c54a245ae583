//! A value that several futures of one task, or several threads, note something in.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A value behind a lock, which nobody holds over an `await`.
#[derive(Debug, Default)]
pub struct Shared<T>(Mutex<T>);

impl<T> Shared<T> {
    /// Such a value.
    pub const fn new(value: T) -> Shared<T> {
        Shared(Mutex::new(value))
    }

    /// The value, until dropped.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        // Nobody panics half way through a change of it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
