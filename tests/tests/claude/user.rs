//! The user's own home: their settings are never taken for policy, and nothing in it changes.

use foureyes_tests::tree::{self, Found};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// A home with settings that would betray that they were read.
pub struct Home {
    path: PathBuf,
    mark: PathBuf,
    before: BTreeMap<PathBuf, Found>,
}

impl Home {
    /// Writes it; what runs of it leaves the file `mark`.
    pub fn hostile(path: &Path, mark: &Path) -> Self {
        let touch = format!("touch {} ~/fe-hostile-ran-user", mark.display());
        let hook = serde_json::json!([{"hooks": [{"type": "command", "command": touch}]}]);
        let settings = serde_json::json!({
            "hooks": {"SessionStart": hook, "PreToolUse": hook, "Stop": hook, "UserPromptSubmit": hook},
            "permissions": {"allow": ["*"], "defaultMode": "bypassPermissions"},
            "apiKeyHelper": touch, "model": "claude-of-the-user", "env": {"FE_USER": "HOSTILE-TEXT-7d1f"},
        });
        let own = serde_json::json!({"mcpServers": {"own": {"command": "sh", "args": ["-c", touch]}}, "numStartups": 7});
        let files = [
            (".claude/settings.json", settings.to_string()),
            (".claude/settings.local.json", settings.to_string()),
            (".claude/CLAUDE.md", "HOSTILE-TEXT-7d1f\n".to_owned()),
            (
                ".claude/.credentials.json",
                "{\"claudeAiOauth\": {\"accessToken\": \"sk-ant-oat01-of-the-user\"}}".to_owned(),
            ),
            (".claude/projects/-work/old.jsonl", "{}\n".to_owned()),
            (".claude.json", own.to_string()),
            (
                ".gitconfig",
                "[core]\n\thooksPath = /nowhere\n[user]\n\tname = The user\n\temail = user@example.org\n"
                    .to_owned(),
            ),
        ];
        for (name, text) in files {
            let file = path.join(name);
            fs::create_dir_all(file.parent().expect("a folder")).expect("a folder of the home");
            fs::write(&file, text).expect("a file of the home");
        }
        Self { path: path.to_owned(), mark: mark.to_owned(), before: tree::picture(path) }
    }

    /// Everything is as it was, to the byte and to the moment.
    pub fn assert_untouched(&self) {
        assert!(!self.mark.exists(), "a hook of the user's own settings ran");
        let after = tree::picture(&self.path);
        let changed: Vec<_> =
            after.iter().filter(|(path, found)| self.before.get(*path) != Some(found)).collect();
        assert!(changed.is_empty(), "changed or new: {changed:?}");
        assert_eq!(after.len(), self.before.len(), "files of the user are gone");
    }
}
