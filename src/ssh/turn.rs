//! Taking turns at a VM's login: all that wait for one at once would fill the server's few places
//! for clients that are not logged in (`MaxStartups`, sshd_config(5)) and keep each other out.

use super::Session;
use crate::sys::flock;
use std::fs::File;
use std::os::fd::OwnedFd;

impl Session {
    /// Waits for our turn to try a login, which is ours until this is dropped. Where there is
    /// nothing to wait at, we go without one.
    pub(super) async fn turn(&self) -> Option<OwnedFd> {
        // Who logs in by another config does not wait for us.
        let file = File::open(&self.config_file).ok()?;
        flock::exclusive(file.into()).await.ok()
    }
}
