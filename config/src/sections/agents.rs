//! `agents`: what every agent process is given, whatever program it is.

use super::{
    roster::{Backend, ClaudeMode},
    section,
};
use crate::{
    schema,
    units::{Bytes, Millis, positive},
};
use std::path::PathBuf;

section! {
    /// Defaults and limits of the agent processes.
    pub struct Agents {
        /// The program of every role that names none itself.
        #[garde(dive)]
        pub backend: Backend = Backend::Claude { model: None, mode: ClaudeMode::Structured, args: Vec::new() },
        /// Memory (data segment) of each process of an agent.
        #[garde(custom(positive))]
        pub memory: Bytes = Bytes::gib(4),
        /// Memory of all processes of one agent together; who passes it is ended and restarted.
        #[garde(custom(positive))]
        pub total_memory: Bytes = Bytes::gib(8),
        /// What one agent's home and clone may take on the disk.
        #[garde(custom(positive))]
        pub disk: Bytes = Bytes::gib(16),
        /// Processes and threads of one agent together. The kernel's least ceiling is 301.
        #[garde(range(min = 301))]
        pub processes: u32 = 512,
        /// Whether programs with a model are started only when something waits for them; else all at
        /// once, at the start.
        pub lazy: bool = true,
        /// How long a start may take before it counts as failed.
        #[garde(custom(positive))]
        pub start_timeout: Millis = Millis::seconds(30),
        /// The program of the back end `claude`: its absolute path. Absent: the `claude` that is
        /// found on PATH or where its installers put it.
        #[schemars(schema_with = "schema::absolute_path")]
        pub claude_program: Option<PathBuf> = None,
        /// How long an agent in mid-turn may show nothing before it is asked for a sign of life.
        #[garde(custom(positive))]
        pub quiet: Millis = Millis::seconds(30),
        /// How long it then has to answer; without an answer it counts as hung and is restarted.
        #[garde(custom(positive))]
        pub answer_within: Millis = Millis::seconds(10),
        /// How long one turn may take; then it is interrupted.
        #[garde(custom(positive))]
        pub turn: Millis = Millis::seconds(3600),
        /// An agent that ended its turn and left envelopes unacknowledged is reminded after so long.
        #[garde(custom(positive))]
        pub remind: Millis = Millis::seconds(300),
        /// The size of each agent's terminal.
        #[garde(dive)]
        pub terminal: Terminal = Terminal::default(),
    }
}

section! {
    /// The size of a terminal.
    pub struct Terminal {
        /// Columns.
        #[garde(range(min = 2, max = 1000))]
        pub columns: u16 = 100,
        /// Rows.
        #[garde(range(min = 2, max = 1000))]
        pub rows: u16 = 30,
        /// Lines kept above the screen, for each agent.
        #[garde(range(max = 100_000))]
        pub scrollback: u32 = 2000,
    }
}
