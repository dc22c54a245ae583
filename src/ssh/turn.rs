//! Lets only one command at a time try a VM's login. Several at once would fill the server's few
//! places for clients that are not logged in (`MaxStartups`, sshd_config(5)).

use super::Session;
use crate::sys::flock;
use std::fs::File;
use std::os::fd::OwnedFd;

impl Session {
    /// Waits for our turn to try a login, which lasts until this is dropped. `None` if there is no
    /// file to lock: then the try goes ahead without a turn.
    pub(super) async fn turn(&self) -> Option<OwnedFd> {
        // A command with another config does not wait for us.
        let file = File::open(&self.config_file).ok()?;
        flock::exclusive(file.into()).await.ok()
    }
}
