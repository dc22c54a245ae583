//! Ctrl-C and SIGTERM: qqmgr prints which VMs are left running. Then the signal still kills it, so
//! that a shell's loop ends too.

use super::{Context, output, progress};
use crate::config::Instance;
use crate::sys::signals::{Signals, describe};
use crate::vm::VmDir;
use nix::sys::signal;
use serde_json::json;
use std::pin::pin;
use tokio::signal::unix::SignalKind;

/// Does the work on these VMs, unless a signal ends qqmgr meanwhile.
pub async fn unless_interrupted<T>(
    context: &Context,
    instances: &[Instance],
    work: impl Future<Output = T>,
) -> T {
    let mut work = pin!(work);
    let Ok(mut signals) = Signals::catch(&[SignalKind::interrupt(), SignalKind::terminate()])
    else {
        return work.await;
    };
    let number = tokio::select! {
        biased;
        number = signals.next() => number,
        done = &mut work => return done,
    };
    progress::end();
    // The work is neither finished nor undone, as if the signal had killed qqmgr at once.
    tell(context, number, &running(instances).await);
    end_with(number);
    work.await
}

/// The VMs that are running, with their pids.
async fn running(instances: &[Instance]) -> Vec<(&str, u32)> {
    let mut running = Vec::new();
    for instance in instances {
        if let Ok(Some(dir)) = VmDir::open(instance)
            && let Ok(Some(process)) = dir.settled_process().await
        {
            running.push((instance.name.as_str(), process.pid()));
        }
    }
    running
}

fn tell(context: &Context, number: i32, running: &[(&str, u32)]) {
    let each: Vec<_> = running.iter().map(|(name, pid)| format!("{name} (pid {pid})")).collect();
    let names: Vec<_> = running.iter().map(|(name, _)| *name).collect();
    let left = match running {
        [] => "no VM is left running".to_owned(),
        [(name, pid)] => format!("{name} is left running (pid {pid})"),
        _ => format!("{} are left running", each.join(", ")),
    };
    let message = format!("{}; {left}", describe(number));
    let hint = (!names.is_empty()).then(|| format!("qqmgr stop {}", names.join(" ")));
    if context.json {
        let error = json!({
            "code": "interrupted", "message": message, "hint": hint, "location": null,
        });
        output::document(&json!({ "error": error }));
    } else {
        let hint = hint.map(|hint| format!(": {hint}")).unwrap_or_default();
        output::note(format_args!("{message}{hint}"));
    }
}

/// Ends this process by a signal that it has caught.
fn end_with(number: i32) {
    let Ok(number) = signal::Signal::try_from(number) else { return };
    // SAFETY: the default action runs no handler of ours; no other code changes the handlers.
    let _ = unsafe { signal::signal(number, signal::SigHandler::SigDfl) };
    let _ = signal::raise(number);
}
