//! Watches files with inotify: it reports that something changed, not what.
//!
//! A user has only 128 inotify instances (`fs.inotify.max_user_instances`). So a process has one
//! instance for everything that it watches, and a thread that reads it: no runtime owns it.

use super::shared::Shared;
use inotify::{EventMask, Events, Inotify, WatchDescriptor, WatchMask, Watches};
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Room for the longest event: its header and a file's name (inotify(7)).
const BUFFER: usize = 4096;

/// The instance, once something is watched.
static WATCHED: Shared<Option<Watched>> = Shared::new(None);

/// Everything that is watched, and its readers.
struct Watched {
    watches: Watches,
    readers: HashMap<WatchDescriptor, Vec<Arc<Reader>>>,
}

/// A reader that waits for changes.
#[derive(Default)]
struct Reader {
    changed: Notify,
    /// inotify has failed and reports nothing more.
    is_cut_off: AtomicBool,
}

/// The changes of some files or directories since the watch began.
pub struct Changes {
    reader: Arc<Reader>,
    descriptors: Vec<WatchDescriptor>,
}

impl Changes {
    /// Begins to watch for changes of these kinds.
    ///
    /// # Errors
    /// One can't be watched.
    pub fn of(paths: &[&Path], kinds: WatchMask) -> io::Result<Changes> {
        // Locked until all paths are added: the thread must find a reader for every event.
        let mut guard = WATCHED.lock();
        let watched = match &mut *guard {
            Some(watched) => watched,
            none => none.insert(begin()?),
        };
        let mut changes = Changes { reader: Arc::default(), descriptors: Vec::new() };
        for path in paths {
            // Another reader may watch the same file for other kinds.
            let added = watched.watches.add(path, kinds | WatchMask::MASK_ADD);
            let descriptor = match added {
                Ok(descriptor) => descriptor,
                Err(error) => {
                    drop(guard);
                    return Err(error);
                }
            };
            watched.readers.entry(descriptor.clone()).or_default().push(changes.reader.clone());
            changes.descriptors.push(descriptor);
        }
        Ok(changes)
    }

    /// Waits for changes since it was last called. Cancel-safe.
    ///
    /// # Errors
    /// inotify has failed.
    pub async fn next(&mut self) -> io::Result<()> {
        self.reader.changed.notified().await;
        match self.reader.is_cut_off.load(Ordering::Relaxed) {
            true => Err(io::ErrorKind::UnexpectedEof.into()),
            false => Ok(()),
        }
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        let mut guard = WATCHED.lock();
        let Some(watched) = &mut *guard else { return };
        for descriptor in &self.descriptors {
            let Some(readers) = watched.readers.get_mut(descriptor) else { continue };
            readers.retain(|reader| !Arc::ptr_eq(reader, &self.reader));
            if readers.is_empty() {
                watched.readers.remove(descriptor);
                // The kernel has already removed the watch of a deleted file.
                let _ = watched.watches.remove(descriptor.clone());
            }
        }
    }
}

fn begin() -> io::Result<Watched> {
    let mut inotify = Inotify::init()?;
    let watches = inotify.watches();
    let read = move || {
        let mut buffer = [0; BUFFER];
        while tell(inotify.read_events_blocking(&mut buffer)) {}
    };
    std::thread::Builder::new().name("qqmgr-inotify".to_owned()).spawn(read)?;
    Ok(Watched { watches, readers: HashMap::new() })
}

/// Wakes the readers; false if inotify has failed.
fn tell(events: io::Result<Events>) -> bool {
    let mut guard = WATCHED.lock();
    let Some(Watched { readers, .. }) = &mut *guard else { return false };
    match events {
        Ok(events) => {
            for event in events {
                let tell = |readers: &Vec<Arc<Reader>>| {
                    readers.iter().for_each(|reader| reader.changed.notify_one());
                };
                match event.mask.contains(EventMask::Q_OVERFLOW) {
                    true => readers.values().for_each(tell),
                    false => readers.get(&event.wd).into_iter().for_each(tell),
                }
            }
            true
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => true,
        Err(_) => {
            for reader in readers.values().flatten() {
                reader.is_cut_off.store(true, Ordering::Relaxed);
                reader.changed.notify_one();
            }
            // The next reader creates a new instance.
            *guard = None;
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[tokio::test]
    async fn each_reader_of_a_file_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut file = std::fs::File::create(&path).unwrap();
        let watch = |kinds| Changes::of(&[&path], kinds).unwrap();
        let (mut one, other) = (watch(WatchMask::MODIFY), watch(WatchMask::ATTRIB));
        drop(other);
        for _ in 0..3 {
            file.write_all(b"x").unwrap();
            one.next().await.unwrap();
        }
        assert!(Changes::of(&[&dir.path().join("none")], WatchMask::MODIFY).is_err());
    }
}
