//! What a runtime does for its owner's commands.

use super::protocol::{RoleAction, Typed};
use foureyes_display::attach::ScreenFeed;
use foureyes_ports::view::{QuestionView, View};
use foureyes_protocol::{Address, Digest, FeatureId, PrincipalId, Reason, body::FeatureAction};
use std::sync::Arc;
use tokio::sync::watch;

/// How an act ended: one line for people.
pub type Done = Result<String, Reason>;

/// What a runtime does for its owner's commands. Who calls is the user, principal `user`: the
/// socket let nobody else in.
#[async_trait::async_trait]
pub trait ControlHandler: Send + Sync {
    /// The picture, now and as it changes.
    fn views(&self) -> watch::Receiver<Arc<View>>;

    /// A role's terminal; `None` when there is no such role.
    async fn screen(&self, role: &PrincipalId) -> Option<Box<dyn ScreenFeed>>;

    /// Asks for a feature.
    ///
    /// # Errors
    /// The rule that refuses.
    async fn request(&self, id: FeatureId, title: String, text: String) -> Done;

    /// Steers a feature.
    ///
    /// # Errors
    /// The rule that refuses.
    async fn steer(&self, id: FeatureId, action: FeatureAction, reason: String) -> Done;

    /// Sends a message.
    ///
    /// # Errors
    /// The rule that refuses.
    async fn send(&self, to: Address, text: String, feature: Option<FeatureId>) -> Done;

    /// What waits under a number or id.
    ///
    /// # Errors
    /// When nothing does.
    async fn question(&self, which: &str) -> Result<QuestionView, Reason>;

    /// Answers a question.
    ///
    /// # Errors
    /// The rule that refuses.
    async fn answer(&self, which: &str, text: &str) -> Done;

    /// Approves what waits.
    ///
    /// # Errors
    /// The rule that refuses; a wrong code.
    async fn approve(&self, which: &str, typed: Option<Typed>) -> Done;

    /// Rejects what waits; at least one finding.
    ///
    /// # Errors
    /// The rule that refuses.
    async fn reject(&self, which: &str, findings: &[String]) -> Done;

    /// Freezes.
    ///
    /// # Errors
    /// When it cannot be recorded.
    async fn freeze(&self, reason: String) -> Done;

    /// The digest that lifting the present freeze is bound to.
    ///
    /// # Errors
    /// When nothing is frozen.
    async fn unfreeze_decision(&self) -> Result<Digest, Reason>;

    /// Lifts the freeze.
    ///
    /// # Errors
    /// The rule that refuses; a wrong code.
    async fn unfreeze(&self, report: String, typed: Typed) -> Done;

    /// Restarts or pauses a role.
    ///
    /// # Errors
    /// An unknown role.
    async fn role(&self, role: &PrincipalId, action: RoleAction) -> Done;

    /// Takes a role's agent over for the user: until it is given back the runtime types nothing into
    /// its terminal, and nobody else can take it. Whether it has a terminal.
    ///
    /// # Errors
    /// An unknown role, one whose process does not run, or one that is taken already.
    async fn take(&self, role: &PrincipalId) -> Result<bool, Reason>;

    /// Gives it back.
    async fn give_back(&self, role: &PrincipalId);

    /// Types keys into the terminal of an agent that was taken over.
    ///
    /// # Errors
    /// When its process does not run, does not read, or has no terminal.
    async fn type_to(&self, role: &PrincipalId, keys: &[u8]) -> Done;

    /// Says something to an agent that was taken over, as a prompt from the user.
    ///
    /// # Errors
    /// When its process does not run or cannot take a prompt.
    async fn say_to(&self, role: &PrincipalId, text: String) -> Done;

    /// Makes a supervised actor panic.
    ///
    /// # Errors
    /// An unknown path.
    async fn crash(&self, path: &str) -> Done;

    /// Begins an orderly end.
    ///
    /// # Errors
    /// None at present; the answer says what happens.
    async fn down(&self) -> Done;
}
