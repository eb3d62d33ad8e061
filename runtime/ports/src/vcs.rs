//! The vcs port.
