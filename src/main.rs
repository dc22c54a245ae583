//! The `qqmgr` binary.
fn main() {}
