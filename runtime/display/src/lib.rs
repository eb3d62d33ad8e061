//! foureyes-display
