//! Shell commands that do at once what a player's own hands do in several calls of git. Each prints
//! what the player wants to know in its last line.

use crate::player::marks::{MARKS, file_name};

/// What a commit prints that changes nothing.
pub(super) const NOTHING_NEW: &str = "nothing new to commit";
/// What tells that a mark is new.
pub(super) const NEW: &str = "new";
/// What tells that a mark is there.
pub(super) const THERE: &str = "there";
/// Shows why git's signing program refused, and fails.
const REFUSED: &str = "{ cat ~/.agents-last-refusal 2>/dev/null; false; }";
/// Subcommands of git that sign.
const SIGNING: [&str; 7] = ["commit", "merge", "tag", "rebase", "cherry-pick", "revert", "am"];

/// A text as one word.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// A command.
pub(super) fn words(argv: &[&str]) -> String {
    let line = argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    let signs = argv.first() == Some(&"git") && argv.get(1).is_some_and(|verb| SIGNING.contains(verb));
    if signs { format!("{line} || {REFUSED}") } else { line }
}

/// Being on a feature's branch. Locks of a git that was killed are removed: no other program of the
/// agent runs between its calls.
pub(super) fn branch(feature: &str, base: &str) -> String {
    let branch = quoted(&format!("feature/{feature}"));
    let remote = quoted(&format!("origin/feature/{feature}"));
    let base = match base {
        "" => format!("\"{}\"", first_of(&["HEAD", "main", "master", "trunk"])),
        base => quoted(base),
    };
    format!(
        "rm -f .git/index.lock .git/HEAD.lock .git/refs/heads/{branch}.lock; git fetch -q origin && \
         {{ [ \"$(git branch --show-current)\" = {branch} ] || {{ git reset -q --hard && git clean -qfd && \
         {{ git switch -q {branch} 2>/dev/null || git switch -q --no-track -c {branch} {base}; }}; }}; }} && \
         {{ git merge -q --ff-only {remote} 2>/dev/null; git rev-parse --short HEAD; }}"
    )
}

/// The name of the first of these that the origin has.
fn first_of(names: &[&str]) -> String {
    let list = names.join(" ");
    format!(
        "$(for n in {list}; do git rev-parse -q --verify origin/$n >/dev/null && echo origin/$n && break; done)"
    )
}

/// The origin's target branch, in `$t`.
fn target() -> String {
    let named = "git symbolic-ref -q --short refs/remotes/origin/HEAD";
    format!("t=$({named} || echo {})", first_of(&["main", "master", "trunk"]))
}

pub(super) fn commit(message: &str) -> String {
    format!(
        "git add -A && if git diff --cached --quiet && ! git rev-parse -q --verify MERGE_HEAD >/dev/null; \
         then echo {}; else {{ git commit -q -m {} && git rev-parse --short HEAD; }} || {REFUSED}; fi",
        quoted(NOTHING_NEW),
        quoted(message)
    )
}

/// A conflict leaves the branch as it was.
pub(super) fn merge_main() -> String {
    let refused = "{ cat ~/.agents-last-refusal 2>/dev/null; git merge --abort; false; }";
    format!("git fetch -q origin && {} && {{ git merge -q --no-edit \"$t\" || {refused}; }}", target())
}

pub(super) fn push_main(options: &[&str]) -> String {
    let options: String = options.iter().map(|o| format!("{} ", quoted(o))).collect();
    format!("{} && git push -q {options}origin \"HEAD:refs/heads/${{t#origin/}}\"", target())
}

pub(super) fn push_unsigned(feature: &str) -> String {
    let to = quoted(&format!("feature/{feature}"));
    format!(
        "c=$(git commit-tree 'HEAD^{{tree}}' -p HEAD -m 'chore: a commit without signature') && \
         git push -q origin \"$c\":refs/heads/{to}"
    )
}

pub(super) fn write(path: &str, text: &str) -> String {
    let folder = path.rsplit_once('/').map_or(".", |(folder, _)| folder);
    format!("mkdir -p {} && printf %s {} > {}", quoted(folder), quoted(text), quoted(path))
}

pub(super) fn append(path: &str, line: &str) -> String {
    // The file must be there.
    format!("[ -f {0} ] && printf '%s\\n' {1} >> {0}", quoted(path), quoted(line))
}

fn mark(name: &str) -> String {
    format!("~/{MARKS}/{}", file_name(name))
}

pub(super) fn leave(name: &str) -> String {
    let mark = mark(name);
    format!("mkdir -p ~/{MARKS} && if (set -C; : > {mark}) 2>/dev/null; then echo {NEW}; else echo old; fi")
}

pub(super) fn has(name: &str) -> String {
    format!("if [ -e {} ]; then echo {THERE}; else echo no; fi", mark(name))
}

pub(super) fn note(name: &str, what: &str) -> String {
    format!("mkdir -p ~/{MARKS} && printf %s {} > {}", quoted(what), mark(name))
}

pub(super) fn noted(name: &str) -> String {
    format!("cat {} 2>/dev/null || true", mark(name))
}
