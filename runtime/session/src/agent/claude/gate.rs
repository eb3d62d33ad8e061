//! Whether the program is what was ordered.

use super::{
    command::SERVER,
    value::{list, text, uuid},
};
use foureyes_ports::text::clean_text;
use serde_json::Value;
use uuid::Uuid;

/// What `system/init` must show before the program may work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaudeOrder {
    /// The model, by name or alias; any when absent.
    pub model: Option<String>,
    /// The built-in tools, all of which must be there.
    pub tools: Vec<String>,
    /// The conversation.
    pub session: Uuid,
    /// The permission mode.
    pub permission_mode: String,
}

impl ClaudeOrder {
    /// Compares with a `system/init`.
    ///
    /// # Errors
    /// What differs, and what mends it.
    pub(super) fn check(&self, init: &Value) -> Result<(), String> {
        self.check_session(init)?;
        self.check_model(init)?;
        self.check_mode(init)?;
        self.check_tools(init)?;
        check_server(init)
    }

    fn check_session(&self, init: &Value) -> Result<(), String> {
        if uuid(init, "session_id") == Some(self.session) {
            return Ok(());
        }
        let shown = clean_text(text(init, "session_id"), 64);
        Err(format!("it works in the conversation {shown:?} and not in {}", self.session))
    }

    fn check_model(&self, init: &Value) -> Result<(), String> {
        let shown = text(init, "model");
        match &self.model {
            Some(ordered) if !same_model(ordered, shown) => Err(format!(
                "its model is {:?} and not {ordered:?}; correct `model` of the role, or the account's rights",
                clean_text(shown, 64)
            )),
            _ => Ok(()),
        }
    }

    fn check_mode(&self, init: &Value) -> Result<(), String> {
        let shown = text(init, "permissionMode");
        if shown == self.permission_mode {
            return Ok(());
        }
        Err(format!(
            "its permission mode is {:?} and not {:?}; take `--permission-mode` out of the role's `args`, \
             and see whether a managed policy of this machine forbids it",
            clean_text(shown, 64),
            self.permission_mode
        ))
    }

    fn check_tools(&self, init: &Value) -> Result<(), String> {
        let shown: Vec<&str> = list(init, "tools").iter().filter_map(Value::as_str).collect();
        let missing: Vec<&str> =
            self.tools.iter().map(String::as_str).filter(|tool| !shown.contains(tool)).collect();
        if !missing.is_empty() {
            return Err(format!(
                "it has no tool {}; install a version of the CLI that `agents doctor` calls proved",
                missing.join(", ")
            ));
        }
        let prefix = format!("mcp__{SERVER}__");
        if shown.iter().any(|tool| tool.starts_with(&prefix)) {
            return Ok(());
        }
        Err("it does not list the runtime's own tools".to_owned())
    }
}

fn check_server(init: &Value) -> Result<(), String> {
    match server_status(list(init, "mcp_servers")) {
        Some("connected") => Ok(()),
        status => Err(not_connected(status)),
    }
}

/// What the CLI says of its connection to the runtime.
pub(super) fn server_status(servers: &[Value]) -> Option<&str> {
    servers.iter().find(|server| server["name"] == SERVER)?["status"].as_str()
}

pub(super) fn not_connected(status: Option<&str>) -> String {
    let status = clean_text(status.unwrap_or("unknown"), 40);
    format!("it is not connected to the runtime's tools (status {status}); its log says why")
}

/// Whether a model's full name is meant by a name or alias: the words of the alias stand together in
/// it, and no number goes on where the alias ends in one (`opus-4` is not `opus-4-1`, but is
/// `opus-4-20250514`).
fn same_model(ordered: &str, shown: &str) -> bool {
    let (ordered, shown) = (words(ordered), words(shown));
    if ordered.is_empty() {
        return false;
    }
    let ends_in_number = ordered.last().is_some_and(|word| is_number(word));
    shown.windows(ordered.len()).enumerate().any(|(at, window)| {
        let next = shown.get(at + ordered.len());
        let goes_on = ends_in_number && next.is_some_and(|word| word.len() < 6 && is_number(word));
        window == ordered && !goes_on
    })
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

/// The words of a model's name, without what stands in brackets.
fn words(model: &str) -> Vec<String> {
    let name = model.split('[').next().unwrap_or_default().to_ascii_lowercase();
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_and_their_aliases() {
        let cases = [
            ("sonnet", "claude-sonnet-5-5", true),
            ("claude-sonnet-5-5", "claude-sonnet-5-5", true),
            ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929", true),
            ("claude-sonnet-4", "claude-sonnet-4-5-20250929", false),
            ("opus[1m]", "claude-opus-5-5", true),
            ("claude-opus-5-5", "claude-opus-5-5[1m]", true),
            ("opus", "claude-sonnet-5-5", false),
            ("Opus", "us.anthropic.claude-opus-4-1-20250805-v1:0", true),
            ("on", "claude-sonnet-5-5", false),
            ("", "claude-sonnet-5-5", false),
            ("[1m]", "claude-sonnet-5-5", false),
            ("sonnet", "", false),
        ];
        for (ordered, shown, same) in cases {
            assert_eq!(same_model(ordered, shown), same, "{ordered:?} and {shown:?}");
        }
    }
}
