//! Refusals as agents read them: which rule, what, and what to do next.

use crate::client::BAD_CALL;
use foureyes_protocol::{Code, Family, Reason};
use std::fmt;

/// Why a call was refused. As text: `<CODE> (<rule>): <what> — next: <what to do>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    code: &'static str,
    rule: &'static str,
    what: String,
    next: String,
}

impl Refusal {
    /// A refusal by a rule of the core.
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code: code.as_str(), rule: code.rule(), what: what.into(), next: advice(code).to_owned() }
    }

    /// Arguments that do not fit the tool's schema.
    pub fn bad_call(tool: &str, what: impl fmt::Display) -> Self {
        let next = format!("call `{tool}` again with the arguments of its schema");
        Self { code: BAD_CALL, rule: "tools", what: what.to_string(), next }
    }

    /// A tool that does not exist.
    pub fn unknown_tool(name: &str, family: Family) -> Self {
        let shown: Vec<_> = super::shown_to(family).map(|t| t.name).collect();
        let what = format!("there is no tool `{}`", name.chars().take(64).collect::<String>());
        Self { code: BAD_CALL, rule: "tools", what, next: format!("use one of {}", shown.join(", ")) }
    }

    /// The same refusal with other advice.
    pub fn next(self, next: impl Into<String>) -> Self {
        Self { next: next.into(), ..self }
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self::new(reason.code, reason.text)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {} — next: {}", self.code, self.rule, self.what, self.next)
    }
}

/// What an agent can do about a refusal; the reason's own text names the case.
fn advice(code: Code) -> &'static str {
    match code {
        Code::TooLarge => "send less: name files and digests instead of quoting them",
        Code::Receiver => "see the tool `team` for who can be addressed",
        Code::Kind => {
            "do what is yours and leave this to the role that may; `ask` the orchestrator if unsure"
        }
        Code::Secret => "take the secret out and send the text again",
        Code::NotAsked => "read the tool `inbox` for what is asked of you; nothing else can be answered",
        Code::Rate => "wait as long as it says, then try once more; do not loop",
        Code::Frozen => "stop: end your turn, or call `wait` where you have it; only the user lifts a freeze",
        Code::Quarantined => {
            "stop: end your turn, or call `wait` where you have it; the user decides about a quarantine"
        }
        Code::NotUser => "`ask` the user",
        Code::SelfApproval => "leave it: another pair of eyes signs it, and is drawn by the runtime",
        Code::NotEligible => "leave it: the runtime draws signers who are eligible",
        Code::StaleApproval => "read `inbox` for the new request and review what the change is now",
        Code::GateState => "see the tool `gate_status` for what the feature waits for",
        Code::PushUnassigned => "work on what `inbox` assigns to you",
        Code::PushClaim => "call `widen_claim` with the paths that the work needs",
        Code::LockHeld | Code::LockStale => "fetch, then push again",
        Code::Budget | Code::AccountPaused | Code::NoTurn => "end your turn; the user was told",
        Code::WebHost => "work without that page, or `ask` the user to accept the host",
        Code::Expired | Code::Epoch | Code::Sequence => "read `inbox` and send it anew",
        _ => "read the sentence above, mend its cause and try again; `ask` the user if you cannot",
    }
}
