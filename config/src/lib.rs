//! foureyes-config
