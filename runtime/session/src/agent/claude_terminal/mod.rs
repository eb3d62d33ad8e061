//! Claude Code by its own screen, in a terminal.
//!
//! **What it does** is known from two structured sources, never from what the screen shows: the file
//! that the program keeps of its own session (`sessions/<pid>.json` below its configuration
//! directory: idle, busy, waiting), and the hooks that it calls. Both are the agent's word, and
//! count for the agent's turns alone.
//!
//! **A prompt** is pasted, its Return follows as a write of its own, and neither goes into a dialog,
//! a running turn, or a line that a person has begun. Its first line is a marker, by which the hook
//! on submitted prompts tells that it was seen.
//!
//! **No dialog** stops a start: what the program would ask is answered in its configuration before it
//! starts ([`configure`]); the dialogs of its commands are switched off with the commands.

mod backend;
mod configuration;
mod dir;
mod keyboard;
mod marker;
mod paste;
mod record;
mod session;
mod shared;
mod turns;

pub use backend::{ClaudeTerminalBackend, ClaudeTerminalOptions};
pub use configuration::{ConfigureError, Configured, TerminalPlan, configure, was_seen};
