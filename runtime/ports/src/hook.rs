//! Hooks of an agent's program: which events it calls out for, which of these decide something, and
//! the answers that it understands. Pure, and shared by whoever sets the hooks, carries them and
//! answers them.
//!
//! A program that runs a command as its hook takes every failure of that command but one for
//! consent. Hooks are therefore early feedback and telemetry; no rule rests on them alone.

use serde_json::{Value, json};

/// Events whose answer decides whether something happens: without an answer it must not.
pub const DECIDING: [&str; 3] = ["PreToolUse", "PermissionRequest", "UserPromptSubmit"];

/// Events that only report: nothing waits for them, and no failure may hold up the work.
pub const REPORTING: [&str; 8] = [
    "PostToolUse",
    "PostToolUseFailure",
    "Stop",
    "StopFailure",
    "SessionStart",
    "Notification",
    "PreCompact",
    "SessionEnd",
];

/// What an event is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookKind {
    /// [`DECIDING`].
    Deciding,
    /// [`REPORTING`].
    Reporting,
}

impl HookKind {
    /// The kind of an event; `None` for one that the runtime does not set.
    pub fn of(event: &str) -> Option<Self> {
        match event {
            _ if DECIDING.contains(&event) => Some(Self::Deciding),
            _ if REPORTING.contains(&event) => Some(Self::Reporting),
            _ => None,
        }
    }
}

/// No opinion: the program goes on by its own rules.
pub fn pass() -> Value {
    json!({})
}

/// Lets it happen, past the program's own rules. Reporting events have nothing to allow.
pub fn allow(event: &str) -> Value {
    match event {
        "PreToolUse" => specific(event, json!({"permissionDecision": "allow"})),
        "PermissionRequest" => specific(event, json!({"decision": {"behavior": "allow"}})),
        _ => pass(),
    }
}

/// Keeps it from happening; the model is told the reason. Reporting events have nothing to deny.
pub fn deny(event: &str, reason: &str) -> Value {
    match event {
        "PreToolUse" => {
            specific(event, json!({"permissionDecision": "deny", "permissionDecisionReason": reason}))
        }
        "PermissionRequest" => specific(event, json!({"decision": {"behavior": "deny", "message": reason}})),
        "UserPromptSubmit" => json!({"decision": "block", "reason": reason}),
        _ => pass(),
    }
}

fn specific(event: &str, mut fields: Value) -> Value {
    fields["hookEventName"] = event.into();
    json!({"hookSpecificOutput": fields})
}

/// Whether the program will understand an answer as what it says. What it does not understand it
/// takes for consent.
///
/// # Errors
/// What is wrong with the answer.
pub fn check(event: &str, answer: &Value) -> Result<(), &'static str> {
    let fields = answer.as_object().ok_or("the answer is no JSON object")?;
    if fields.is_empty() {
        return Ok(());
    }
    if event == "UserPromptSubmit" && answer["decision"] == "block" && answer["reason"].is_string() {
        return Ok(());
    }
    let specific = &answer["hookSpecificOutput"];
    if specific["hookEventName"] != event {
        return Err("the answer is for another event");
    }
    let known = match event {
        "PreToolUse" => ["allow", "deny", "ask"].iter().any(|d| specific["permissionDecision"] == *d),
        "PermissionRequest" => ["allow", "deny"].iter().any(|b| specific["decision"]["behavior"] == *b),
        _ => true,
    };
    if known { Ok(()) } else { Err("the answer holds no decision that is known") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_of_ours_is_understood() {
        for event in DECIDING.into_iter().chain(REPORTING) {
            for answer in [pass(), allow(event), deny(event, "no")] {
                assert_eq!(check(event, &answer), Ok(()), "{event}: {answer}");
            }
        }
        for event in DECIDING {
            assert_ne!(deny(event, "no"), pass(), "{event} can be denied");
            assert_eq!(HookKind::of(event), Some(HookKind::Deciding));
        }
        for event in REPORTING {
            assert_eq!(deny(event, "no"), pass(), "{event} holds nothing up");
            assert_eq!(HookKind::of(event), Some(HookKind::Reporting));
        }
        assert_eq!(HookKind::of("pre-commit"), None);
    }

    #[test]
    fn what_a_program_would_take_for_consent_is_no_answer() {
        let wrong = [
            json!([]),
            json!("deny"),
            json!({"permissionDecision": "deny"}),
            json!({"hookSpecificOutput": {"permissionDecision": "deny"}}),
            json!({"hookSpecificOutput": {"hookEventName": "PostToolUse", "permissionDecision": "deny"}}),
            json!({"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": "no"}}),
            json!({"hookSpecificOutput": {"hookEventName": "PreToolUse"}}),
            json!({"decision": "block", "reason": "x"}),
        ];
        for answer in wrong {
            assert!(check("PreToolUse", &answer).is_err(), "{answer}");
        }
    }
}
