//! What stand-ins do that an agent must not do. Each is tried for real, through the same git and the
//! same tools as everything else; that it is refused is the runtime's doing.

use super::{Player, failure::Failure, hands::Hands, play::Misbehave, steps::Scene};
use serde_json::{Value, json};
use uuid::Uuid;

impl<H: Hands> Player<H> {
    pub(super) fn misbehave(&mut self, how: &Misbehave, scene: &Scene, path: &str) -> Result<(), Failure> {
        match how {
            // The present commit must be ahead of the target branch for git to push at all.
            Misbehave::PushMain => self.hands.push_main(&[]),
            Misbehave::NoVerify => self.hands.push_main(&["--no-verify"]),
            Misbehave::PushOther(name) => {
                let target = format!("HEAD:{}", scene.values.fill(name));
                self.hands.command(&["git", "push", "-q", "origin", &target])
            }
            Misbehave::Unsigned => self.hands.push_unsigned(scene.feature()?),
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

    fn edit_admitted(&mut self, file: &str) -> Result<(), Failure> {
        self.hands.append(file, "// edited after it was admitted")?;
        self.commit("test: make it fit the code")
    }

    /// The diff is read first, so that nothing but authorship is wrong with the signature. The request is
    /// one that nobody sent: the rule about one's own change speaks before it is looked for.
    fn approve_own(&mut self, scene: &Scene, path: &str) -> Result<(), Failure> {
        let feature = scene.feature()?;
        self.hands.call("review_diff", json!({"feature": feature}), None)?;
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
                self.hands.screen().refused(&failure.to_string());
                Ok(())
            }
            other => other,
        }
    }

    fn flood(&mut self, n: u32, scene: &Scene, path: &str) -> Result<(), Failure> {
        self.hands.screen().command(&format!("send × {n}"));
        for i in 0..n {
            let args = json!({"to": "user", "text": format!("message {i}"), "feature": Value::Null});
            let key = format!("play/{}/{path}/{i}", scene.item.id);
            self.hands.call("send", args, Some(&key))?;
        }
        self.hands.screen().good(&format!("sent {n} messages"));
        Ok(())
    }

    fn crash(&mut self) -> Result<(), Failure> {
        self.hands.screen().bad("kill -9 of myself, in the middle of the work");
        self.hands.crash()
    }

    fn hang(&mut self) -> Result<(), Failure> {
        self.hands.screen().quiet("…");
        self.hands.hang()
    }
}
