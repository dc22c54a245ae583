//! The commands through the built binary: on real QEMU, on a real guest, and on a scripted fake.

// Clippy's exemption for tests does not reach what they call.
#![allow(clippy::unwrap_used, clippy::panic)]

mod bundle;
mod check;
mod completions;
mod config;
mod console;
mod copy;
mod dry_run;
mod ended;
mod events;
mod examples;
mod faults;
mod full;
mod gc;
mod gdb;
mod guest;
mod harness;
mod init;
mod install;
mod kills;
mod lease;
mod list;
mod logs;
mod long_path;
mod many;
mod monitor;
mod orphan;
mod permissions;
mod races;
mod restart;
mod run;
mod ssh;
mod ssh_config;
mod ssh_lost;
mod ssh_options;
mod ssh_sharing;
mod start;
mod state;
mod status;
mod stop;
mod stray;
mod timeline;
mod usage;
mod wait;
