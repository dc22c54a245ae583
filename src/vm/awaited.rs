//! Reports what qqmgr waits for, since a wait can be long. An observer, set by the caller, gets the
//! reports: nothing here prints.
//!
//! The observer belongs to the task and is no argument: most callers have none, and the waits are
//! many calls below.

use crate::config::Instance;

/// Gets a VM and what qqmgr waits for from now on; an empty text means that the wait is over.
pub type Observer = fn(&Instance, &str);

tokio::task_local! {
    static OBSERVER: Observer;
}

/// Does the work, and reports its waits to `observer`.
pub async fn observed<T>(observer: Observer, work: impl Future<Output = T>) -> T {
    OBSERVER.scope(observer, work).await
}

/// Reports what qqmgr waits for now.
pub(crate) fn tell(instance: &Instance, what: &str) {
    // If the task has no observer, this fails.
    let _ = OBSERVER.try_with(|observer| observer(instance, what));
}
