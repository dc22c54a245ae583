//! Shows on a terminal what a verb waits for, for how long, and the guest's last line. This is one
//! line that is redrawn, and erased before any other output.

use super::Context;
use super::quiet::wants_progress;
use crate::config::Instance;
use crate::logs::{self, Lines, Log};
use crate::text::duration;
use crate::text::sanitize::harmless;
use crate::vm::{self, Observer};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::process::getpgrp;
use rustix::termios::tcgetpgrp;
use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};

/// The interval between redraws.
const INTERVAL: Duration = Duration::from_millis(200);

/// A shorter wait is not shown.
const MOMENT: Duration = Duration::from_millis(400);

/// How much of the serial log's end is searched for its last line, in lines and bytes.
const LAST: u64 = 5;
const LONGEST: u64 = 16 << 10;

static SHOWN: Mutex<Shown> = Mutex::new(Shown { waits: Vec::new(), bar: None, is_named: false });

/// The current waits, the oldest first, and the line if it is drawn.
struct Shown {
    waits: Vec<Wait>,
    bar: Option<ProgressBar>,
    /// Whether the name of the throwaway instance was printed.
    is_named: bool,
}

struct Wait {
    instance: Instance,
    what: String,
    began: Instant,
}

/// Does the work, and shows what it waits for, if standard error is a terminal.
pub async fn shown<T>(context: &Context, work: impl Future<Output = T>) -> T {
    shown_by(context, observe, work).await
}

/// The same for a throwaway instance, whose name is printed first: the user can't know it.
pub async fn shown_named<T>(context: &Context, work: impl Future<Output = T>) -> T {
    shown_by(context, observe_named, work).await
}

async fn shown_by<T>(context: &Context, observer: Observer, work: impl Future<Output = T>) -> T {
    if !is_welcome(context) {
        return work.await;
    }
    let done = tokio::select! {
        biased;
        done = vm::observed(observer, work) => done,
        never = drawn() => match never {},
    };
    end();
    done
}

async fn drawn() -> Infallible {
    let mut interval = interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        draw();
    }
}

/// Whether the line may be drawn: on a terminal that we may write to, and without `--json`.
pub fn is_welcome(context: &Context) -> bool {
    // A job in the background leaves the terminal to the shell.
    let is_ours = || tcgetpgrp(io::stderr()).is_ok_and(|foreground| foreground == getpgrp());
    !context.json && wants_progress() && is_ours()
}

/// Ends the wait for this VM.
pub fn done(instance: &Instance) {
    observe(instance, "");
}

/// Erases the line, and ends all waits.
pub fn end() {
    let mut shown = lock();
    shown.waits.clear();
    shown.clear();
}

/// Writes other output, which stays above the line.
pub fn aside<T>(write: impl FnOnce() -> T) -> T {
    match &lock().bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

fn lock() -> MutexGuard<'static, Shown> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn observe_named(instance: &Instance, what: &str) {
    if !std::mem::replace(&mut lock().is_named, true) {
        let name = &instance.name;
        // No line is drawn yet.
        let _ = writeln!(io::stderr(), "to watch {name}: qqmgr serial {name} -f");
    }
    observe(instance, what);
}

fn observe(instance: &Instance, what: &str) {
    let mut shown = lock();
    let known = shown.waits.iter().position(|wait| wait.instance == *instance);
    match (known, what) {
        (Some(at), "") => drop(shown.waits.remove(at)),
        (None, "") => {}
        (Some(at), _) if shown.waits[at].what == what => {}
        (known, _) => {
            let (instance, what) = (instance.clone(), what.to_owned());
            let wait = Wait { instance, what, began: Instant::now() };
            match known {
                Some(at) => shown.waits[at] = wait,
                None => shown.waits.push(wait),
            }
        }
    }
    // At once: the next output may come from another program.
    if shown.waits.is_empty() {
        shown.clear();
    }
}

fn draw() {
    let mut shown = lock();
    let Some(line) = shown.line() else { return };
    let bar = shown.bar.get_or_insert_with(|| {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        // The template is valid; the default would show the message too.
        bar.with_style(
            ProgressStyle::with_template("{wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner()),
        )
    });
    bar.set_message(line);
    bar.tick();
}

impl Shown {
    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn line(&self) -> Option<String> {
        let Wait { instance, what, began } = self.waits.first()?;
        let waited = began.elapsed();
        if waited < MOMENT && self.bar.is_none() {
            return None;
        }
        let others = match self.waits.len() {
            1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        let waited = match waited.as_secs() {
            0 => "0s".to_owned(),
            seconds => duration::format(Duration::from_secs(seconds)),
        };
        let said = last_line(instance).map(|said| format!(" | {said}")).unwrap_or_default();
        Some(format!("{}{others}: waiting for {what}, {waited}{said}", instance.name))
    }
}

/// The last line of the guest's output that is not blank.
fn last_line(instance: &Instance) -> Option<String> {
    let log = logs::open(instance, Log::Serial, Lines::Last(LAST)).ok()?;
    let mut bytes = Vec::new();
    log.take(LONGEST).read_to_end(&mut bytes).ok()?;
    let text = harmless(&bytes);
    text.lines().rfind(|line| !line.trim().is_empty()).map(str::to_owned)
}
