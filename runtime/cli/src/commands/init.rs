//! `init`: writes a configuration for a repository, from what is found in it.

use super::{Place, print};
use crate::{
    args::InitArgs,
    error::CliError,
    exit::Exit,
    repository,
    terminal::{Prompt, Terminal},
    trust::REPOSITORY_CONFIG,
};
use foureyes_config::{builtin, sections::prompts::Prompts};
use std::{fs, path::Path, process::ExitCode};

/// What is known of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    /// The checked-out branch, without `refs/heads/`.
    branch: Option<String>,
    /// Whether a remote is configured.
    remote: bool,
    /// The test command, one word an item.
    test: Option<Vec<String>>,
    /// The adapter that reads its results; `none` where no tests were found.
    adapter: &'static str,
}

pub(super) fn init(place: &Place, args: &InitArgs) -> Result<ExitCode, CliError> {
    let repository = place.repository()?;
    let file = repository.join(REPOSITORY_CONFIG);
    if file.exists() && !args.force {
        return Err(CliError::new(Exit::No, "there is a configuration already")
            .at(file.display())
            .hint("edit it, then `agents check`; or overwrite it with --force"));
    }
    let mut prompt = Terminal;
    let found = look(&repository);
    let answers =
        if args.yes || !prompt.is_terminal() { Answers::of(&found) } else { ask(&mut prompt, &found)? };
    write(&file, &yaml(&answers))?;
    let mut out = format!("wrote {}\n", file.display());
    if let Some(folder) = file.parent() {
        out.push_str(&copy_prompts(&folder.join(Prompts::default().directory))?);
    }
    if answers.adapter == "none" {
        out.push_str(
            "no test command was found: the gates cannot judge anything without one.\n\
             Name it under gates.suite.command, such as [make, test].\n",
        );
    }
    out.push_str("next: agents trust, then agents run --task \"what you want\"\n");
    print(&out)
}

/// Copies the built-in parts of the prompts to where the user can edit them. What is there stays.
fn copy_prompts(folder: &Path) -> Result<String, CliError> {
    let mut kept = 0;
    for name in builtin::prompt_names() {
        let (file, text) = (folder.join(name), builtin::prompt(name).unwrap_or_default());
        if fs::symlink_metadata(&file).is_ok() {
            kept += 1;
            continue;
        }
        write(&file, text)?;
    }
    let all = builtin::prompt_names().count();
    let kept = if kept == 0 { String::new() } else { format!(", {kept} were there and stay") };
    Ok(format!(
        "{all} parts of the agents' prompts in {}{kept}: edit them, or delete what you do not change\n",
        folder.display()
    ))
}

/// What goes into the configuration.
struct Answers {
    branch: Option<String>,
    deliver: String,
    adapter: &'static str,
    test: Vec<String>,
}

impl Answers {
    fn of(found: &Found) -> Self {
        Self {
            branch: found.branch.clone(),
            deliver: if found.remote { "branch" } else { "main" }.to_owned(),
            adapter: found.adapter,
            test: found.test.clone().unwrap_or_default(),
        }
    }
}

fn ask(prompt: &mut dyn Prompt, found: &Found) -> Result<Answers, CliError> {
    let mut answers = Answers::of(found);
    if let Some(branch) = &answers.branch {
        answers.branch = Some(with_default(prompt, "branch that changes land on", branch)?);
    }
    answers.deliver = loop {
        let given = with_default(prompt, "finished changes go to: branch, main or push", &answers.deliver)?;
        if ["branch", "main", "push"].contains(&given.as_str()) {
            break given;
        }
        prompt.show("one of: branch, main, push");
    };
    if answers.adapter == "none" {
        prompt.show("no test command was found; without one the gates cannot judge anything");
        let given = prompt.ask("test command (such as `make test`; empty: later):")?;
        answers.test = given.split_whitespace().map(str::to_owned).collect();
        answers.adapter = if answers.test.is_empty() { "none" } else { "generic" };
    }
    Ok(answers)
}

fn with_default(prompt: &mut dyn Prompt, question: &str, default: &str) -> Result<String, CliError> {
    let given = prompt.ask(&format!("{question} [{default}]:"))?;
    Ok(if given.is_empty() { default.to_owned() } else { given })
}

fn look(repository: &Path) -> Found {
    let branch = repository::head_branch(repository).filter(|b| is_usable(b));
    let config = fs::read_to_string(repository::git_dir(repository).join("config")).unwrap_or_default();
    let remote = config.lines().any(|line| line.trim_start().starts_with("[remote "));
    let has = |name: &str| repository.join(name).exists();
    let words = |text: &str| Some(text.split(' ').map(str::to_owned).collect());
    // The adapters of Rust and Python know their commands themselves.
    let (adapter, test) =
        if has("Cargo.toml") || has("pyproject.toml") || has("setup.py") || python_tests(repository) {
            ("auto", None)
        } else if has("go.mod") {
            ("generic", words("go test ./..."))
        } else if has("package.json") {
            ("generic", words("npm test"))
        } else if fs::read_to_string(repository.join("Makefile"))
            .is_ok_and(|m| m.lines().any(|l| l.starts_with("test:")))
        {
            ("generic", words("make test"))
        } else {
            ("none", None)
        };
    Found { branch, remote, test, adapter }
}

