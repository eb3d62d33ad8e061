//! The real Claude Code in every role, against a model that a play stands in for: real programs, real
//! sandboxes, real git, real kills; no account and no network but loopback.

#![allow(clippy::disallowed_methods, reason = "tests start programs: git, gpg and the program under test")]

mod acp;
mod budget;
mod fetch;
mod hang;
mod hooks;
mod hostile;
mod kills;
mod limits;
mod mixed;
mod orders;
mod secrets;
mod start;
mod taking;
mod terminal;
mod told;
mod user;
mod whole;
