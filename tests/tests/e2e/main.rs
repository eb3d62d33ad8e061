//! The product as its user meets it: the program, a repository, real git, real sandboxes, real kills.

#![allow(clippy::disallowed_methods, reason = "tests start programs: git, gpg and the program under test")]

mod agents;
mod attacks;
mod audit;
mod crates;
mod demo;
mod gates;
mod kills;
mod kinds;
mod prompts;
mod smoke;
mod worlds;
