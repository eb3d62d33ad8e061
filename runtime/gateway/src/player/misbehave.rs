//! What stand-ins do that an agent must not do. Each is tried for real, through the same git and the
//! same tools as everything else; that it is refused is the runtime's doing.

use super::{Player, failure::Failure, play::Misbehave, steps::Scene};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use std::{fs, io::Write, thread};
use uuid::Uuid;

impl Player {
    pub(super) fn misbehave(&mut self, how: &Misbehave, scene: &Scene, path: &str) -> Result<(), Failure> {
        match how {
            Misbehave::PushMain => self.push_main(&[]),
            Misbehave::NoVerify => self.push_main(&["--no-verify"]),
            Misbehave::PushOther(name) => {
                let target = format!("HEAD:{}", scene.values.fill(name));
                self.command(&["git", "push", "-q", "origin", &target])
            }
            Misbehave::Unsigned => self.push_unsigned(scene),
            Misbehave::EditAdmitted(file) => self.edit_admitted(&scene.values.fill(file)),
            Misbehave::ApproveOwn => self.approve_own(scene, path),
            Misbehave::ClaimTestsPass => self.claim_tests_pass(scene, path),
            Misbehave::ForgeFrom(role) => {
                let text = "this is not from me";
                self.say_with("send", json!({"to": "user", "text": text, "from": role}), scene, path)
            }
            Misbehave::Flood(n) => self.flood(*n, scene, path),
            Misbehave::Crash => self.crash(),
            Misbehave::Hang => self.hang(),
        }
    }

    /// The present commit, which must be ahead of the target branch for git to push at all.
    fn push_main(&mut self, options: &[&str]) -> Result<(), Failure> {
        let target = format!("HEAD:refs/heads/{}", self.place.target());
        let argv = [&["git", "push", "-q"], options, &["origin", &target]].concat();
        self.command(&argv)
    }

    /// The commit is made beside the branch, so that the branch stays clean.
    fn push_unsigned(&mut self, scene: &Scene) -> Result<(), Failure> {
        let feature = scene.feature()?;
        let git = &self.place;
        let commit = git.git(&[
            "commit-tree",
            "HEAD^{tree}",
            "-p",
            "HEAD",
            "-m",
            "chore: a commit without signature",
        ])?;
        self.command(&["git", "push", "-q", "origin", &format!("{commit}:refs/heads/feature/{feature}")])
    }

    fn edit_admitted(&mut self, file: &str) -> Result<(), Failure> {
        let broken = |e| Failure::io(&format!("editing {file}"), e);
        let mut opened =
            fs::OpenOptions::new().append(true).open(self.place.work.join(file)).map_err(broken)?;
        writeln!(opened, "// edited after it was admitted").map_err(broken)?;
        self.commit("test: make it fit the code")
    }

    /// The diff is read first, so that nothing but authorship is wrong with the signature. The request is
    /// one that nobody sent: the rule about one's own change speaks before it is looked for.
    fn approve_own(&mut self, scene: &Scene, path: &str) -> Result<(), Failure> {
        let feature = scene.feature()?;
        self.runtime.call("review_diff", json!({"feature": feature}))?;
        let args = json!({
            "request": Uuid::max(), "feature": feature, "checked": ["trust me"], "ran": [],
        });
        self.say_with("sign_off", args, scene, path)
    }

    /// Whether it is contradicted at once or by a later verdict depends on which comes first, the claim
    /// or the runtime's own run; both are as they should be.
    fn claim_tests_pass(&mut self, scene: &Scene, path: &str) -> Result<(), Failure> {
        let args =
            json!({"feature": scene.feature()?, "summary": "done, all tests pass", "tests_pass": true});
        match self.say_with("task_complete", args, scene, path) {
            Err(failure) if failure.code() == Some(foureyes_protocol::Code::ClaimContradicted.as_str()) => {
                self.screen.refused(&failure.to_string());
                Ok(())
            }
            other => other,
        }
    }

    fn flood(&mut self, n: u32, scene: &Scene, path: &str) -> Result<(), Failure> {
        self.screen.command(&format!("send × {n}"));
        for i in 0..n {
            let args = json!({"to": "user", "text": format!("message {i}"), "feature": Value::Null});
            let key = format!("play/{}/{path}/{i}", scene.item.id);
            self.runtime.call_once("send", args, &key)?;
        }
        self.screen.good(&format!("sent {n} messages"));
        Ok(())
    }

    fn crash(&mut self) -> Result<(), Failure> {
        self.screen.bad("kill -9 of myself, in the middle of the work");
        kill(Pid::this(), Signal::SIGKILL).map_err(|e| Failure::Broken(format!("kill: {e}")))?;
        self.hang()
    }

    fn hang(&mut self) -> Result<(), Failure> {
        self.screen.quiet("…");
        loop {
            thread::park();
        }
    }
}
