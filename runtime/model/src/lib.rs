//! The way to the model: the runtime's proxy in front of it, and a loopback server that stands in
//! for it; and the fetching of pages for the role that may read outside.
//!
//! * [`proxy`]: what an agent's CLI takes for the API. Checks who asks, puts the real credentials
//!   in, counts what passes, and names what goes wrong.
//! * [`standin`]: a server of the Messages API on loopback over the port
//!   [`StandIn`](foureyes_ports::model::StandIn).
//! * [`fetch`]: pages from hosts that the user accepted, by GET alone.
//!
//! This crate is the only one that leaves the machine by HTTP; `outward` says on which ways.

pub mod fetch;
mod outward;
pub mod proxy;
pub mod standin;

#[cfg(test)]
mod testing;
