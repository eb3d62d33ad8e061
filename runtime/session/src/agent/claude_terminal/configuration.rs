//! What the program is started with, and what its configuration must say so that it asks nothing.

mod command_line;
mod global;

use super::{dir::Dir, marker, record};
use command_line::{argv, environment};
use foureyes_ports::backend::{PromptId, SessionRef};
use std::{
    io,
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// The file in which the program keeps what it was told once and for all.
const GLOBAL: &str = ".claude.json";
/// The largest such file that is read, in bytes; a larger one is written anew.
const MAX_GLOBAL: usize = 4 << 20;
/// How much of the end of a conversation is searched, in bytes.
const MAX_TRANSCRIPT: u64 = 8 << 20;

/// What the program is started with. Paths are those of the inside.
#[derive(Clone, Debug)]
pub struct TerminalPlan {
    /// The program.
    pub program: PathBuf,
    /// `CLAUDE_CONFIG_DIR`.
    pub config_dir: PathBuf,
    /// The working directory, which must be the root of the clone.
    pub work: PathBuf,
    /// The name of the session, for people.
    pub name: String,
    /// Its id. Whether it is continued is decided by what is there: [`Configured::resumes`].
    pub session: Uuid,
    /// Where the model is asked.
    pub base_url: String,
    /// What is shown there; good for nothing else.
    pub token: String,
    /// The model; the program's own default where absent.
    pub model: Option<String>,
    /// The tools that it has, besides those of the runtime.
    pub tools: Vec<String>,
    /// Rules for what it may do without a question; what they leave out is refused.
    pub allow: Vec<String>,
    /// A file that is appended to its system prompt.
    pub prompt_file: Option<PathBuf>,
    /// Whether it runs behind a real wall.
    pub walled: bool,
    /// More arguments, from the user's configuration.
    pub args: Vec<String>,
}

/// How it is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configured {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Environment variables besides PATH, HOME, LANG and TERM.
    pub env: Vec<(String, String)>,
    /// Whether the conversation goes on; else it begins.
    pub resumes: bool,
}

impl Configured {
    /// The session as a back end is told of it.
    pub fn session(&self, id: Uuid) -> SessionRef {
        SessionRef { id, resume: self.resumes }
    }
}

/// The configuration could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the configuration of the agent's program in {dir}: {why}; the directory above it must exist")]
pub struct ConfigureError {
    /// The directory, on the host.
    pub dir: PathBuf,
    /// What the system said.
    pub why: io::Error,
}

/// Writes the configuration into `dir`, the host's path of [`TerminalPlan::config_dir`], so that no
/// dialog stops the start, and tells how to start. What the program keeps there from earlier lives
/// is kept, and its directory belongs to the owner of the one above. To be called before each start,
/// while no life of the program is under way.
///
/// # Errors
/// [`ConfigureError`] when something cannot be written.
pub fn configure(plan: &TerminalPlan, dir: &Path) -> Result<Configured, ConfigureError> {
    let written = || -> io::Result<bool> {
        let config = Dir::make(dir)?;
        let kept = config.read(GLOBAL, MAX_GLOBAL).ok();
        config.write(GLOBAL, &global::merged(kept.as_deref(), plan))?;
        record::forget(&config)?;
        Ok(transcripts(&config, &plan.work).is_ok_and(|dir| dir.has(&transcript(plan.session))))
    };
    let resumes = written().map_err(|why| ConfigureError { dir: dir.to_owned(), why })?;
    Ok(Configured { argv: argv(plan, resumes), env: environment(plan), resumes })
}

/// Whether the end of a conversation holds a prompt: what became of one that was written when the
/// program or the runtime died. `config` is the host's path of its configuration.
pub fn was_seen(config: &Path, work: &Path, session: Uuid, prompt: PromptId) -> bool {
    let dir = Dir::open(config).and_then(|config| transcripts(&config, work));
    let text = dir.and_then(|dir| dir.read_end(&transcript(session), MAX_TRANSCRIPT));
    let line = marker::line(prompt);
    text.is_ok_and(|text| text.windows(line.len()).any(|bytes| bytes == line.as_bytes()))
}

/// The directory of the conversations that were held in a working directory.
fn transcripts(config: &Dir, work: &Path) -> io::Result<Dir> {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    config.sub("projects")?.sub(&work.to_string_lossy().chars().map(plain).collect::<String>())
}

fn transcript(session: Uuid) -> String {
    format!("{session}.jsonl")
}

#[cfg(test)]
mod tests;
