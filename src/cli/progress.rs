//! What a verb waits for, for how long, and what the guest says meanwhile: one line on the terminal
//! that is drawn again and again, and is gone when there is something to read.

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

/// How often it is drawn.
const INTERVAL: Duration = Duration::from_millis(200);

/// What has lasted no longer than this is not shown.
const MOMENT: Duration = Duration::from_millis(400);

/// So much of the end of the serial log is looked at for its last line, in lines and bytes.
const LAST: u64 = 5;
const LONGEST: u64 = 16 << 10;

static SHOWN: Mutex<Shown> = Mutex::new(Shown { waits: Vec::new(), bar: None, is_named: false });

/// What is awaited, the oldest first, and the line if there is one.
struct Shown {
    waits: Vec<Wait>,
    bar: Option<ProgressBar>,
    /// Whether it was told what the throwaway instance is called.
    is_named: bool,
}

struct Wait {
    instance: Instance,
    what: String,
    began: Instant,
}

/// Does the work, and shows what it waits for, where there is somebody to see it.
pub async fn shown<T>(context: &Context, work: impl Future<Output = T>) -> T {
    shown_by(context, observe, work).await
}

/// The same of a throwaway instance, which is named: nobody else knows what it is called.
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

/// Whether there is a terminal that is ours, and nothing against it.
pub fn is_welcome(context: &Context) -> bool {
    // In a shell's background the terminal is the shell's.
    let is_ours = || tcgetpgrp(io::stderr()).is_ok_and(|foreground| foreground == getpgrp());
    !context.json && wants_progress() && is_ours()
}

/// Nothing of this VM is awaited any more.
pub fn done(instance: &Instance) {
    observe(instance, "");
}

/// Takes the line away for good.
pub fn end() {
    let mut shown = lock();
    shown.waits.clear();
    shown.clear();
}

/// Writes what is to stay above the line.
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
        // Before there is any line.
        let _ = writeln!(io::stderr(), "{name}: to watch it: qqmgr serial {name} -f");
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
    // At once: something else may have the terminal next.
    if shown.waits.is_empty() {
        shown.clear();
    }
}

fn draw() {
    let mut shown = lock();
    let Some(line) = shown.line() else { return };
    let bar = shown.bar.get_or_insert_with(|| {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        // What it does not understand it shows as it is.
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
        let waited = duration::format(Duration::from_secs(waited.as_secs()));
        let said = last_line(instance).map(|said| format!(" | {said}")).unwrap_or_default();
        Some(format!("{}{others}: waiting for {what}, {waited}{said}", instance.name))
    }
}

/// The guest's latest words.
fn last_line(instance: &Instance) -> Option<String> {
    let log = logs::open(instance, Log::Serial, Lines::Last(LAST)).ok()?;
    let mut bytes = Vec::new();
    log.take(LONGEST).read_to_end(&mut bytes).ok()?;
    let text = harmless(&bytes);
    text.lines().rfind(|line| !line.trim().is_empty()).map(str::to_owned)
}
