//! The command line.

/// What `slate help` prints.
pub const HELP: &str = include_str!("help.txt");
