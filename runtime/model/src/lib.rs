//! The way to the model: the runtime's proxy in front of it, and a loopback server that stands in
//! for it.
