//! The live view on a real terminal: a pane of a private tmux server, in which this test program
//! runs itself again.

use super::{Feed, Options, UserActions, run};
use crate::scenes;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::Instant;

struct Panics;

impl UserActions for Panics {
    fn answer(&self, _: u64, text: String) {
        panic!("the view panics at {text}");
    }
    fn decide(&self, _: u64, _: bool, _: String, _: String) {}
    fn quit(&self) {}
}

/// Not a test of its own: the program in the pane.
#[tokio::test]
#[ignore = "the tests below run it in a terminal"]
async fn the_program_in_the_pane() {
    if !crate::is_interactive() {
        return;
    }
    let (_views, views) = watch::channel(Arc::new(scenes::question()));
    let (_caption, caption) = watch::channel("caption of the demo".to_owned());
    let feed = Feed { views, caption: Some(caption), notice: None, finished: None };
    let end = run(feed, Arc::new(Panics), Options { colour: true }).await;
    println!("ended: {end:?}");
}

struct Pane(TempDir);

impl Pane {
    /// A pane in which the program runs, and then a look at the state of the terminal.
    fn open() -> Self {
        let pane = Self(tempfile::tempdir().expect("a directory"));
        let program = std::env::current_exe().expect("this program");
        let script = "\"$0\" --exact live::terminal_tests::the_program_in_the_pane --ignored --nocapture; stty -a; exec cat";
        let program = program.to_str().expect("a path in UTF-8");
        pane.tmux(&["new-session", "-d", "-x", "90", "-y", "30", "--", "sh", "-c", script, program]);
        pane.waits_for("caption of the demo");
        assert_eq!(pane.tmux(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]), "1 0");
        pane
    }

    #[allow(clippy::disallowed_methods, reason = "tmux is the terminal of this test")]
    fn tmux(&self, args: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.args(["-u", "-L", "pane", "-f", "/dev/null"]).args(args);
        command.env_remove("TMUX").env("TMUX_TMPDIR", self.0.path()).env("RUST_BACKTRACE", "0");
        let output = command.output().expect("tmux is installed");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn waits_for(&self, text: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let seen = self.tmux(&["capture-pane", "-p"]);
            if seen.contains(text) {
                return seen;
            }
            assert!(Instant::now() < deadline, "{text:?} is not seen:\n{seen}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Whether the terminal is as it was: the ordinary screen, a cursor, lines and echo.
    fn is_given_back(&self) {
        let seen = self.waits_for("-noflsh");
        assert_eq!(self.tmux(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]), "0 1");
        for mode in ["icanon", "isig", "echo"] {
            assert!(seen.split_whitespace().any(|word| word == mode), "{mode} is off:\n{seen}");
        }
    }
}

impl Drop for Pane {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
fn leaving_gives_the_terminal_back() {
    let pane = Pane::open();
    pane.tmux(&["send-keys", "q"]);
    pane.waits_for("Quit?");
    pane.tmux(&["send-keys", "l"]);
    pane.waits_for("ended: Ok(Left)");
    pane.is_given_back();
}

#[test]
fn a_panic_gives_the_terminal_back_and_is_told() {
    let pane = Pane::open();
    pane.tmux(&["send-keys", "a"]);
    pane.waits_for("answer ›");
    pane.tmux(&["send-keys", "boom", "Enter"]);
    pane.waits_for("the view panics at boom");
    pane.waits_for("ended: Err(Died");
    pane.is_given_back();
}
