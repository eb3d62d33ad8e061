//! Talking: reports, questions, answers, disputes.

use super::{Answer, Call, EVERYBODY, Refusal, Tool, tool};
use foureyes_ports::governance::{Draft, InboxItem};
use foureyes_protocol::{
    Address, Body, Code, Family, FeatureId, MessageId,
    body::{Answer as AnswerBody, Escalation, Question, StatusReport},
};
use schemars::JsonSchema;
use serde::Deserialize;

pub(super) const TOOLS: &[Tool] = &[
    tool!(says send(Send) for EVERYBODY,
        "Tell a role, a family or the user something that needs no answer. Use it for the state of your work; for a question use `ask`."),
    tool!(says ask(Ask) for EVERYBODY,
        "Ask a role or the user a question and get the answer in your inbox. Use it when you cannot go on without somebody's decision."),
    tool!(says answer(AnswerArgs) for EVERYBODY,
        "Answer a question of your inbox."),
    tool!(says escalate(Escalate) for EVERYBODY,
        "Bring a dispute that you could not settle to whoever decides it. State every position fairly, with its evidence, and the exact question."),
];

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Send {
    /// A role's id, `family:<name>`, `user`, or `all` where allowed.
    #[schemars(with = "String")]
    to: Address,
    /// The text.
    text: String,
    /// The feature concerned.
    #[schemars(with = "Option<String>")]
    feature: Option<FeatureId>,
    /// Id of the message of your inbox that this answers.
    #[schemars(with = "Option<String>")]
    in_reply_to: Option<MessageId>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// A role's id, `family:<name>` or `user`.
    #[schemars(with = "String")]
    to: Address,
    /// The question.
    text: String,
    /// Answers to choose from; empty for free text.
    #[serde(default)]
    options: Vec<String>,
    /// The feature concerned.
    #[schemars(with = "Option<String>")]
    feature: Option<FeatureId>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AnswerArgs {
    /// Id of the question.
    #[schemars(with = "String")]
    message: MessageId,
    /// The answer.
    text: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Escalate {
    /// The feature concerned.
    #[schemars(with = "Option<String>")]
    feature: Option<FeatureId>,
    /// What is disputed.
    dispute: String,
    /// Each position with its evidence.
    positions: Vec<String>,
    /// The exact question to decide.
    question: String,
}

async fn send(call: Call, args: Send) -> Answer {
    let mut draft = Draft::new(args.to, StatusReport { text: args.text });
    draft.feature = args.feature;
    if let Some(id) = args.in_reply_to {
        let answered = received(&call, id).await?;
        draft = answering(draft, &answered);
    }
    call.submit(draft).await
}

async fn ask(call: Call, args: Ask) -> Answer {
    let question = Question { text: args.text, options: args.options };
    let draft = Draft { feature: args.feature, ..Draft::new(args.to, question) };
    call.submit(draft).await
}

async fn answer(call: Call, args: AnswerArgs) -> Answer {
    let question = received(&call, args.message).await?;
    if !matches!(question.body, Body::Question(_)) {
        let what = format!("{} is a {} and no question", args.message, question.body.kind());
        return Err(Refusal::new(Code::NotAsked, what));
    }
    let draft = Draft::new(question.from.clone(), AnswerBody { text: args.text });
    call.submit(answering(draft, &question)).await
}

async fn escalate(call: Call, args: Escalate) -> Answer {
    let body = Escalation { dispute: args.dispute, positions: args.positions, question: args.question };
    let draft = Draft { feature: args.feature, ..Draft::new(arbiter(&call), body) };
    call.submit(draft).await
}

/// The orchestrator decides; what the orchestrator cannot decide goes to the user.
fn arbiter(call: &Call) -> Address {
    let team = call.core().team();
    let other = |(id, family): &(_, Family)| *family == Family::Orchestrator && id != call.role();
    match team.into_iter().find(other) {
        Some((id, _)) if call.channel.family != Family::Orchestrator => Address::One(id),
        _ => Address::user(),
    }
}

/// A message that this role was sent.
pub(super) async fn received(call: &Call, id: MessageId) -> Result<InboxItem, Refusal> {
    let unknown = || Refusal::new(Code::NotAsked, format!("you were sent no message {id}"));
    call.core().received(call.role(), id).await.ok_or_else(unknown)
}

/// The draft as an answer: about the same feature unless it names one, in the same conversation, and
/// no more trusted than what it answers.
pub(super) fn answering(draft: Draft, answered: &InboxItem) -> Draft {
    let labels = draft.labels.union(&answered.labels).copied().collect();
    let feature = draft.feature.or_else(|| answered.feature.clone());
    Draft { in_reply_to: Some(answered.id), feature, labels, ..draft }
}
