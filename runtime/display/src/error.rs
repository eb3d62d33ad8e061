//! Why a sink ended before its time.

/// Why a sink ended before its time. Nobody but the sink is touched by it: drop the sink, tell the
/// user, go on.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The terminal, pipe or file does not take what is written.
    #[error("{sink}: cannot write to {target}: {source}")]
    Write {
        /// Which sink.
        sink: &'static str,
        /// Where it wrote.
        target: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The terminal cannot be switched to full-screen drawing or cannot be read.
    #[error("{sink}: the terminal cannot be used: {source}; run it with --log to get plain lines")]
    Terminal {
        /// Which sink.
        sink: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The thread that draws died.
    #[error("{sink}: the drawing thread died; the run goes on without it")]
    Died {
        /// Which sink.
        sink: &'static str,
    },
}

impl SinkError {
    pub(crate) fn terminal(sink: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::Terminal { sink, source }
    }
}
