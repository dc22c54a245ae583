//! Taking turns at a VM's login: all that wait for one at once would fill the server's few places
//! for clients that are not logged in (`MaxStartups`, sshd_config(5)) and keep each other out.

use super::Session;
use std::fs::File;
use tokio::sync::oneshot;

impl Session {
    /// Waits for our turn to try a login, which is ours until this is dropped. Where there is
    /// nothing to wait at, it is ours at once.
    pub(super) async fn turn(&self) -> Option<File> {
        // Who logs in by another config does not wait for us.
        let file = File::open(&self.config_file).ok()?;
        if file.try_lock().is_ok() {
            return Some(file);
        }
        // A thread of its own: it sleeps in the kernel until its turn, and may be left behind.
        let (turn, waiting) = oneshot::channel();
        let wait = move || {
            let _ = turn.send(file.lock().is_ok().then_some(file));
        };
        std::thread::Builder::new().spawn(wait).ok()?;
        waiting.await.ok()?
    }
}
