//! foureyes-policies
