//! Crash bundles: one directory with everything known about a VM that died or never came up.

use crate::Error;
use crate::config::{Config, Instance};
use crate::error::{Exit, Fault, cant};
use crate::events::Told;
use crate::qmp::Event;
use crate::screen::screenshot;
use crate::sys::private_dir;
use crate::target::Target;
use crate::vm::{EventLog, Launch, Milestone, Timeline, VmDir, VmError, files};
use jiff::Timestamp;
use serde_json::json;
use std::collections::VecDeque;
use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How many bundles of a VM are kept; older ones are removed.
const KEPT: usize = 5;

/// The file in a bundle that describes the error for programs.
const RECORD: &str = "error.json";

/// How much of a file's end is copied, in MiB: a guest's log can fill a disk.
const LONGEST: u64 = 16;

/// How many of the latest events are copied.
const MOST_EVENTS: usize = 10_000;

/// How long QEMU may take to draw a screenshot.
const PATIENCE: Duration = Duration::from_secs(2);

/// The VM's files that a bundle copies, and what they are.
const FILES: [(&str, &str); 4] = [
    (files::SERIAL, "the guest's serial port"),
    (files::STDOUT, "QEMU's standard output"),
    (files::STDERR, "QEMU's standard error"),
    (files::TIMELINE, "when the boot reached its milestones, in seconds since QEMU started"),
];

/// A VM died or never came up: the error, with the bundle or the reason why it is missing.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Crashed {
    error: Error,
    bundle: Result<PathBuf, Error>,
}

impl Fault for Crashed {
    fn answer(&self) -> (&'static str, Exit) {
        self.error.fault().answer()
    }

    fn bundled(&self) -> Option<(&Error, Result<&Path, &Error>)> {
        Some((&self.error, self.bundle.as_deref()))
    }
}

/// The error of a start, with a bundle if it is a crash.
pub async fn of_start(config: &Config, instance: &Instance, error: Error) -> Error {
    if error.is_crash() { wrap(config, instance, error).await } else { error }
}

/// Writes a bundle for a crash, and returns the error that names it.
pub async fn wrap(config: &Config, instance: &Instance, error: Error) -> Error {
    let bundle = write(config, instance, &error).await;
    Crashed { error, bundle }.into()
}

async fn write(config: &Config, instance: &Instance, error: &Error) -> Result<PathBuf, Error> {
    let gone = || Error::from(VmError::NotRunning { vm: instance.name.clone(), ended: None });
    let dir = VmDir::open(instance)?.ok_or_else(gone)?;
    // The bundles of a throwaway instance outlive it, so they are with its VM's.
    let parent = instance.vm_dir().join(files::CRASHES);
    private_dir::make(&parent)?;
    let bundle = new_directory(&parent)?;
    let failed = cant("write", &bundle);
    // A file that is missing is not copied.
    let is_cut =
        FILES.map(|(name, _)| copy_end(&dir.file(name), &bundle.join(name)).unwrap_or(false));
    let launch = Launch::read(&dir).ok().flatten();
    let argv = launch.as_ref().map(|launch| launch.argv.as_slice()).unwrap_or_default();
    let line = shlex::try_join(argv.iter().map(String::as_str)).unwrap_or_default();
    let resolved =
        launch.as_ref().and_then(|launch| config.resolve(instance, &launch.ports()).ok());
    let events = last_events(&dir)?;
    let lines: io::Result<String> =
        events.iter().map(|event| Ok(serde_json::to_string(event)? + "\n")).collect();
    save(&bundle, "command-line", line + "\n").map_err(failed)?;
    save(&bundle, "config.json", format!("{:#}\n", json!(resolved))).map_err(failed)?;
    save(&bundle, "events.ndjson", lines.map_err(failed)?).map_err(failed)?;
    let picture = screenshot(&Target::Vm(instance.clone()), None, PATIENCE).await;
    let shot = picture.is_ok_and(|picture| save(&bundle, "screenshot.png", &picture.png).is_ok());
    let story = story(instance, error, Timeline::read(&dir).as_ref(), &events, is_cut, shot);
    save(&bundle, "README", &story).map_err(failed)?;
    let excerpt = error.excerpt().map(|(_, excerpt)| excerpt);
    let record = json!({
        "code": error.code(), "message": error.to_string(), "excerpt": excerpt, "ended": error.ended(),
    });
    save(&bundle, RECORD, format!("{record}\n")).map_err(failed)?;
    prune(&parent, &bundle);
    Ok(bundle)
}

