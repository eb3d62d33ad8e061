//! foureyes-hooks
