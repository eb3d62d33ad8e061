//! foureyes-session

pub mod agent;
pub mod screen;
pub mod init;
pub mod sandbox;
