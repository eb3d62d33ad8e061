//! The supervised actors: services, roles and the tree that holds them. The only crate that names
//! actix; it knows the world through ports alone.

pub mod context;
pub mod core;
pub mod folded;
pub mod inbox;
pub mod jobs;
pub mod journal;
pub mod meter;
pub mod role;
pub mod services;
pub mod supervision;
