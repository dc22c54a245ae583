//! Waits for a login to the guest, and fails at once if no login can succeed.

use super::Subject;
use crate::Error;
use crate::config::Diagnostic;
use crate::ssh::{self, Doubts, KeyFault, Login, Opinion, Session, SshError};
use crate::vm::Milestone;
use std::time::Duration;
use tokio::time::Instant;

/// The interval between looks for the address of a guest that has its own.
const ADDRESS_INTERVAL: Duration = Duration::from_millis(500);
/// How long the server's greeting may take if ssh tries only once.
const ONE_TRY: Duration = Duration::from_secs(5);

impl Subject<'_> {
    /// Waits for a login, and records the milestone if this is the first.
    pub(super) async fn log_in(&self) -> Result<Session, Error> {
        let began = Instant::now();
        let fresh = self.timeline.lock().age() < 1.0;
        let session = self.open().await?;
        *self.login_began.lock() = Some(began);
        let mut login = Login::new(&session, &self.login, self.is_booting());
        let logged_in = async {
            while let Some(said) = login.next().await? {
                self.denied(&session, said).await?;
            }
            Ok::<_, Error>(())
        };
        tokio::select! {
            refusal = self.refused(&session) => return Err(refusal),
            logged_in = logged_in => logged_in?,
        }
        self.login_began.lock().take();
        self.last_ssh.lock().clear();
        if fresh || began.elapsed() > Duration::from_secs(1) {
            // What can't be noted is no reason for a login that works to fail.
            let _ = self.pass(Milestone::Ssh);
        }
        Ok(session)
    }

    /// Opens a session as soon as the guest's address is known.
    async fn open(&self) -> Result<Session, Error> {
        loop {
            match Session::open(self.config, self.instance).await {
                Err(error) if matches!(error.get(), Some(SshError::AddressUnknown { .. })) => {
                    "the guest's address is not known yet".clone_into(&mut self.last_ssh.lock());
                    tokio::time::sleep(ADDRESS_INTERVAL).await;
                }
                session => return session,
            }
        }
    }

    /// Tries to log in once, now; `None` if it fails.
    pub(super) async fn log_in_now(&self) -> Result<Option<Session>, Error> {
        let session = Session::open(self.config, self.instance).await?;
        let said = session.log_in_now(ONE_TRY).await?;
        if let Some(said) = &said {
            self.last_ssh.lock().clone_from(said);
        }
        Ok(said.is_none().then_some(session))
    }

    /// Returns when ssh can't read the VM's options.
    async fn refused(&self, session: &Session) -> Error {
        match self.doubts(session).await {
            Some(doubts) if !doubts.refused.is_empty() => self.doubtful(doubts.refused, ""),
            _ => std::future::pending().await,
        }
    }

    /// Keeps what ssh said about a failed login. This is an error if no login can ever work: the
    /// guest wants a key, and ssh can use none.
    async fn denied(&self, session: &Session, said: String) -> Result<(), Error> {
        self.last_ssh.lock().clone_from(&said);
        let Some(denial) = said.lines().rfind(|line| line.contains(ssh::DENIED)) else {
            return Ok(());
        };
        match self.doubts(session).await {
            // If ssh does not say that it ignores a key, it may not have tried it: an agent may
            // hold one.
            Some(Doubts { keyless: true, keys, .. })
                if said.contains("UNPROTECTED PRIVATE KEY")
                    || keys.iter().all(|(fault, _)| *fault != KeyFault::Open) =>
            {
                let keys = keys.into_iter().map(|(_, doubt)| doubt).collect();
                Err(self.doubtful(keys, &format!(", and ssh says: {denial}")))
            }
            _ => Ok(()),
        }
    }

    async fn doubts(&self, session: &Session) -> Option<Doubts> {
        let definition = self.config.file.vm(&self.instance.definition)?;
        let ssh = session.options();
        Some(Opinion::of(ssh).await.doubts(self.config, definition, ssh))
    }

    fn doubtful(&self, mut doubts: Vec<Diagnostic>, why: &str) -> Error {
        for doubt in &mut doubts {
            doubt.message = format!("VM `{}`: {}{why}", self.name(), doubt.message);
        }
        self.config.invalid(doubts).into()
    }
}
