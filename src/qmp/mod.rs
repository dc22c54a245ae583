//! QMP, the QEMU Machine Protocol: its messages and a client that knows nothing about qqmgr.
//!
//! The facts come from the QEMU manual, "QEMU Machine Protocol Specification"
//! (`docs/interop/qmp-spec`); its sections are named where they matter.
//!
//! ```no_run
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! use qqmgr::qmp::Client;
//! use tokio::net::UnixStream;
//!
//! let mut client = Client::handshake(UnixStream::connect("qmp.socket").await?).await?;
//! let state = client.query_status().await?.status;
//! println!("QEMU {} is {state}", client.version());
//! # Ok(())
//! # }
//! ```

mod address;
pub mod arguments;
mod client;
mod error;
mod message;
mod queue;
mod reader;
pub mod schema;
#[cfg(test)]
mod tests;

pub use address::Address;
pub use client::{Client, Stream};
pub use error::Error;
pub use message::{Event, Record, Status, Timestamp, Version, event_name};
pub(crate) use reader::LineReader;
pub use reader::MAX_LINE;
