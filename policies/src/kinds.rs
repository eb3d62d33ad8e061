//! Kinds of change: the spec names one, the runtime checks from the diff that it fits and says
//! otherwise which kind would.

use foureyes_protocol::{
    ChangeFacts, ChangeKind, ChangeSummary, Code, Family, FileChange, Reason, change::FileStatus,
};

/// What a kind asks of the gates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demands {
    /// `None` where RED applies; else why it does not.
    pub red_not_applicable: Option<String>,
    /// Sign-offs at PEER; `None` leaves it to the 4-eyes threshold.
    pub sign_offs: Option<usize>,
    /// One of the sign-offs must be a qa's.
    pub qa_signs: bool,
    /// The user signs too.
    pub user_signs: bool,
}

impl Demands {
    fn like_a_feature() -> Self {
        Self { red_not_applicable: None, sign_offs: None, qa_signs: false, user_signs: false }
    }

    fn without_red(why: &str, sign_offs: Option<usize>) -> Self {
        Self { red_not_applicable: Some(why.to_owned()), sign_offs, qa_signs: false, user_signs: false }
    }
}

/// What the kind asks for.
pub fn demands(kind: ChangeKind) -> Demands {
    match kind {
        ChangeKind::Feature | ChangeKind::Fix => Demands::like_a_feature(),
        ChangeKind::Refactor => Demands::without_red(
            "a refactoring changes no test file; the same tests pass before and after",
            Some(2),
        ),
        ChangeKind::Docs => Demands::without_red("only documentation paths change", None),
        ChangeKind::Tests => Demands {
            qa_signs: true,
            ..Demands::without_red("only test files change; they pass on the base", Some(2))
        },
        ChangeKind::Deps => Demands::without_red("only dependency manifests and lock files change", Some(2)),
        ChangeKind::Remove => Demands {
            qa_signs: true,
            ..Demands::without_red(
                "behaviour is removed; each removed test is listed and signed by a qa",
                Some(2),
            )
        },
        ChangeKind::Revert => {
            Demands::without_red("the change is byte for byte the inverse of a merged one", None)
        }
        ChangeKind::Format => {
            Demands::without_red("the tree equals the formatter's output on the base", Some(0))
        }
        ChangeKind::Chore => Demands {
            user_signs: true,
            ..Demands::without_red("tooling and protected paths have no test of their own", Some(2))
        },
    }
}

/// The families that write a change of this kind, in the order in which they are asked.
pub fn writers(kind: ChangeKind) -> &'static [Family] {
    match kind {
        ChangeKind::Docs => &[Family::Docs, Family::Dev, Family::Architect],
        ChangeKind::Tests => &[Family::Qa, Family::Dev, Family::Architect],
        _ => &[Family::Dev, Family::Architect],
    }
}

/// Checks that the diff fits the kind. What needs a run or another tree (a revert's inverse, the
/// formatter's output, the passing tests of a refactoring) is checked at GREEN.
///
/// # Errors
/// [`Code::KindMismatch`] with the kind that would fit.
pub fn check(kind: ChangeKind, change: &ChangeSummary, facts: &ChangeFacts) -> Result<(), Reason> {
    let offending = offending(kind, change, facts);
    let protected = kind != ChangeKind::Chore && !facts.protected.is_empty();
    if protected {
        return Err(mismatch(
            kind,
            &facts.protected,
            ChangeKind::Chore,
            "protected paths are changed by a chore, which the user signs",
        ));
    }
    if offending.is_empty() {
        return Ok(());
    }
    Err(mismatch(kind, &offending, fitting(change, facts), "these paths do not belong to it"))
}

fn mismatch(kind: ChangeKind, paths: &[String], fits: ChangeKind, why: &str) -> Reason {
    let shown: Vec<&str> = paths.iter().take(5).map(String::as_str).collect();
    let more = if paths.len() > 5 { format!(" and {} more", paths.len() - 5) } else { String::new() };
    let text = format!(
        "the spec says {kind}, but {why}: {}{more}; kind {fits} would fit: ask the planner for a new spec, or take these paths out",
        shown.join(", ")
    );
    Reason::new(Code::KindMismatch, text)
}

fn offending(kind: ChangeKind, change: &ChangeSummary, facts: &ChangeFacts) -> Vec<String> {
    let all = || change.files.iter().map(|f| f.path.clone());
    let outside = |inside: &[String]| all().filter(|p| !inside.contains(p)).collect::<Vec<_>>();
    match kind {
        ChangeKind::Docs => outside(&facts.docs),
        ChangeKind::Tests => outside(&[facts.test_files.clone(), facts.inline_tests.clone()].concat()),
        ChangeKind::Deps => outside(&facts.manifests),
        ChangeKind::Refactor => all().filter(|p| facts.is_test(p)).collect(),
        ChangeKind::Feature | ChangeKind::Fix => deleted_tests(change, facts),
        ChangeKind::Remove => growing(change, facts),
        ChangeKind::Revert | ChangeKind::Format | ChangeKind::Chore => Vec::new(),
    }
}

/// A removal takes more away than it adds: else new behaviour would come in without a test.
fn growing(change: &ChangeSummary, facts: &ChangeFacts) -> Vec<String> {
    let code: Vec<&FileChange> = change.files.iter().filter(|f| !facts.docs.contains(&f.path)).collect();
    let sum = |lines: fn(&FileChange) -> u64| code.iter().map(|f| lines(f)).sum::<u64>();
    let grows = sum(|f| f.added) > sum(|f| f.deleted);
    let offends =
        |f: &&&FileChange| f.status == FileStatus::Added || f.binary || (grows && f.added > f.deleted);
    code.iter().filter(offends).map(|f| f.path.clone()).collect()
}

fn deleted_tests(change: &ChangeSummary, facts: &ChangeFacts) -> Vec<String> {
    let deleted = change.files.iter().filter(|f| f.status == FileStatus::Deleted);
    deleted.map(|f| f.path.clone()).filter(|p| facts.is_test(p)).collect()
}

/// The kind that a diff looks like, for the message.
pub fn fitting(change: &ChangeSummary, facts: &ChangeFacts) -> ChangeKind {
    let within = |paths: &[String]| change.files.iter().all(|f| paths.contains(&f.path));
    let tests = [facts.test_files.clone(), facts.inline_tests.clone()].concat();
    if !facts.protected.is_empty() {
        ChangeKind::Chore
    } else if within(&facts.docs) {
        ChangeKind::Docs
    } else if within(&facts.manifests) {
        ChangeKind::Deps
    } else if !deleted_tests(change, facts).is_empty() {
        ChangeKind::Remove
    } else if within(&tests) {
        ChangeKind::Tests
    } else if tests.is_empty() {
        ChangeKind::Refactor
    } else {
        ChangeKind::Feature
    }
}
