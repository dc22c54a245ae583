//! Taking turns at a VM's login: all that wait for one at once would fill the server's few places
//! for clients that are not logged in (`MaxStartups`, sshd_config(5)) and keep each other out.

use super::Session;
use crate::{flock, process};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// Between two looks at who has the turn.
const INTERVAL: Duration = Duration::from_secs(1);

impl Session {
    /// Waits for our turn to try a login, which is ours until this is dropped. Where there is
    /// nothing to wait at, or nobody to wait for, we go without one.
    pub(super) async fn turn(&self) -> Option<OwnedFd> {
        // Who logs in by another config does not wait for us.
        let file = File::open(&self.config_file).ok()?;
        let inode = file.metadata().ok()?.ino();
        tokio::select! {
            biased;
            () = suspended_at(inode) => None,
            turn = flock::exclusive(file.into()) => turn.ok(),
        }
    }
}

/// Returns when who has the turn is suspended, and would keep it for as long.
async fn suspended_at(inode: u64) {
    loop {
        let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
        if holder(&locks, inode).is_some_and(process::is_suspended) {
            return;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Who has locked a file (proc_locks(5)): `1: FLOCK  ADVISORY  WRITE PID MAJOR:MINOR:INODE 0 EOF`;
/// who waits for it has `->` before the kind.
fn holder(locks: &str, inode: u64) -> Option<u32> {
    locks.lines().find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let is_flock = fields.next() == Some("FLOCK");
        let (pid, file) = (fields.nth(2)?, fields.next()?);
        let is_it = file.rsplit(':').next()?.parse() == Ok(inode);
        pid.parse().ok().filter(|_| is_flock && is_it)
    })
}

#[cfg(test)]
mod tests {
    use super::holder;

    #[test]
    fn reads_the_kernels_table() {
        let locks = "1: POSIX  ADVISORY  WRITE 4 fe:00:77 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 5 fe:00:78 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 6 fe:00:77 0 EOF\n\
                     3: -> FLOCK  ADVISORY  WRITE 7 fe:00:77 0 EOF\n";
        assert_eq!(holder(locks, 77), Some(6));
        assert_eq!(holder(locks, 79), None);
    }
}
