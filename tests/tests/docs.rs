//! Holds the documentation to what there is: links lead somewhere, commands exist.

use foureyes_tests::{agents, markdown, workspace};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

fn pages() -> Vec<(String, String)> {
    workspace::files().into_iter().filter(|(path, _)| path.ends_with(".md")).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    for (path, text) in pages() {
        for link in markdown::links(&text) {
            if !link.contains("://") && !resolves(&path, &text, &link) {
                broken.push(format!("{path}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

fn resolves(page: &str, text: &str, link: &str) -> bool {
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    if file.is_empty() {
        return markdown::anchors(text).iter().any(|a| a == anchor);
    }
    let dir = Path::new(page).parent().unwrap_or(Path::new(""));
    let target: PathBuf = workspace::root().join(dir).join(file);
    if anchor.is_empty() {
        return target.exists();
    }
    std::fs::read_to_string(target).is_ok_and(|t| markdown::anchors(&t).iter().any(|a| a == anchor))
}

#[test]
fn every_page_of_docs_is_linked_from_another() {
    let pages = pages();
    let linked: BTreeSet<PathBuf> = pages.iter().flat_map(|(path, text)| targets(path, text)).collect();
    for (path, _) in pages.iter().filter(|(path, _)| path.starts_with("docs/")) {
        let real = workspace::root().join(path).canonicalize().expect("the page exists");
        assert!(linked.contains(&real), "{path} is linked from nowhere");
    }
}

fn targets(page: &str, text: &str) -> Vec<PathBuf> {
    let dir = workspace::root().join(page).parent().expect("a page lies in a directory").to_owned();
    let files = markdown::links(text).into_iter().map(|l| l.split('#').next().unwrap_or("").to_owned());
    files
        .filter(|f| !f.is_empty() && !f.contains("://"))
        .filter_map(|f| dir.join(f).canonicalize().ok())
        .collect()
}

/// The commands that the README shows, as the words behind `agents`.
fn shown() -> BTreeSet<String> {
    let page = workspace::read("README.md");
    let lines = markdown::code_lines(&page);
    let behind = |line: &str| -> Option<String> {
        let word = line.strip_prefix("agents ")?.split_whitespace().next()?;
        Some(word.to_owned())
    };
    lines.iter().filter_map(|line| behind(line)).chain(["run".to_owned(), "down".to_owned()]).collect()
}

#[test]
fn every_command_of_the_readme_is_in_the_help() {
    let output = agents(&["--help"]);
    let help = String::from_utf8_lossy(&output.stdout);
    let words: BTreeSet<&str> = help.split_whitespace().collect();
    for command in shown() {
        assert!(words.contains(command.as_str()), "`agents {command}` is not in `agents --help`");
    }
}