fn last_events(dir: &VmDir) -> Result<VecDeque<Event>, Error> {
    let mut events = VecDeque::new();
    let mut log = EventLog::open_last(dir)?;
    while let Some(log) = &mut log
        && let Some(line) = log.next_line()?
    {
        if let Some(Told::Event(event)) = Told::of(&line) {
            if events.len() == MOST_EVENTS {
                events.pop_front();
            }
            events.push_back(event);
        }
    }
    Ok(events)
}

/// Makes a directory named after the time, so that names sort by age.
fn new_directory(parent: &Path) -> Result<PathBuf, Error> {
    let path = parent.join(Timestamp::now().strftime("%s-%6f").to_string());
    private_dir::make(&path)?;
    Ok(path)
}

fn save(bundle: &Path, name: &str, contents: impl AsRef<[u8]>) -> io::Result<()> {
    use std::io::Write;
    create(&bundle.join(name))?.write_all(contents.as_ref())
}

fn create(path: &Path) -> io::Result<File> {
    File::options().write(true).create_new(true).mode(0o600).open(path)
}

/// Copies the end of a file; returns whether its beginning was left out.
fn copy_end(from: &Path, to: &Path) -> io::Result<bool> {
    let mut file = File::open(from)?;
    let start = file.metadata()?.len().saturating_sub(LONGEST << 20);
    file.seek(SeekFrom::Start(start))?;
    io::copy(&mut file.take(LONGEST << 20), &mut create(to)?)?;
    Ok(start > 0)
}

/// What happened, in order, for a person who opens the directory.
fn story(
    instance: &Instance,
    error: &Error,
    timeline: Option<&Timeline>,
    events: &VecDeque<Event>,
    is_cut: [bool; FILES.len()],
    has_screenshot: bool,
) -> String {
    let timeline = timeline.cloned().unwrap_or_default();
    let mut entries = vec![(0.0, "QEMU started".to_owned())];
    let passed =
        |milestone: Milestone| Some((timeline.at(milestone)?, milestone.label().to_owned()));
    entries.extend(Milestone::ALL.into_iter().filter_map(passed));
    entries.extend(events.iter().map(|event| {
        let at = event.timestamp.since_epoch().as_secs_f64();
        (at - timeline.spawned_at, format!("QMP event {}", event.name))
    }));
    entries.sort_by(|a, b| a.0.total_cmp(&b.0));
    let excerpt = error.excerpt().map(|(title, excerpt)| format!("\n{title}\n{excerpt}"));
    let end = error.to_string() + &excerpt.unwrap_or_default();
    entries.push((timeline.age(), end.replace('\n', "\n              ")));
    let mut text = format!("VM {}: failure report\n\nWhat happened\n", instance.name);
    for (time, what) in &entries {
        // Writing to a String can't fail.
        let _ = writeln!(text, "  {time:9.3}s  {what}");
    }
    text.push_str("\nFiles\n  command-line   QEMU's command line\n");
    text.push_str("  config.json    the VM's config, variables expanded\n");
    text.push_str("  error.json     the error's code and message\n");
    text.push_str("  events.ndjson  the QMP events since its start\n");
    for ((name, what), is_cut) in FILES.iter().zip(is_cut) {
        let part = if is_cut { format!(", its last {LONGEST} MiB") } else { String::new() };
        let _ = writeln!(text, "  {name:<14} {what}{part}");
    }
    if has_screenshot {
        text.push_str("  screenshot.png the screen\n");
    }
    text
}

/// Removes all bundles but the latest: their names are times. `new` was just reported, and stays.
fn prune(parent: &Path, new: &Path) {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let mut bundles: Vec<_> = entries.map(|entry| entry.path()).collect();
    bundles.sort();
    for old in bundles.iter().rev().skip(KEPT).filter(|path| *path != new) {
        let _ = std::fs::remove_dir_all(old);
    }
}
