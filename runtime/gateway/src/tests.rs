//! The gateway as an agent meets it: through the real socket, with the real client.

mod catalogue;
mod identity;
mod limits;
mod message;
mod signing;
mod tools;
mod wire;
