//! foureyes-session

pub mod agent;
pub mod init;
pub mod sandbox;
pub mod screen;
