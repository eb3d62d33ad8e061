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
    let Some(command) = used.command else { return Ok(()) };
    if used.family == Family::Docs && runs_tests(command) {
        let text = "docs runs no tests: dev and qa do, and `evidence` shows what came of them";
        return Err(Reason::new(Code::ToolShell, text));
    }
    pushes(command)
}

/// The commands of a line, each as its words, without quotes.
fn commands(line: &str) -> Vec<Vec<String>> {
    let bare: String = line.chars().filter(|c| !matches!(c, '"' | '\'')).collect();
    let parts = bare.split([';', '&', '|', '(', ')', '\n', '`']);
    parts.map(|part| part.split_whitespace().map(str::to_owned).collect()).collect()
}

/// Programs that do nothing but run tests.
const RUNNERS: [&str; 11] =
    ["pytest", "py.test", "tox", "nox", "jest", "vitest", "mocha", "rspec", "ctest", "phpunit", "nextest"];
/// Programs that run tests with one of these words behind them.
const TESTS_OF: [(&str, &[&str]); 13] = [
    ("cargo", &["test", "t", "nextest", "bench"]),
    ("python", &["pytest", "unittest"]),
    ("python3", &["pytest", "unittest"]),
    ("npm", &["test", "t", "tst"]),
    ("pnpm", &["test", "t"]),
    ("yarn", &["test"]),
    ("bun", &["test"]),
    ("deno", &["test"]),
    ("go", &["test"]),
    ("make", &["test", "check"]),
    ("mvn", &["test", "verify"]),
    ("gradle", &["test", "check"]),
    ("dotnet", &["test"]),
];

/// Whether a command line runs tests. A script can hide them from this; what they say counts for no gate.
fn runs_tests(line: &str) -> bool {
    commands(line).iter().any(|words| {
        words.iter().enumerate().any(|(at, word)| {
            let program = word.rsplit('/').next().unwrap_or(word);
            let names = |tests: &[&str]| words[at + 1..].iter().any(|w| tests.contains(&w.as_str()));
            // Elsewhere than at its beginning a word is mostly an argument: a file, a text.
            let starts = words[..at].iter().all(|before| is_before_a_program(before));
            starts
                && (RUNNERS.contains(&program)
                    || TESTS_OF.iter().any(|(name, tests)| *name == program && names(tests)))
        })
    })
}

/// What may stand before the program of a command: a variable, or a program that runs another one.
fn is_before_a_program(word: &str) -> bool {
    const STARTERS: [&str; 13] = [
        "env", "time", "timeout", "nice", "exec", "sh", "bash", "npx", "bunx", "uv", "run", "poetry", "xargs",
    ];
    let number = word.bytes().all(|b| b.is_ascii_digit() || b == b's');
    word.contains('=') || word.starts_with('-') || number || STARTERS.contains(&word)
}

/// Looks at each `git push` of a command line. A command can be hidden from this; the push itself cannot
/// be hidden from the repository.
fn pushes(command: &str) -> Result<(), Reason> {
    for words in commands(command) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
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

    #[test]
    fn only_devs_and_qa_run_tests() {
        let tests = [
            "cargo test",
            "cd docs && cargo +nightly --locked test --doc",
            "RUST_LOG=debug timeout 60s cargo nextest run",
            "/usr/bin/python3 -m pytest -q",
            "python -m unittest",
            "sh -c 'pytest tests'",
            "npx --yes vitest",
            "npm run test",
            "go test ./...; git status",
            "make -j2 check",
        ];
        let others = [
            "ls tests && cat tests/test.py",
            "git commit -m 'cargo test is documented'",
            "grep -rn pytest docs",
            "cargo doc --no-deps",
            "git add docs/cargo test.md",
            "git push origin feature/test",
            "python3 docs/build.py",
        ];
        for command in tests {
            assert_eq!(judged(Family::Docs, "Bash", None, Some(command)), Some(Code::ToolShell), "{command}");
            for family in [Family::Dev, Family::Qa] {
                assert_eq!(judged(family, "Bash", None, Some(command)), None, "{family} {command}");
            }
        }
        for command in others {
            assert_eq!(judged(Family::Docs, "Bash", None, Some(command)), None, "{command}");
        }
        let push = "git push origin main";
        assert_eq!(judged(Family::Docs, "Bash", None, Some(push)), Some(Code::ToolPush));
    }
}
