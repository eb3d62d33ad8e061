//! The backend port.
