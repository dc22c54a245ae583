//! TOML text to a tree of values with their places, in little memory: a config of a thousand
//! VMs is parsed whole for each command.

#[cfg(test)]
mod against_toml;
mod build;
mod parse;
mod table;
#[cfg(test)]
mod tests;
mod value;

pub use parse::parse;
pub use table::{Entry, Table};
pub use value::{Kind, Value};
