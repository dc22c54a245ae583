//! Changes of files, told by inotify: that there was one, not which.
//!
//! A user has only 128 instances of inotify in all (`fs.inotify.max_user_instances`), so a process
//! has one for everything that it watches, and a thread that reads it: it belongs to no runtime.

use super::shared::Shared;
use inotify::{EventMask, Events, Inotify, WatchDescriptor, WatchMask, Watches};
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Room for the longest notice: its head and a file's name (inotify(7)).
const BUFFER: usize = 4096;

/// The one instance, once something is watched.
static WATCHED: Shared<Option<Watched>> = Shared::new(None);

/// What is watched, and who wants to know.
struct Watched {
    watches: Watches,
    readers: HashMap<WatchDescriptor, Vec<Arc<Reader>>>,
}

/// Somebody who watches.
#[derive(Default)]
struct Reader {
    changed: Notify,
    /// The system does not tell any more.
    is_cut_off: AtomicBool,
}

/// The changes of some files or directories, from when they are first watched.
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
        // Held until all are noted: the thread finds the reader of whatever it is told.
        let mut guard = WATCHED.lock();
        let watched = match &mut *guard {
            Some(watched) => watched,
            none => none.insert(begin()?),
        };
        let mut changes = Changes { reader: Arc::default(), descriptors: Vec::new() };
        for path in paths {
            // Others may watch the same file for something else.
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
    /// The system does not tell any more.
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
                // What was removed is watched no longer already.
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

/// Tells the readers; false if nothing will come any more.
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
            // Who watches later has it begun anew.
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
