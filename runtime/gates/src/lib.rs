//! foureyes-gates
