//! foureyes-vcs
