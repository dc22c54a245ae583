//! Text that people write and read: templates, words, durations, and what a terminal may be shown.

pub mod duration;
pub(crate) mod quote;
pub mod sanitize;
pub mod source;
pub(crate) mod suggest;
pub(crate) mod template;
pub(crate) mod words;
