//! Back ends: programs that act for roles, in a PTY or over pipes.
//!
//! **Threads and tasks of one session.** A task owns the process and sees its end. In a PTY one OS
//! thread reads and feeds the screen model, so that a program that writes without end keeps no
//! actor from its work and is held back by the kernel; nothing between it and the model can grow.
//! Over pipes a task reads, since a program that speaks records writes little. Input has one owner
//! behind a fair lock: prompts, answers and keys of a person never mix.
//!
//! **Order of the end.** The process is dead, then what is left of its process group is killed,
//! then the reader has taken what was still in the PTY or pipe, then the cause is told. A
//! grandchild that left the group dies by the sandbox's process namespace; without a sandbox it
//! may live on, but it cannot keep the session open.

pub mod acp;
pub mod claude;
pub mod claude_terminal;
mod input;
mod json_lines;
mod life;
mod lines;
mod pipes;
mod prompt;
mod pty;
mod reader;
mod running;
mod shared_screen;
mod styled;
mod terminal;
mod troubled;

pub use json_lines::JsonLines;
pub use lines::MAX_LINE;
pub use pipes::{LineProtocol, PipeBackend, Step};
pub use prompt::PromptStyle;
pub use pty::{PtyBackend, PtyOptions};
pub use styled::{StyledLine, Tone};

#[cfg(test)]
mod tests;
