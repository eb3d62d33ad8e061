use super::*;
use serde_json::{Value, json};
use std::os::unix::fs::symlink;

fn plan() -> TerminalPlan {
    TerminalPlan {
        program: "/rt/claude".into(),
        config_dir: "/home/agent/.claude".into(),
        work: "/work".into(),
        name: "dev-a".into(),
        session: Uuid::from_u128(1),
        base_url: "http://127.0.0.1:9999/a/dev-a".into(),
        token: "a-token-that-is-good-for-nothing-else".into(),
        model: Some("haiku".into()),
        tools: vec!["Bash".into(), "Read".into()],
        allow: vec!["Bash(git status:*)".into()],
        prompt_file: Some("/rt/role.md".into()),
        walled: true,
        args: vec!["--effort".into(), "low".into()],
    }
}

struct Bed {
    _root: tempfile::TempDir,
    dir: PathBuf,
}

impl Bed {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        Self { dir: root.path().join(".claude"), _root: root }
    }

    fn configured(&self) -> Value {
        configure(&plan(), &self.dir).unwrap();
        serde_json::from_slice(&std::fs::read(self.dir.join(GLOBAL)).unwrap()).unwrap()
    }

    fn holds(&self, text: &str) -> &Self {
        std::fs::create_dir_all(&self.dir).unwrap();
        std::fs::write(self.dir.join(GLOBAL), text).unwrap();
        self
    }
}

#[test]
fn everything_that_would_be_asked_is_answered() {
    let global = Bed::new().configured();
    assert_eq!(
        global,
        json!({
            "theme": "dark",
            "hasCompletedOnboarding": true,
            "resumeReturnDismissed": true,
            "customApiKeyResponses": {"approved": ["ood-for-nothing-else"], "rejected": []},
            "projects": {"/work": {"hasTrustDialogAccepted": true}},
        })
    );
}

#[test]
fn what_the_program_keeps_is_kept_and_our_answers_win() {
    let bed = Bed::new();
    let kept = json!({
        "theme": "light", "numStartups": 7, "userID": "x",
        "hasCompletedOnboarding": false,
        "customApiKeyResponses": {"approved": [], "rejected": ["ood-for-nothing-else"]},
        "env": {"ANTHROPIC_BASE_URL": "http://elsewhere"},
        "mcpServers": {"evil": {"command": "/work/evil"}},
        "projects": {
            "/work": {"hasTrustDialogAccepted": false, "lastCost": 1, "mcpServers": {"evil": {}}},
            "/other": {"x": 1},
        },
    });
    let global = bed.holds(&kept.to_string()).configured();
    assert_eq!(
        (&global["theme"], &global["numStartups"], &global["userID"]),
        (&json!("light"), &json!(7), &json!("x"))
    );
    assert_eq!(global["hasCompletedOnboarding"], true);
    assert_eq!(global["customApiKeyResponses"]["rejected"], json!([]));
    assert_eq!(global["projects"]["/work"], json!({"hasTrustDialogAccepted": true, "lastCost": 1}));
    assert_eq!(global["projects"]["/other"], json!({"x": 1}));
    assert!(global.get("env").is_none() && global.get("mcpServers").is_none());
    assert_eq!(bed.configured(), global, "the same again");
}

#[test]
fn what_cannot_be_kept_is_written_anew() {
    let fresh = Bed::new().configured();
    let large = format!(r#"{{"x":"{}"}}"#, "y".repeat(MAX_GLOBAL));
    for text in ["", "nonsense", "[]", "7", r#"{"projects":"#, large.as_str()] {
        assert_eq!(Bed::new().holds(text).configured(), fresh, "{:.20}", text);
    }
    let odd = Bed::new().holds(r#"{"projects": 7, "theme": []}"#).configured();
    assert_eq!(odd, fresh);
    assert_eq!(Bed::new().holds(r#"{"projects": {"/work": "x"}}"#).configured(), fresh);
}

#[test]
fn a_link_is_neither_read_nor_written_through() {
    let bed = Bed::new();
    let outside = bed.dir.with_file_name("outside");
    std::fs::write(&outside, r#"{"secret": 1}"#).unwrap();
    std::fs::create_dir(&bed.dir).unwrap();
    symlink(&outside, bed.dir.join(GLOBAL)).unwrap();
    assert!(bed.configured().get("secret").is_none());
    assert_eq!(std::fs::read_to_string(outside).unwrap(), r#"{"secret": 1}"#);
}

#[test]
fn a_conversation_that_is_there_goes_on() {
    let bed = Bed::new();
    assert!(!configure(&plan(), &bed.dir).unwrap().resumes);
    let (prompt, conversations) = (PromptId(Uuid::from_u128(5)), bed.dir.join("projects/-work"));
    std::fs::create_dir_all(&conversations).unwrap();
    let file = conversations.join(format!("{}.jsonl", plan().session));
    std::fs::write(&file, "").unwrap();
    assert!(!configure(&plan(), &bed.dir).unwrap().resumes, "an empty one cannot go on");
    let seen = || was_seen(&bed.dir, Path::new("/work"), plan().session, prompt);
    assert!(!seen());
    std::fs::write(&file, format!("{{\"content\":\"{}\\nwork\"}}\n", marker::line(prompt))).unwrap();
    let configured = configure(&plan(), &bed.dir).unwrap();
    assert!(configured.resumes && seen());
    assert_eq!(configured.argv[1..3], ["--resume".to_owned(), plan().session.to_string()]);
    assert_eq!(configured.session(plan().session), SessionRef { id: plan().session, resume: true });
}

#[test]
fn the_command_line() {
    let configured = configure(&plan(), &Bed::new().dir).unwrap();
    let env = configured.env.iter().map(|(name, value)| format!("{name}={value}"));
    insta::assert_snapshot!(configured.argv.iter().cloned().chain(env).collect::<Vec<_>>().join("\n"));
    assert!(
        !environment(&TerminalPlan { walled: false, ..plan() }).iter().any(|(name, _)| name == "IS_SANDBOX")
    );
}
