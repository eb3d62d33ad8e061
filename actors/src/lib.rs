//! foureyes-actors
