//! Finds a guest kernel's panic, by QEMU's event or by the kernel's words on the serial port.

use super::dir::VmDir;
use super::explain::end_of;
use super::files;
use super::history::History;
use super::state::State;
use super::timeline::Timeline;
use crate::sys::clock;

/// What a kernel prints when it panics.
pub const PANIC_LINE: &str = "Kernel panic - not syncing";

/// The last line that it prints, unless it reboots.
const END_LINE: &str = "---[ end Kernel panic";

/// What it prints if it reboots.
const REBOOT_LINE: &str = "Rebooting in ";

/// The last of these lines is within so many bytes of the log's end.
const LENGTH: u64 = 64 << 10;

/// The lines that an account of a fault begins with.
const BEGINNINGS: [&str; 7] =
    ["BUG:", "Oops", "general protection", "Unable to handle", "Kernel panic", "RIP:", "pc :"];

/// How many lines before the panic may belong to it.
const BEFORE: usize = 100;

/// How many lines are shown.
const SHOWN: usize = 60;

/// How many lines are shown of a log without a panic.
const LAST_LINES: usize = 10;

/// Why the guest has panicked since the last reset, if it has; empty if the reason is unknown.
pub fn seen(dir: &VmDir, history: &History) -> Option<String> {
    let log = log_of_boot(dir);
    match is_in(dir, history, &log) {
        true => Some(reason(&log)),
        false => history.panicked.then(String::new),
    }
}

impl History {
    /// The state of the running VM in `dir`, if the event log tells it.
    pub fn state(&self, dir: &VmDir) -> Option<State> {
        if let Some(reason) = seen(dir, self) {
            return Some(State::panicked(&reason));
        }
        self.certain_state()
    }
}

/// The end of the serial log, without the boots before qqmgr's latest one.
fn log_of_boot(dir: &VmDir) -> String {
    let begins = Timeline::read(dir).map_or(0, |timeline| timeline.serial_begins);
    let length = std::fs::metadata(dir.file(files::SERIAL)).map_or(0, |log| log.len());
    end_of(dir, files::SERIAL, LENGTH.min(length.saturating_sub(begins)))
}

/// Whether the log shows a panic that no reset has followed.
fn is_in(dir: &VmDir, history: &History, log: &str) -> bool {
    let Some((_, after)) = log.rsplit_once(PANIC_LINE) else {
        return false;
    };
    let Some(reset_at) = history.reset_at else {
        return true;
    };
    // A boot after the panic leaves a sign: the log goes on, or was complete before it.
    let written = clock::written(&dir.file(files::SERIAL));
    let is_last = match after.contains(REBOOT_LINE) {
        true => false,
        // The line that ends the panic repeats its text.
        false => {
            after.lines().skip(1).all(|line| line.trim().is_empty()) || !log.contains(END_LINE)
        }
    };
    is_last && written.is_some_and(|written| written > reset_at)
}

/// Whether the kernel that panicked in `dir` has printed everything and stays: a kernel without the
/// end line goes on to reboot.
pub fn has_stayed(dir: &VmDir, history: &History) -> bool {
    let log = log_of_boot(dir);
    match log.rsplit_once(PANIC_LINE) {
        // The line that ends the panic repeats its text.
        Some((before, _)) => before.ends_with(END_LINE.trim_end_matches("Kernel panic")),
        // Only QEMU was told, and it reports at once if it ends.
        None => history.shutdown.is_none(),
    }
}

/// Why the kernel panicked, by the last line that says so.
pub fn reason(log: &str) -> String {
    let told = log.rsplit_once(PANIC_LINE).and_then(|(_, rest)| rest.lines().next());
    let reason = told.unwrap_or_default().trim_start_matches(':').trim_end_matches("]---");
    reason.trim().to_owned()
}

/// The part of a VM's serial log that matters: the account of its panic, or else its last lines.
pub fn excerpt(dir: &VmDir) -> String {
    excerpt_of(&log_of_boot(dir))
}

fn excerpt_of(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    let is_panic = |line: &&str| line.contains(PANIC_LINE) && !line.contains(END_LINE);
    let begins = match lines.iter().rposition(is_panic) {
        Some(panic) => {
            let first = panic.saturating_sub(BEFORE);
            let matters = |line: &&str| BEGINNINGS.iter().any(|beginning| line.contains(beginning));
            first + lines[first..].iter().position(matters).unwrap_or(0)
        }
        None => lines.len().saturating_sub(LAST_LINES),
    };
    let shown: Vec<_> = lines[begins..].iter().take(SHOWN).copied().collect();
    shown.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_why_a_kernel_panics() {
        for (log, expected) in [
            ("Kernel panic - not syncing: no init\nCPU: 0\n", "no init"),
            (
                "[1.2] Kernel panic - not syncing: a: b\n---[ end Kernel panic - not syncing: a: b ]---",
                "a: b",
            ),
            ("Kernel panic - not syncing", ""),
            ("", ""),
        ] {
            assert_eq!(reason(log), expected, "{log}");
        }
    }

    #[test]
    fn begins_where_it_matters() {
        let noise: String = (0..20).map(|number| format!("line {number}\n")).collect();
        let account = "[1] BUG: kernel NULL pointer dereference\n[1] RIP: 0010:f\n\
                       [1] Kernel panic - not syncing: Fatal exception\n\
                       [1] ---[ end Kernel panic - not syncing: Fatal exception ]---";
        assert_eq!(excerpt_of(&format!("{noise}{account}\n")), account);
        assert_eq!(excerpt_of(&noise).lines().count(), LAST_LINES);
        assert_eq!(excerpt_of(""), "");
        let long: String = (0..90).map(|number| format!("more {number}\n")).collect();
        let found = excerpt_of(&format!("{noise}Kernel panic - not syncing: x\n{long}"));
        assert!(found.starts_with("Kernel panic - not syncing: x\nmore 0\n"), "{found}");
        assert_eq!(found.lines().count(), SHOWN);
    }
}
