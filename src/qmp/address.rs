//! Where a QEMU listens for QMP.

use super::client::Stream;
use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use tokio::net::{TcpStream, UnixStream};

/// The longest path of a unix socket, in bytes (unix(7)).
const LONGEST_PATH: usize = 107;

/// Where a QEMU listens for QMP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A unix socket.
    Unix(PathBuf),
    /// A TCP port, as `HOST:PORT`.
    Tcp(String),
}

impl Address {
    /// Connects to it.
    ///
    /// # Errors
    /// Nothing listens there, or it can't be reached.
    pub async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Address::Unix(path) if path.as_os_str().len() > LONGEST_PATH => {
                let dir = std::fs::File::open(path.parent().unwrap_or(Path::new("/")))?;
                let name = path.file_name().unwrap_or_default();
                let short = format!("/proc/self/fd/{}", dir.as_raw_fd());
                Ok(Box::new(UnixStream::connect(Path::new(&short).join(name)).await?))
            }
            Address::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
            Address::Tcp(address) => Ok(Box::new(TcpStream::connect(address).await?)),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
            Address::Tcp(address) => write!(f, "tcp:{address}"),
        }
    }
}
