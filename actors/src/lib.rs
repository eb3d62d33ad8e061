//! foureyes-actors
pub mod supervision;
