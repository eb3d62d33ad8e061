//! How the CLI is started for the structured mode.

use super::gate::ClaudeOrder;
use foureyes_ports::backend::SessionRef;
use foureyes_protocol::Family;
use serde_json::json;

/// The name under which the CLI knows the runtime's own tools.
pub const SERVER: &str = "rt";

/// What is not in the allow list is refused without a question.
const PERMISSION_MODE: &str = "dontAsk";

/// The built-in tools of a family. Only who writes files or runs tests has a shell.
pub fn tools_of(family: Family) -> &'static [&'static str] {
    match family {
        Family::Dev | Family::Qa | Family::Docs => &["Bash", "Read", "Edit", "Write", "Grep", "Glob"],
        Family::Orchestrator | Family::Librarian | Family::Planner | Family::Architect => {
            &["Read", "Grep", "Glob"]
        }
        Family::User | Family::System => &[],
    }
}

/// One start of the CLI. All paths are as seen inside the sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaudeLaunch {
    /// The CLI.
    pub program: String,
    /// The model, by its name or an alias such as `sonnet`; the CLI's own choice when absent.
    pub model: Option<String>,
    /// The conversation.
    pub session: SessionRef,
    /// The file with the role's prompt, which is appended to the CLI's own.
    pub prompt_file: Option<String>,
    /// The built-in tools, such as those of [`tools_of`]. The tools of [`SERVER`] come with it.
    pub tools: Vec<String>,
    /// More arguments. They stand before the others, which win.
    pub extra_args: Vec<String>,
    /// How often the CLI itself asks its model again before it gives a turn up (0 to 10). Low: the
    /// runtime does the backing off, for all agents of an account together.
    pub max_retries: u8,
}

impl ClaudeLaunch {
    /// What the started program must show of itself.
    pub fn order(&self) -> ClaudeOrder {
        ClaudeOrder {
            model: self.model.clone(),
            tools: self.tools.clone(),
            session: self.session.id,
            permission_mode: PERMISSION_MODE.to_owned(),
        }
    }

    /// Program and arguments.
    pub fn argv(&self) -> Vec<String> {
        let mut argv = vec![self.program.clone()];
        argv.extend(self.extra_args.iter().cloned());
        let mut add = |words: &[&str]| argv.extend(words.iter().map(|word| (*word).to_owned()));
        add(&["-p", "--input-format", "stream-json", "--output-format", "stream-json"]);
        // Without partial messages: nobody needs them, and twelve agents would send thousands.
        add(&["--verbose", "--replay-user-messages"]);
        let session = self.session.id.to_string();
        add(&[if self.session.resume { "--resume" } else { "--session-id" }, &session]);
        if let Some(model) = &self.model {
            add(&["--model", model]);
        }
        add(&["--permission-mode", PERMISSION_MODE]);
        add(&["--tools", &self.tools.join(",")]);
        add(&["--allowedTools", &self.allowed().join(",")]);
        // Neither the user's nor the repository's settings, servers, skills and memory.
        add(&["--setting-sources", "", "--strict-mcp-config", "--disable-slash-commands"]);
        add(&["--settings", &settings()]);
        if let Some(file) = &self.prompt_file {
            add(&["--append-system-prompt-file", file]);
        }
        argv
    }

    fn allowed(&self) -> Vec<String> {
        let server = format!("mcp__{SERVER}");
        self.tools.iter().cloned().chain([server]).collect()
    }

    /// The variables that the CLI needs, besides PATH, HOME, LANG and TERM. `token` is good for the
    /// runtime's proxy alone: the agent's tools can read it. `config_dir` is the agent's own.
    pub fn environment(&self, base_url: &str, token: &str, config_dir: &str) -> Vec<(String, String)> {
        let retries = self.max_retries.min(10).to_string();
        let own = [
            ("ANTHROPIC_BASE_URL", base_url),
            ("ANTHROPIC_API_KEY", token),
            ("CLAUDE_CONFIG_DIR", config_dir),
            ("CLAUDE_CODE_MAX_RETRIES", &retries),
        ];
        own.iter().chain(&FIXED).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }
}

const FIXED: [(&str, &str); 10] = [
    ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    ("DISABLE_AUTOUPDATER", "1"),
    ("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS", "1"),
    ("CLAUDE_CODE_DISABLE_AUTO_MEMORY", "1"),
    ("CLAUDE_CODE_DISABLE_CLAUDE_MDS", "1"),
    // An `@path` in a message that is handed on would be read without any hook being asked. (2.1.197
    // does not know this, and reads it within its sandbox.)
    ("CLAUDE_CODE_DISABLE_FILE_MENTIONS", "1"),
    // What ends in the background begins a turn that nobody ordered.
    ("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "1"),
    // The runtime's tools stand in the first request, not behind a search.
    ("ENABLE_TOOL_SEARCH", "false"),
    ("DISABLE_TELEMETRY", "1"),
    // Times of day in the CLI's messages about limits are then ours to read.
    ("TZ", "UTC"),
];

/// The provider's own attribution lines would stand in the agents' commits otherwise.
fn settings() -> String {
    let none = json!({ "commit": "", "pr": "" });
    json!({ "includeCoAuthoredBy": false, "attribution": none }).to_string()
}
