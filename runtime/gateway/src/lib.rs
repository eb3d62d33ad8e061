//! The gateway: the one socket through which an agent reaches the runtime. Who speaks is decided by
//! the socket, never by what is said on it.

pub mod client;
