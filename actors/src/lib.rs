//! The supervised actors: services, roles and the tree that holds them. The only crate that names
//! actix; it knows the world through ports alone.

pub mod context;
pub mod journal;
pub mod services;
pub mod supervision;
