//! foureyes-load-tests
