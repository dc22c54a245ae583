//! Ctrl-C, and SIGTERM: whoever ends a verb is told what it leaves running. It ends of the signal
//! all the same, so that a shell's loop ends with it.

use super::{Context, output, progress};
use crate::config::Instance;
use crate::sys::signals::{Signals, describe};
use crate::vm::VmDir;
use nix::sys::signal;
use serde_json::json;
use std::pin::pin;
use tokio::signal::unix::SignalKind;

/// Does the work on these VMs, unless a signal ends us meanwhile.
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
    // What is underway is neither gone on with nor undone: the signal would not have done that.
    tell(context, number, &running(instances).await);
    end_with(number);
    work.await
}

/// Those that run, with their pids.
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
        [] => "nothing is left running".to_owned(),
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

/// Has a signal that is caught end us, as if it were not.
fn end_with(number: i32) {
    let Ok(number) = signal::Signal::try_from(number) else { return };
    // SAFETY: the default is no handler of ours; nobody else changes what is caught.
    let _ = unsafe { signal::signal(number, signal::SigHandler::SigDfl) };
    let _ = signal::raise(number);
}
