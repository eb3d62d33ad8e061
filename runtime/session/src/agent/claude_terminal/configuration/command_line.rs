//! Arguments and environment of the program.

use super::TerminalPlan;
use foureyes_ports::hook::{DECIDING, REPORTING};
use serde_json::{Value, json};

/// The hook's program inside.
const HOOK: &str = "/rt/bin/agents-hook";
/// The program inside that speaks for the runtime's tools.
const TOOLS: &str = "/rt/bin/agents-mcp";
/// The name of the runtime's tools in the program: each is called `mcp__rt__<tool>`.
const SERVER: &str = "rt";
/// Seconds that a hook may take. What runs into the limit is let through, so that of hooks that
/// decide is longer than the time that the hook itself allows the runtime.
const DECIDES: u32 = 600;
const REPORTS: u32 = 30;

/// Program and arguments. The mode is always named: without it the program chooses one of its own.
pub(super) fn argv(plan: &TerminalPlan, resumes: bool) -> Vec<String> {
    let mut argv = vec![plan.program.to_string_lossy().into_owned()];
    let mut put = |words: &[&str]| argv.extend(words.iter().map(|word| (*word).to_owned()));
    let session = plan.session.to_string();
    put(&[if resumes { "--resume" } else { "--session-id" }, &session]);
    put(&["--name", &plan.name, "--permission-mode", "dontAsk", "--tools", &plan.tools.join(",")]);
    if let Some(model) = &plan.model {
        put(&["--model", model]);
    }
    if let Some(file) = &plan.prompt_file {
        put(&["--append-system-prompt-file", &file.to_string_lossy()]);
    }
    // What lies in the clone or in the agent's home is no configuration.
    put(&["--setting-sources", "", "--settings", &settings(plan).to_string()]);
    put(&["--strict-mcp-config", "--mcp-config", &servers().to_string()]);
    // The program's own commands open dialogs that swallow what is typed next.
    put(&["--disable-slash-commands"]);
    argv.extend(plan.args.iter().cloned());
    argv
}

fn settings(plan: &TerminalPlan) -> Value {
    let allow: Vec<String> = plan.allow.iter().cloned().chain([format!("mcp__{SERVER}")]).collect();
    let hooks: serde_json::Map<String, Value> = DECIDING
        .iter()
        // Also a hook that is missing or killed must refuse: any failure becomes exit code 2.
        .map(|event| (*event, "exit 2", DECIDES))
        .chain(REPORTING.iter().map(|event| (*event, "exit 0", REPORTS)))
        .map(|(event, otherwise, timeout)| {
            let command = format!("{HOOK} {event} || {otherwise}");
            let hook = json!({"type": "command", "command": command, "timeout": timeout});
            (event.to_owned(), json!([{"matcher": "*", "hooks": [hook]}]))
        })
        .collect();
    json!({"permissions": {"allow": allow}, "hooks": hooks, "spinnerTipsEnabled": false})
}

fn servers() -> Value {
    let server = json!({"type": "stdio", "command": TOOLS, "args": [], "alwaysLoad": true});
    json!({"mcpServers": {SERVER: server}})
}

/// Environment variables, besides what every sandbox has.
pub(super) fn environment(plan: &TerminalPlan) -> Vec<(String, String)> {
    let mut env = vec![
        ("CLAUDE_CONFIG_DIR", plan.config_dir.to_string_lossy().into_owned()),
        ("ANTHROPIC_BASE_URL", plan.base_url.clone()),
        ("ANTHROPIC_API_KEY", plan.token.clone()),
    ];
    let on = [
        // The directory is trusted because the runtime made it.
        "CLAUDE_CODE_SANDBOXED",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
        "CLAUDE_CODE_DISABLE_AUTO_MEMORY",
        // A key that a person may well press would start a daemon with sessions of its own.
        "CLAUDE_CODE_DISABLE_AGENT_VIEW",
        "CLAUDE_CODE_DISABLE_FEEDBACK_SURVEY",
        "DISABLE_AUTOUPDATER",
    ];
    env.extend(on.map(|name| (name, "1".to_owned())));
    if plan.walled {
        env.push(("IS_SANDBOX", "1".to_owned()));
    }
    env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