/// Whether there are Python tests where they usually lie.
fn python_tests(repository: &Path) -> bool {
    let named = |dir: &Path| {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        entries
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .any(|n| n.starts_with("test_") && n.ends_with(".py"))
    };
    ["", "test", "tests"].iter().any(|dir| named(&repository.join(dir)))
}

/// Whether a configuration can name the branch; the one that HEAD names need not be written.
fn is_usable(branch: &str) -> bool {
    let text = format!("repository: {{target_branch: {}}}", serde_json::Value::from(branch));
    foureyes_config::load(&text, REPOSITORY_CONFIG).is_ok()
}

fn yaml(answers: &Answers) -> String {
    // JSON strings are YAML strings.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let test: Vec<String> = answers.test.iter().map(|word| quoted(word)).collect();
    let branch = answers.branch.as_deref().map_or("null".to_owned(), quoted);
    format!(
        "# How Foureyes works on this repository. Every key and its default: `agents check default`.\n\
         # A change here counts once you accept it: agents trust.\n\
         version: 1\n\n\
         repository:\n  # The branch that changes land on.\n  target_branch: {branch}\n\n\
         # What is done with a change that has passed all gates:\n\
         #   branch  the branch foureyes/<target>, which you merge yourself\n\
         #   main    the target branch is moved forward\n\
         #   push    the target branch is pushed to the remote\n\
         deliver: {deliver}\n\n\
         agents:\n  # The program of every role: claude, acp, command or scripted.\n  backend: {{kind: claude}}\n\n\
         gates:\n  suite:\n    # auto (Rust and Python are found), libtest, pytest, unittest or generic.\n    adapter: {adapter}\n\
         \x20   # The test command, word by word; empty: the adapter's own.\n    command: [{test}]\n",
        deliver = answers.deliver,
        // The generic adapter needs a command; without one it is left to be found later.
        adapter = if answers.adapter == "none" { "auto" } else { answers.adapter },
        test = test.join(", "),
    )
}

fn write(file: &Path, text: &str) -> Result<(), CliError> {
    let failed = |e: std::io::Error| CliError::file("cannot write what `init` makes", file, &e);
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(file, text).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::Scripted;

    fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = dir.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        dir
    }

    #[test]
    fn what_is_written_loads_whatever_was_found() {
        let rows: [(&[(&str, &str)], &str); 5] = [
            (&[(".git/HEAD", "ref: refs/heads/master\n"), ("Cargo.toml", "")], "auto"),
            (&[(".git/HEAD", "ref: refs/heads/a/größe\n"), ("go.mod", "")], "generic"),
            (&[(".git/config", "[remote \"origin\"]\n"), ("Makefile", "test: x\n")], "generic"),
            (&[(".git/HEAD", "0123\n"), ("pyproject.toml", "")], "auto"),
            (&[("README", "no tests")], "none"),
        ];
        for (files, adapter) in rows {
            let dir = repository(files);
            let found = look(dir.path());
            assert_eq!(found.adapter, adapter, "{files:?}");
            let text = yaml(&Answers::of(&found));
            let config = foureyes_config::load(&text, "x").unwrap_or_else(|e| panic!("{e}\n{text}"));
            assert_eq!(config.repository.target_branch, found.branch);
        }
    }

    #[test]
    fn parts_of_prompts_are_copied_and_what_is_there_stays() {
        let dir = repository(&[("prompts/dev.md", "mine")]);
        let folder = dir.path().join("prompts");
        let told = copy_prompts(&folder).unwrap();
        assert!(told.contains("1 were there and stay"), "{told}");
        assert_eq!(fs::read_to_string(folder.join("dev.md")).unwrap(), "mine");
        for name in builtin::prompt_names().filter(|name| *name != "dev.md") {
            assert_eq!(
                fs::read_to_string(folder.join(name)).ok().as_deref(),
                builtin::prompt(name),
                "{name}"
            );
        }
    }

    #[test]
    fn without_tests_a_command_is_asked_for() {
        let dir = repository(&[(".git/HEAD", "ref: refs/heads/master\n"), ("README", "")]);
        let mut prompt = Scripted::typing(["", "elsewhere", "push", "make check"]);
        let answers = ask(&mut prompt, &look(dir.path())).unwrap();
        assert_eq!(answers.branch.as_deref(), Some("master"));
        assert_eq!((answers.deliver.as_str(), answers.test.join(" ").as_str()), ("push", "make check"));
        insta::assert_snapshot!(yaml(&answers));
    }
}
