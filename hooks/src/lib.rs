//! Git hooks for any repository: fast feedback before anything is pushed.
//!
//! They are no wall: whoever can commit can also skip them (`--no-verify`). What counts is decided in
//! the runtime when a change is pushed. The hooks say the same things earlier:
//!
//! * `pre-commit` refuses an implementation file without a test ([`test_first`]) and what looks like a
//!   secret, and says when the change needs two sign-offs or the user.
//! * `commit-msg` refuses a subject that is not in conventional form, where that is configured.
//! * `post-commit` says what the runtime will check.
//!
//! Settings are git's own: `agents.testFirst` (`feature`, `exists` or `off`) and
//! `agents.conventional` (`true` or `false`).

#![allow(
    clippy::disallowed_methods,
    reason = "hooks are an adapter to git, which they run in the person's repository"
)]

mod commit_msg;
mod error;
mod git;
mod install;
mod pre_commit;
mod staged;
pub mod test_first;

pub use error::HookError;
pub use install::{Installed, install, uninstall};

use foureyes_ports::text::clean_text;
use git::Repository;
use std::{ffi::OsString, path::Path, process::ExitCode};

/// The hooks that are installed.
pub const HOOKS: [&str; 3] = ["pre-commit", "commit-msg", "post-commit"];

/// Runs one hook in the current directory: `args` is its name and what git gives it. This is what the
/// program does under the name `agents-hook`. Exit code 0 lets git go on, 1 stops it.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args = args.into_iter();
    let name = args.next().unwrap_or_default();
    let result = match name.to_str() {
        Some("pre-commit") => Repository::here().and_then(|repository| pre_commit::run(&repository)),
        Some("commit-msg") => commit_msg(&args.next().unwrap_or_default()),
        Some("post-commit") => Ok(vec![AFTER.to_owned()]),
        _ => Err(HookError::UnknownHook(name.to_string_lossy().into_owned())),
    };
    match result {
        Ok(notes) => {
            notes.iter().for_each(|note| say("", note));
            ExitCode::SUCCESS
        }
        Err(error) => {
            error.to_string().lines().for_each(|line| say("refused: ", line));
            ExitCode::FAILURE
        }
    }
}

const AFTER: &str = "committed; at the push the runtime checks signature, authorship, paths and lock, and runs \
     the tests itself";

fn commit_msg(file: &OsString) -> Result<Vec<String>, HookError> {
    let repository = Repository::here()?;
    if repository.setting("agents.conventional")?.as_deref() != Some("true") {
        return Ok(Vec::new());
    }
    let path = Path::new(file);
    let message = std::fs::read(path).map_err(|e| HookError::file("reading", path, e))?;
    commit_msg::check(&String::from_utf8_lossy(&message)).map(|()| Vec::new())
}

fn say(prefix: &str, line: &str) {
    // File names come from whoever made the commit: nothing of them may steer a terminal.
    eprintln!("agents-hook: {prefix}{}", clean_text(line, 500));
}
