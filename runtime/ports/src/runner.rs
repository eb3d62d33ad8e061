//! The runner port.
