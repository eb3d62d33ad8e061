//! foureyes-session

pub mod screen;
