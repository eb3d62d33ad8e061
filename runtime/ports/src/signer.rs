//! The signer port.
