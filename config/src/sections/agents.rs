//! `agents`: what every agent process is given, whatever program it is.

use super::{roster::Backend, section};
use crate::units::{Bytes, Millis, positive};

section! {
    /// Defaults and limits of the agent processes.
    pub struct Agents {
        /// The program of every role that names none itself.
        #[garde(dive)]
        pub backend: Backend = Backend::Claude { model: None, args: Vec::new() },
        /// Memory (data segment) of each process of an agent.
        #[garde(custom(positive))]
        pub memory: Bytes = Bytes::gib(4),
        /// Processes and threads of one agent together. The kernel's least ceiling is 301.
        #[garde(range(min = 301))]
        pub processes: u32 = 512,
        /// How long a start may take before it counts as failed.
        #[garde(custom(positive))]
        pub start_timeout: Millis = Millis::seconds(30),
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
