//! foureyes-cli
