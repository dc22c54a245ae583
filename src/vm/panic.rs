//! A guest kernel's panic, by QEMU's event or by what the kernel says on the serial port.

use super::dir::VmDir;
use super::explain::end_of;
use super::files;
use super::history::History;
use super::state::State;
use super::timeline::Timeline;
use crate::sys::clock;

/// What a kernel says that panics.
pub const PANIC_LINE: &str = "Kernel panic - not syncing";

/// What it says at last, unless it reboots.
const END_LINE: &str = "---[ end Kernel panic";

/// What it says when it does.
const REBOOT_LINE: &str = "Rebooting in ";

/// Within so many bytes of the log's end it says so for the last time.
const LENGTH: u64 = 64 << 10;

/// Where an account of what went wrong begins.
const BEGINNINGS: [&str; 7] =
    ["BUG:", "Oops", "general protection", "Unable to handle", "Kernel panic", "RIP:", "pc :"];

/// So many lines before the panic may be about it.
const BEFORE: usize = 100;

/// So many lines are shown.
const SHOWN: usize = 60;

/// So many lines of a log that tells of no panic are shown.
const LAST_LINES: usize = 10;

/// Why the guest has panicked since the last reset, if it has; empty if nobody says why.
pub fn seen(dir: &VmDir, history: &History) -> Option<String> {
    let log = log_of_boot(dir);
    match is_in(dir, history, &log) {
        true => Some(reason(&log)),
        false => history.panicked.then(String::new),
    }
}

impl History {
    /// The state of the living VM in `dir`, if the log tells it.
    pub fn state(&self, dir: &VmDir) -> Option<State> {
        if let Some(reason) = seen(dir, self) {
            return Some(State::panicked(&reason));
        }
        self.certain_state()
    }
}

/// The end of the serial log, as far as it is of the boot that qqmgr began last.
fn log_of_boot(dir: &VmDir) -> String {
    let begins = Timeline::read(dir).map_or(0, |timeline| timeline.serial_begins);
    let length = std::fs::metadata(dir.file(files::SERIAL)).map_or(0, |log| log.len());
    end_of(dir, files::SERIAL, LENGTH.min(length.saturating_sub(begins)))
}

/// Whether the log tells of a panic that no reset has ended.
fn is_in(dir: &VmDir, history: &History, log: &str) -> bool {
    let Some((_, after)) = log.rsplit_once(PANIC_LINE) else {
        return false;
    };
    let Some(reset_at) = history.reset_at else {
        return true;
    };
    // Of a boot after the panic there is a sign: the log goes on, or was complete before.
    let written = clock::written(&dir.file(files::SERIAL));
    let is_last = match after.contains(REBOOT_LINE) {
        true => false,
        // The line that ends it names it again.
        false => {
            after.lines().skip(1).all(|line| line.trim().is_empty()) || !log.contains(END_LINE)
        }
    };
    is_last && written.is_some_and(|written| written > reset_at)
}

/// Whether the kernel that has panicked in `dir` has said all and stays: one that does not say so
/// goes on to reboot.
pub fn has_stayed(dir: &VmDir, history: &History) -> bool {
    let log = log_of_boot(dir);
    match log.rsplit_once(PANIC_LINE) {
        // The line that ends it names it again.
        Some((before, _)) => before.ends_with(END_LINE.trim_end_matches("Kernel panic")),
        // Only QEMU was told, and it says at once if it ends.
        None => history.shutdown.is_none(),
    }
}

/// Why the kernel panics, by the last line in which it says so.
pub fn reason(log: &str) -> String {
    let told = log.rsplit_once(PANIC_LINE).and_then(|(_, rest)| rest.lines().next());
    let reason = told.unwrap_or_default().trim_start_matches(':').trim_end_matches("]---");
    reason.trim().to_owned()
}

/// What a VM's serial log says that matters: the account of its panic, or else its last lines.
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
