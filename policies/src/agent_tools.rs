//! Which of its program's own tools an agent may use, and on what. Early feedback with a reason that a
//! model can act on: the walls (sandbox, push rules, gateway) hold without it.

use foureyes_config::PathRules;
use foureyes_protocol::{Code, Family, Reason};

/// Tools that only read.
const READERS: [&str; 9] =
    ["Read", "Grep", "Glob", "LS", "NotebookRead", "TodoWrite", "TodoRead", "BashOutput", "TaskOutput"];
/// Tools that write a file.
const WRITERS: [&str; 4] = ["Write", "Edit", "MultiEdit", "NotebookEdit"];
/// Tools that run or steer commands.
const SHELLS: [&str; 3] = ["Bash", "KillShell", "KillBash"];
/// Where the runtime's own tools stand among those of a program.
const OURS: &str = "mcp__rt__";
/// The clone.
const WORK: &str = "/work/";

/// A use of a tool.
#[derive(Clone, Copy, Debug)]
pub struct ToolUse<'a> {
    /// Whose.
    pub family: Family,
    /// The tool, as the program names it.
    pub tool: &'a str,
    /// The file that it writes, as the program names it.
    pub path: Option<&'a str>,
    /// The command that it runs.
    pub command: Option<&'a str>,
}

/// Judges a use of a tool.
///
/// # Errors
/// [`Code::ToolRight`], [`Code::ToolShell`] or [`Code::ToolPush`], with what to do instead.
pub fn judge(used: &ToolUse<'_>, paths: &PathRules) -> Result<(), Reason> {
    let tool = used.tool;
    match () {
        // The gateway decides about these.
        () if tool.starts_with(OURS) || READERS.contains(&tool) => Ok(()),
        () if WRITERS.contains(&tool) => write(used, paths),
        () if SHELLS.contains(&tool) => shell(used),
        () => right(format!("the tool {tool} is not part of this work: use the tools that you were given")),
    }
}

fn right(text: String) -> Result<(), Reason> {
    Err(Reason::new(Code::ToolRight, text))
}

/// Whether a family works on files at all.
fn works_on_files(family: Family) -> bool {
    matches!(family, Family::Dev | Family::Qa | Family::Docs)
}

fn write(used: &ToolUse<'_>, paths: &PathRules) -> Result<(), Reason> {
    let family = used.family;
    if !works_on_files(family) {
        return right(format!(
            "a {family} does not write files: say it with a tool of the runtime (a spec with `submit_spec`, \
             a finding with `reject` or `review_feedback`)"
        ));
    }
    let Some(path) = used.path else { return Ok(()) };
    let inside = path.strip_prefix(WORK).unwrap_or(path);
    if inside.split('/').any(|part| part == "..") {
        return right(format!("{path} leads out of the clone: name a file below /work"));
    }
    if inside == ".git" || inside.starts_with(".git/") {
        return right("nobody edits git's own files: use git's commands".to_owned());
    }
    if inside.starts_with('/') {
        // Scratch files of its own sandbox: nothing of them is ever delivered.
        return Ok(());
    }
    let class = paths.classify(inside);
    match family {
        Family::Docs if !class.docs && !class.user_facing => right(format!(
            "{inside} is no documentation: docs writes what `paths.docs` names and leaves code to devs"
        )),
        Family::Qa if !class.test && !class.test_infrastructure => right(format!(
            "{inside} is no test file: qa writes tests and leaves the implementation to devs (`reject` with a finding)"
        )),
        _ => Ok(()),
    }
}

fn shell(used: &ToolUse<'_>) -> Result<(), Reason> {
    if !works_on_files(used.family) {
        let text = format!(
            "a {} runs no commands: read with Read, Grep and Glob, and changes with `review_diff` and \
             `review_file`",
            used.family
        );
        return Err(Reason::new(Code::ToolShell, text));
    }
    used.command.map_or(Ok(()), pushes)
}

/// Looks at each `git push` of a command line. A command can be hidden from this; the push itself cannot
/// be hidden from the repository.
fn pushes(command: &str) -> Result<(), Reason> {
    let bare: String = command.chars().filter(|c| !matches!(c, '"' | '\'')).collect();
    for part in bare.split([';', '&', '|', '(', ')', '\n', '`']) {
        let words: Vec<&str> = part.split_whitespace().collect();
        let calls = words.iter().enumerate().filter(|(_, w)| **w == "git" || w.ends_with("/git"));
        for (at, _) in calls {
            if let Some(["push", arguments @ ..]) = subcommand(&words[at + 1..]) {
                push(arguments)?;
            }
        }
    }
    Ok(())
}

