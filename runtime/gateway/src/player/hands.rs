//! What a player acts with. The engine decides what is done; hands do it: the scripted agent's own
//! ([`super::own`]) at once, a stand-in model's by asking a program for it, one call at a time.

use super::{failure::Failure, screen::Screen};
use serde_json::Value;
use std::time::Duration;

/// Acts of a player. Each fails with [`Failure::Suspended`] where its outcome is not known yet: then
/// the player stops where it is, and is played again from the start of its turn.
pub(crate) trait Hands {
    /// The most envelopes of one look into the inbox.
    fn at_once(&self) -> usize;

    /// Calls a tool of the runtime; calls with the same key are the same call.
    fn call(&mut self, tool: &str, args: Value, key: Option<&str>) -> Result<Value, Failure>;

    /// Runs a program in the clone and returns what it printed.
    fn run(&mut self, argv: &[&str]) -> Result<String, Failure>;

    /// Writes a file of the clone.
    fn write(&mut self, path: &str, text: &str) -> Result<(), Failure>;

    /// Appends a line to a file of the clone.
    fn append(&mut self, path: &str, line: &str) -> Result<(), Failure>;

    /// Fetches and is on the feature's branch afterwards; returns the short id of its commit. The
    /// branch is made from the one at the origin, else from `base`, else from the target branch.
    fn branch(&mut self, feature: &str, base: &str) -> Result<String, Failure>;

    /// Commits what changed and returns the short id; `None` when nothing did.
    fn commit(&mut self, message: &str) -> Result<Option<String>, Failure>;

    /// Merges the target branch; a conflict leaves the branch as it was.
    fn merge_main(&mut self) -> Result<(), Failure>;

    /// Pushes the present commit to the target branch, with these options of git.
    fn push_main(&mut self, options: &[&str]) -> Result<(), Failure>;

    /// Pushes a commit without a signature to the feature's branch; the local branch stays clean.
    fn push_unsigned(&mut self, feature: &str) -> Result<(), Failure>;

    /// Leaves a mark that outlives the program; whether it is new.
    fn leave(&mut self, mark: &str) -> Result<bool, Failure>;

    /// Whether the mark was left.
    fn has(&mut self, mark: &str) -> Result<bool, Failure>;

    /// Keeps something under a name, as [`Hands::leave`] keeps marks.
    fn note(&mut self, name: &str, what: &Value) -> Result<(), Failure>;

    /// What was kept under a name.
    fn noted(&mut self, name: &str) -> Result<Option<Value>, Failure>;

    /// Waits.
    fn rest(&mut self, time: Duration);

    /// Is killed.
    fn crash(&mut self) -> Result<(), Failure>;

    /// Never reacts again.
    fn hang(&mut self) -> Result<(), Failure>;

    /// Where it shows what it does.
    fn screen(&mut self) -> &mut Screen;

    /// Runs a program, shown with what it came to.
    fn command(&mut self, argv: &[&str]) -> Result<(), Failure> {
        self.screen().command(&argv.join(" "));
        let out = self.run(argv)?;
        self.screen().good(out.lines().next().unwrap_or("done"));
        Ok(())
    }
}
