//! What the questions of agents' programs are answered: their own tools by the rules, the runtime's
//! tools by the gateway. What is not understood is refused.

use foureyes_actors::role::Answered;
use foureyes_config::PathRules;
use foureyes_gateway::Gateway;
use foureyes_policies::agent_tools::{ToolUse, judge};
use foureyes_ports::{
    backend::Ask,
    hook::{deny, pass},
    text::clean_text,
};
use foureyes_protocol::{Family, PrincipalId, Reason};
use foureyes_session::agent::{
    acp::REQUEST_PERMISSION,
    claude::{CAN_USE_TOOL, HOOK_CALLBACK, MCP_MESSAGE},
};
use serde_json::{Value, json};

/// Characters of a use of a tool that are shown.
const SHOWN: usize = 200;
/// The hooks that are asked before a tool runs.
const BEFORE: [&str; 2] = ["PreToolUse", "PermissionRequest"];

/// Answers a question of a role's program.
pub(super) async fn answer(
    gateway: &Gateway,
    role: &PrincipalId,
    family: Family,
    paths: &PathRules,
    ask: &Ask,
) -> Answered {
    let request: Value = serde_json::from_str(&ask.payload).unwrap_or_default();
    let (answer, refused) = match ask.kind.as_str() {
        MCP_MESSAGE => (gateway.mcp(role, &request["message"]).await.unwrap_or(Value::Null), None),
        HOOK_CALLBACK => hook(family, paths, &request["input"]),
        CAN_USE_TOOL => permission(family, paths, &request),
        REQUEST_PERMISSION => acp_permission(family, paths, &request),
        _ => (Value::Null, None),
    };
    Answered { payload: answer.to_string(), refused }
}

/// What was refused, in one line, and why.
type Refused = Option<(String, Reason)>;

/// What a hook of an agent's program is answered: an object without a decision lets things pass.
pub(super) fn hook(family: Family, paths: &PathRules, input: &Value) -> (Value, Refused) {
    let event = input["hook_event_name"].as_str().unwrap_or_default();
    if !BEFORE.contains(&event) {
        return (pass(), None);
    }
    match judged(family, paths, &input["tool_name"], &input["tool_input"]) {
        Ok(()) => (pass(), None),
        Err(reason) => (
            deny(event, &reason.to_string()),
            Some((told(&input["tool_name"], &input["tool_input"]), reason)),
        ),
    }
}

fn permission(family: Family, paths: &PathRules, request: &Value) -> (Value, Refused) {
    match judged(family, paths, &request["tool_name"], &request["input"]) {
        Ok(()) => (json!({"behavior": "allow"}), None),
        Err(reason) => {
            let answer = json!({"behavior": "deny", "message": reason.to_string()});
            (answer, Some((told(&request["tool_name"], &request["input"]), reason)))
        }
    }
}

/// A use of a tool in one line, as text that can be shown.
fn told(tool: &Value, input: &Value) -> String {
    let on = path_of(input).or_else(|| input["command"].as_str()).unwrap_or_default();
    clean_text(&format!("{} {on}", tool.as_str().unwrap_or("a tool without a name")), SHOWN)
}

/// Agents of this protocol describe their tools in words of their own: by kind.
fn acp_permission(family: Family, paths: &PathRules, request: &Value) -> (Value, Refused) {
    let call = &request["toolCall"];
    let input = &call["rawInput"];
    let named = request["tool"].as_str().unwrap_or_default().to_ascii_lowercase();
    let tool = match (call["kind"].as_str().unwrap_or_default(), named.as_str()) {
        (_, "bash" | "shell" | "execute") | ("execute", _) => "Bash",
        (_, "write" | "edit" | "multiedit" | "patch" | "apply_patch") | ("edit" | "delete" | "move", _) => {
            "Edit"
        }
        (_, "read" | "grep" | "glob" | "list") | ("read" | "search" | "think", _) => "Read",
        // The runtime's own tools are decided about by the gateway; their kind is `other`.
        _ if ours(&call["title"]) || ours(&request["tool"]) => "mcp__rt__tool",
        _ => "another tool",
    };
    let path = call["locations"][0]["path"].as_str().or_else(|| path_of(input));
    let used = ToolUse { family, tool, path, command: input["command"].as_str() };
    match judge(&used, paths) {
        Ok(()) => (json!({"allow": true}), None),
        Err(reason) => {
            let answer = json!({"allow": false, "reason": reason.to_string()});
            (answer, Some((told(&call["title"], input), reason)))
        }
    }
}

fn ours(title: &Value) -> bool {
    title.as_str().is_some_and(|t| t.starts_with("rt_") || t.starts_with("mcp__rt__"))
}

fn judged(family: Family, paths: &PathRules, tool: &Value, input: &Value) -> Result<(), Reason> {
    let tool = tool.as_str().unwrap_or_default();
    judge(&ToolUse { family, tool, path: path_of(input), command: input["command"].as_str() }, paths)
}

fn path_of(input: &Value) -> Option<&str> {
    ["file_path", "notebook_path", "filePath", "path"].iter().find_map(|key| input[*key].as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hooked(family: Family, input: Value) -> Value {
        let paths = PathRules::compile(&foureyes_config::Config::default()).unwrap();
        hook(family, &paths, &input).0
    }

    #[test]
    fn tools_of_other_agents_are_told_by_name_and_kind() {
        let paths = PathRules::compile(&foureyes_config::Config::default()).unwrap();
        let may = |family, request: Value| acp_permission(family, &paths, &request).0["allow"].clone();
        let bash = json!({"tool": "bash", "toolCall": {"kind": "other", "title": "git add -A"}});
        let push = json!({"toolCall": {"kind": "execute", "rawInput": {"command": "git push origin main"}}});
        let edit =
            json!({"tool": "edit", "toolCall": {"kind": "edit", "locations": [{"path": "/work/src/a.rs"}]}});
        let ours = json!({"toolCall": {"kind": "other", "title": "rt_inbox"}});
        let other = json!({"tool": "webfetch", "toolCall": {"kind": "fetch", "title": "x"}});
        let table = [
            (Family::Dev, &bash, true),
            (Family::Planner, &bash, false),
            (Family::Dev, &push, false),
            (Family::Dev, &edit, true),
            (Family::Docs, &edit, false),
            (Family::Planner, &ours, true),
            (Family::Dev, &other, false),
        ];
        for (family, request, expected) in table {
            assert_eq!(may(family, request.clone()), expected, "{family} {request}");
        }
    }

    #[test]
    fn a_refused_tool_is_told_why() {
        let push = json!({
            "hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": {"command": "git push origin main"},
        });
        let said = hooked(Family::Dev, push);
        assert_eq!(said["hookSpecificOutput"]["permissionDecision"], "deny");
        let why = said["hookSpecificOutput"]["permissionDecisionReason"].as_str().unwrap();
        assert!(why.starts_with("T-PUSH (agents' tools): "), "{why}");
        let write = json!({
            "hook_event_name": "PreToolUse", "tool_name": "Write", "tool_input": {"file_path": "/work/a.rs"},
        });
        assert_eq!(hooked(Family::Dev, write.clone()), json!({}));
        assert_eq!(hooked(Family::Planner, write)["hookSpecificOutput"]["permissionDecision"], "deny");
        assert_eq!(hooked(Family::Planner, json!({"hook_event_name": "Stop"})), json!({}));
        let nameless = json!({"hook_event_name": "PreToolUse"});
        assert_eq!(hooked(Family::Dev, nameless)["hookSpecificOutput"]["permissionDecision"], "deny");
    }
}
