//! Small calculations on lists of numbers.

pub mod cli;
pub mod list;
pub mod range;
