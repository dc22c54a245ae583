//! What a VM is being waited for, told to whoever has asked to be: it can take long, and nothing
//! here prints.
//!
//! The observer goes with the task, not from hand to hand: most callers have none, and what waits
//! lies deep below those that have.

use crate::config::Instance;

/// Is told of a VM and what it is waited for from now on; empty when that is no longer to be shown.
pub type Observer = fn(&Instance, &str);

tokio::task_local! {
    static OBSERVER: Observer;
}

/// Does the work, and has `observer` told what it waits for.
pub async fn observed<T>(observer: Observer, work: impl Future<Output = T>) -> T {
    OBSERVER.scope(observer, work).await
}

/// Tells what a VM is waited for now.
pub(crate) fn tell(instance: &Instance, what: &str) {
    // Mostly there is nobody to tell.
    let _ = OBSERVER.try_with(|observer| observer(instance, what));
}
