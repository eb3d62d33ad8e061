//! foureyes-session
