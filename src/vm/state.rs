//! What a VM is doing, in QEMU's words, and what helps if its guest does not run.

/// The state of a VM that has no process.
const STOPPED: &str = "stopped";

/// A VM's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// QMP's run state (QEMU QMP Reference, `RunState`), but `panicked` for `guest-panicked`;
    /// `stopped` without a process, `unknown` if it can't be found out.
    pub name: String,
    /// A detail about it, for people.
    pub detail: Option<String>,
}

impl State {
    pub(super) fn new(name: &str) -> State {
        State { name: name.to_owned(), detail: None }
    }

    /// The state without a process.
    pub fn stopped() -> State {
        State::new(STOPPED)
    }

    /// The state with a process in another pid namespace.
    pub fn elsewhere() -> State {
        State::new("elsewhere")
    }

    /// The state with a process that another config file started.
    pub fn foreign() -> State {
        State::new("foreign")
    }

    /// The state with a process that can't be asked.
    pub fn unknown() -> State {
        State::new("unknown")
    }

    /// The state with a guest that has panicked for this reason.
    pub fn panicked(reason: &str) -> State {
        let detail = (!reason.is_empty()).then(|| reason.to_owned());
        State { detail, ..State::new("panicked") }
    }

    /// The state that QMP calls `name`.
    pub fn of_run_state(name: &str) -> State {
        State::new(if name == "guest-panicked" { "panicked" } else { name })
    }

    /// Whether this is the state of the condition `wanted`: a machine that was reset while paused
    /// is `prelaunch`, and still paused.
    pub fn is(&self, wanted: &str) -> bool {
        self.name == wanted || (wanted == "paused" && self.name == "prelaunch")
    }

    /// Whether only a reset or a new start lets the guest run again.
    pub fn is_over(&self) -> bool {
        matches!(self.name.as_str(), "panicked" | "internal-error" | "shutdown")
    }

    /// Why the guest of the VM called `vm` does not run, and what helps; `None` if it runs.
    pub fn standstill(&self, vm: &str) -> Option<String> {
        let detail = self.detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
        let state = format!("its state is `{}`{detail}", self.name);
        let (command, does) = match self.name.as_str() {
            "running" | STOPPED => return None,
            "paused" | "prelaunch" | "io-error" | "watchdog" | "debug" => {
                (format!("resume {vm}"), "resumes it")
            }
            "suspended" => (format!("resume {vm}"), "wakes it"),
            "shutdown" => (format!("restart {vm}"), "starts it again"),
            "panicked" | "internal-error" => (format!("restart {vm} --reset"), "boots it again"),
            _ => return Some(state),
        };
        Some(format!("{state}; `qqmgr {command}` {does}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_still_has_a_remedy() {
        assert_eq!(State::of_run_state("running").standstill("a"), None);
        assert_eq!(State::stopped().standstill("a"), None);
        let paused = "its state is `paused`; `qqmgr resume a` resumes it";
        assert_eq!(State::of_run_state("paused").standstill("a").as_deref(), Some(paused));
        let odd = "its state is `inmigrate`";
        assert_eq!(State::of_run_state("inmigrate").standstill("a").as_deref(), Some(odd));
        assert!(State::of_run_state("prelaunch").is("paused"));
        assert_eq!(State::of_run_state("guest-panicked").name, "panicked");
    }
}
