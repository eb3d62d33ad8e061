//! What the questions of agents' programs are answered: their own tools by the rules, the runtime's
//! tools by the gateway. What is not understood is refused.

use foureyes_config::PathRules;
use foureyes_gateway::Gateway;
use foureyes_policies::agent_tools::{ToolUse, judge};
use foureyes_ports::{
    backend::Ask,
    hook::{deny, pass},
};
use foureyes_protocol::{Family, PrincipalId, Reason};
use foureyes_session::agent::{
    acp::REQUEST_PERMISSION,
    claude::{CAN_USE_TOOL, HOOK_CALLBACK, MCP_MESSAGE},
};
use serde_json::{Value, json};

/// The hooks that are asked before a tool runs.
const BEFORE: [&str; 2] = ["PreToolUse", "PermissionRequest"];

/// Answers a question of a role's program.
pub(super) async fn answer(
    gateway: &Gateway,
    role: &PrincipalId,
    family: Family,
    paths: &PathRules,
    ask: &Ask,
) -> String {
    let request: Value = serde_json::from_str(&ask.payload).unwrap_or_default();
    let answer = match ask.kind.as_str() {
        MCP_MESSAGE => gateway.mcp(role, &request["message"]).await.unwrap_or(Value::Null),
        HOOK_CALLBACK => hook(role, family, paths, &request["input"]),
        CAN_USE_TOOL => permission(role, family, paths, &request),
        REQUEST_PERMISSION => acp_permission(role, family, paths, &request),
        _ => Value::Null,
    };
    answer.to_string()
}

/// What a hook of an agent's program is answered: an object without a decision lets things pass.
pub(super) fn hook(role: &PrincipalId, family: Family, paths: &PathRules, input: &Value) -> Value {
    let event = input["hook_event_name"].as_str().unwrap_or_default();
    if !BEFORE.contains(&event) {
        return pass();
    }
    match judged(family, paths, &input["tool_name"], &input["tool_input"]) {
        Ok(()) => pass(),
        Err(reason) => {
            tracing::info!(%role, %reason, "a tool use was refused");
            deny(event, &reason.to_string())
        }
    }
}

fn permission(role: &PrincipalId, family: Family, paths: &PathRules, request: &Value) -> Value {
    match judged(family, paths, &request["tool_name"], &request["input"]) {
        Ok(()) => json!({"behavior": "allow"}),
        Err(reason) => {
            tracing::info!(%role, %reason, "a permission was refused");
            json!({"behavior": "deny", "message": reason.to_string()})
        }
    }
}

/// Agents of this protocol describe their tools in words of their own: by kind.
fn acp_permission(role: &PrincipalId, family: Family, paths: &PathRules, request: &Value) -> Value {
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
        Ok(()) => json!({"allow": true}),
        Err(reason) => {
            tracing::info!(%role, %reason, tool = %call["title"], "a permission was refused");
            json!({"allow": false, "reason": reason.to_string()})
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
        hook(&PrincipalId::new("dev-a").unwrap(), family, &paths, &input)
    }

    #[test]
    fn tools_of_other_agents_are_told_by_name_and_kind() {
        let paths = PathRules::compile(&foureyes_config::Config::default()).unwrap();
        let dev = PrincipalId::new("dev-a").unwrap();
        let may = |family, request: Value| acp_permission(&dev, family, &paths, &request)["allow"].clone();
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
