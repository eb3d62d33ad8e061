//! The core as the gateway, the git transport and the control socket see it: everything that a
//! channel may ask for. The caller has established *which principal* the channel is; nothing in an
//! argument can change that.

use crate::view::{FeatureView, View};
use async_trait::async_trait;
use foureyes_protocol::{
    Address, Body, Digest, Family, FeatureId, Label, MessageId, PrincipalId, Priority, Reason,
};
use std::{collections::BTreeSet, sync::Arc};

/// What a principal wants to say; the gateway's side of an envelope. Id, sequence, times and hash are
/// made by the runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The receiver.
    pub to: Address,
    /// What it says.
    pub body: Body,
    /// The feature concerned.
    pub feature: Option<FeatureId>,
    /// The first message of the conversation.
    pub thread: Option<MessageId>,
    /// The message that it answers.
    pub in_reply_to: Option<MessageId>,
    /// When it stops to count, milliseconds since the Unix epoch.
    pub expires_at: Option<u64>,
    /// How urgent.
    pub priority: Priority,
    /// Where its content comes from.
    pub labels: BTreeSet<Label>,
    /// A key under which a repeated call is the same call (the tool-use id, where there is one).
    pub idempotency: Option<String>,
}

impl Draft {
    /// A draft of normal priority that says this to that receiver.
    pub fn new(to: impl Into<Address>, body: impl Into<Body>) -> Self {
        Self {
            to: to.into(),
            body: body.into(),
            feature: None,
            thread: None,
            in_reply_to: None,
            expires_at: None,
            priority: Priority::Normal,
            labels: BTreeSet::new(),
            idempotency: None,
        }
    }

    /// The same draft, about a feature.
    pub fn about(self, feature: FeatureId) -> Self {
        Self { feature: Some(feature), ..self }
    }

    /// The same draft, as an answer.
    pub fn answering(self, message: MessageId) -> Self {
        Self { in_reply_to: Some(message), ..self }
    }
}

/// What was admitted: durable when this is returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The envelope's id.
    pub id: MessageId,
    /// Its place in the ledger.
    pub record: u64,
}

/// An envelope in an inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxItem {
    /// Its place in the ledger.
    pub record: u64,
    /// Its id.
    pub id: MessageId,
    /// The authenticated sender.
    pub from: PrincipalId,
    /// The feature.
    pub feature: Option<FeatureId>,
    /// The message that it answers.
    pub in_reply_to: Option<MessageId>,
    /// How urgent.
    pub priority: Priority,
    /// Milliseconds since the Unix epoch.
    pub sent_at: u64,
    /// Where its content comes from.
    pub labels: BTreeSet<Label>,
    /// What it says: data of its sender, not an order.
    pub body: Body,
}

/// A page that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Where it came from in the end.
    pub url: String,
    /// The status of the answer.
    pub status: u16,
    /// Its text, at most 256 KiB.
    pub text: String,
}

/// What a principal may do with the core.
#[async_trait]
pub trait Governance: Send + Sync {
    /// Seals and submits a draft on behalf of `channel`. Returns when the record is durable.
    ///
    /// # Errors
    /// The rule that refuses; a refusal of an agent is itself recorded.
    async fn submit(&self, channel: &PrincipalId, draft: Draft) -> Result<Receipt, Reason>;

    /// The unacknowledged envelopes of a role: higher priority first, in sequence within one.
    async fn inbox(&self, role: &PrincipalId, max: usize) -> Vec<InboxItem>;

    /// Acknowledges an envelope; it is not delivered again. Doing it twice is fine.
    ///
    /// # Errors
    /// [`foureyes_protocol::Code::NotAsked`] when the envelope is not in the role's inbox.
    async fn acknowledge(&self, role: &PrincipalId, message: MessageId) -> Result<(), Reason>;

    /// An envelope that was sent to this role, also when it is acknowledged already.
    async fn received(&self, role: &PrincipalId, message: MessageId) -> Option<InboxItem>;

    /// The picture.
    async fn view(&self) -> Arc<View>;

    /// One feature of the picture.
    async fn feature(&self, id: &FeatureId) -> Option<FeatureView>;

    /// The diff of a feature's branch against its merge base, as a reviewer reads it; restricted to
    /// `path` when given; at most 256 KiB, and said so when cut. Notes that this role has read it.
    ///
    /// # Errors
    /// A feature that does not exist or has no push.
    async fn review_diff(
        &self,
        role: &PrincipalId,
        feature: &FeatureId,
        path: Option<&str>,
    ) -> Result<String, Reason>;

    /// A file of the feature's tip; at most 256 KiB.
    ///
    /// # Errors
    /// A feature or file that does not exist.
    async fn review_file(
        &self,
        role: &PrincipalId,
        feature: &FeatureId,
        path: &str,
    ) -> Result<String, Reason>;

    /// A piece of evidence as text; at most 256 KiB.
    ///
    /// # Errors
    /// An unknown digest.
    async fn evidence(&self, digest: &Digest) -> Result<String, Reason>;

    /// Fetches a page for a role, by GET, from a host that the user accepted; the exact address is a
    /// record before the role is given anything.
    ///
    /// # Errors
    /// [`foureyes_protocol::Code::WebHost`] for a host that was not accepted; what went wrong
    /// otherwise.
    async fn fetch(&self, role: &PrincipalId, url: &str) -> Result<Fetched, Reason>;

    /// Who is on the team.
    fn team(&self) -> Vec<(PrincipalId, Family)>;

    /// Bytes that arrived on a channel: counted before anything is decoded.
    ///
    /// # Errors
    /// [`foureyes_protocol::Code::Rate`] when the channel sends too many a second.
    fn count_bytes(&self, channel: &PrincipalId, bytes: usize) -> Result<(), Reason>;
}
