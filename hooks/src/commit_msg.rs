//! `commit-msg`: the conventional form of a subject, `type(scope)!: what`.

use crate::HookError;

const TYPES: [&str; 11] =
    ["build", "chore", "ci", "docs", "feat", "fix", "perf", "refactor", "revert", "style", "test"];

/// Subjects that git itself writes.
const GENERATED: [&str; 5] = ["Merge ", "Revert ", "fixup! ", "squash! ", "amend! "];

/// Refuses a message whose subject is not in conventional form.
pub(crate) fn check(message: &str) -> Result<(), HookError> {
    let subject = message.lines().find(|line| !line.starts_with('#') && !line.trim().is_empty());
    let subject = subject.unwrap_or_default();
    if GENERATED.iter().any(|start| subject.starts_with(start)) || is_conventional(subject) {
        return Ok(());
    }
    Err(HookError::Subject(subject.to_owned(), TYPES.join(", ")))
}

fn is_conventional(subject: &str) -> bool {
    let Some((head, what)) = subject.split_once(": ") else { return false };
    let head = head.strip_suffix('!').unwrap_or(head);
    let kind = match head.split_once('(') {
        Some((kind, scope)) if scope.len() > 1 && scope.ends_with(')') => kind,
        Some(_) => return false,
        None => head,
    };
    TYPES.contains(&kind) && !what.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn subjects() {
        for (message, good) in [
            ("feat: a thing", true),
            ("fix(cli)!: a thing\n\nbody", true),
            ("# comment\n\ndocs: a page", true),
            ("Merge branch 'a'", true),
            ("fixup! feat: a thing", true),
            ("add a thing", false),
            ("feature: a thing", false),
            ("feat(: a thing", false),
            ("feat(): a thing", false),
            ("feat:", false),
            ("", false),
        ] {
            assert_eq!(check(message).is_ok(), good, "{message:?}");
        }
    }
}