/// What stands behind git's own options.
fn subcommand<'a, 'w>(mut words: &'w [&'a str]) -> Option<&'w [&'a str]> {
    while let [first, rest @ ..] = words {
        words = match *first {
            "-C" | "-c" => rest.get(1..)?,
            option if option.starts_with('-') => rest,
            _ => return Some(words),
        };
    }
    None
}

fn push(arguments: &[&str]) -> Result<(), Reason> {
    let refuse = |what: &str| {
        Err(Reason::new(Code::ToolPush, format!("{what}: `git push origin feature/<id>`, nothing else")))
    };
    for word in arguments {
        let short = word.starts_with('-') && !word.starts_with("--");
        if word.starts_with("--force") || short && word.contains('f') || word.starts_with('+') {
            return refuse("a branch only moves forward");
        }
        if matches!(*word, "--no-verify" | "--mirror" | "--all" | "--tags" | "--delete" | "-d" | "--prune") {
            return refuse("only the branch of the feature is pushed");
        }
        let target = word.rsplit(':').next().unwrap_or(word).trim_start_matches("refs/heads/");
        if matches!(target, "main" | "master") || target.starts_with("refs/tags/") {
            return refuse("nobody pushes to the target branch");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(family: Family, tool: &str, path: Option<&str>, command: Option<&str>) -> Option<Code> {
        let paths = PathRules::compile(&foureyes_config::Config::default()).unwrap();
        judge(&ToolUse { family, tool, path, command }, &paths).err().map(|r| r.code)
    }

    #[test]
    fn everybody_reads_and_speaks() {
        for family in Family::ROLES {
            for tool in ["Read", "Grep", "Glob", "mcp__rt__inbox", "mcp__rt__freeze"] {
                assert_eq!(judged(family, tool, None, None), None, "{family} {tool}");
            }
            for tool in ["WebFetch", "Task", "SendMessage", "mcp__other__x", "Skill"] {
                assert_eq!(judged(family, tool, None, None), Some(Code::ToolRight), "{family} {tool}");
            }
        }
    }

    #[test]
    fn who_writes_what() {
        use Family::{Architect, Dev, Docs, Librarian, Orchestrator, Planner, Qa};
        let no = Some(Code::ToolRight);
        let table = [
            (Dev, "/work/src/lib.rs", None),
            (Dev, "src/lib.rs", None),
            (Dev, "/work/.git/config", no),
            (Dev, ".git", no),
            (Dev, "/work/../etc/passwd", no),
            (Dev, "/tmp/scratch", None),
            (Qa, "/work/tests/a.rs", None),
            (Qa, "/work/src/lib.rs", no),
            (Docs, "/work/README.md", None),
            (Docs, "/work/docs/guide.md", None),
            (Docs, "/work/src/lib.rs", no),
            (Planner, "/work/README.md", no),
            (Architect, "/work/a", no),
            (Librarian, "/work/a", no),
            (Orchestrator, "/work/a", no),
        ];
        for (family, path, expected) in table {
            for tool in WRITERS {
                assert_eq!(judged(family, tool, Some(path), None), expected, "{family} {tool} {path}");
            }
        }
    }

    #[test]
    fn who_runs_what() {
        for family in [Family::Planner, Family::Architect, Family::Librarian, Family::Orchestrator] {
            assert_eq!(judged(family, "Bash", None, Some("ls")), Some(Code::ToolShell), "{family}");
        }
        let no = Some(Code::ToolPush);
        let table = [
            ("cargo test", None),
            ("git push origin feature/x", None),
            ("git push -u origin HEAD:feature/x", None),
            ("cd /work && git commit -m 'push to main' && git push origin feature/x", None),
            ("git push origin HEAD:main", no),
            ("git push origin HEAD:refs/heads/main", no),
            ("git -C /work push --force origin feature/x", no),
            ("git push -f origin feature/x", no),
            ("git push origin +feature/x", no),
            ("git push --no-verify origin feature/x", no),
            ("git push --tags", no),
            ("git push origin refs/tags/v1", no),
            ("sh -c 'git push origin main'", no),
            ("git fetch; git push origin master", no),
            ("git push origin feature/x; git push origin main", no),
        ];
        for (command, expected) in table {
            assert_eq!(judged(Family::Dev, "Bash", None, Some(command)), expected, "{command}");
        }
    }
}
