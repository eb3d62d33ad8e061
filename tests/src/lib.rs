//! foureyes-tests
