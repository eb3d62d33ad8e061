//! What may be pushed: the decision of `pre-receive`, from facts that the runtime read from raw
//! objects. Nothing here trusts a hook, a name in a commit or a word of the agent.

use crate::{features::Feature, red::list};
use foureyes_protocol::{ChangeFacts, ChangeSummary, Code, CommitId, Gate, PrincipalId, Reason};
use globset::{Glob, GlobSet, GlobSetBuilder};

/// The most files of one change.
pub const MAX_FILES: usize = 4_000;

/// One ref of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefUpdate {
    /// The full name.
    pub name: String,
    /// Its value now; absent when it does not exist.
    pub old: Option<CommitId>,
    /// Its value after; absent for a deletion.
    pub new: Option<CommitId>,
}

/// What a push asks for, by its refs alone.
///
/// # Errors
/// [`Code::PushMain`], [`Code::PushRef`], [`Code::PushUnassigned`], [`Code::PushState`].
pub fn target<'f>(
    role: &PrincipalId,
    updates: &[RefUpdate],
    main_ref: &str,
    find: &dyn Fn(&str) -> Option<&'f Feature>,
) -> Result<(&'f Feature, CommitId), Reason> {
    let refuse = |code, text: String| Err(Reason::new(code, text));
    if let Some(update) = updates.iter().find(|u| u.name == main_ref) {
        return refuse(
            Code::PushMain,
            format!("{} is written by the runtime alone; push to your feature's branch", update.name),
        );
    }
    let [update] = updates else {
        return refuse(
            Code::PushRef,
            "push one branch at a time: `git push origin HEAD:feature/<id>`".to_owned(),
        );
    };
    let name = update.name.as_str();
    let Some(id) = name.strip_prefix("refs/heads/feature/") else {
        return refuse(
            Code::PushRef,
            format!("{name} may not be written: only refs/heads/feature/<id> of an assigned feature"),
        );
    };
    let Some(new) = update.new.clone() else {
        return refuse(Code::PushRef, format!("{name} may not be deleted"));
    };
    let Some(feature) = find(id) else {
        return refuse(Code::PushUnassigned, format!("there is no feature {id}"));
    };
    if !feature.may_push(role) {
        return refuse(Code::PushUnassigned, format!("{id} is not assigned to {role}"));
    }
    state(feature)?;
    Ok((feature, new))
}

fn state(feature: &Feature) -> Result<(), Reason> {
    if !feature.is_open() || feature.merged.is_some() || feature.landing.is_some() {
        return Err(Reason::new(
            Code::PushState,
            format!("{} takes no more pushes: it is landing, done or cancelled", feature.id),
        ));
    }
    if feature.gate == Gate::Spec {
        return Err(Reason::new(Code::PushState, format!("{} waits for its spec", feature.id)));
    }
    Ok(())
}

/// Everything about the content of a push.
pub struct Content<'a> {
    /// The feature.
    pub feature: &'a Feature,
    /// Who pushes.
    pub role: &'a PrincipalId,
    /// The whole change of the branch with the push.
    pub change: &'a ChangeSummary,
    /// What the rules made of it.
    pub facts: &'a ChangeFacts,
    /// Paths that this push touches, against the branch's old tip (or the merge base).
    pub touched: &'a [String],
    /// Whether the old tip is an ancestor of the new one.
    pub fast_forward: bool,
    /// Whether RED applies to the kind of change.
    pub red_applies: bool,
}

/// Judges the content of a push.
///
/// # Errors
/// The first rule that refuses, with the command that mends it.
pub fn content(c: &Content) -> Result<(), Reason> {
    if !c.fast_forward {
        return Err(Reason::new(
            Code::PushForce,
            "not a fast-forward: `git pull --no-rebase`, then push again",
        ));
    }
    if c.change.files.len() > MAX_FILES {
        let text = format!("{} files are more than {MAX_FILES}: split the feature", c.change.files.len());
        return Err(Reason::new(Code::PushLarge, text));
    }
    protected(c)?;
    tests_first(c)?;
    claim(c)
}

fn protected(c: &Content) -> Result<(), Reason> {
    let chore = c.feature.spec.as_ref().is_some_and(|s| s.spec.kind == foureyes_protocol::ChangeKind::Chore);
    let touched: Vec<String> = c.facts.protected.iter().filter(|p| c.touched.contains(p)).cloned().collect();
    if touched.is_empty() || chore {
        return Ok(());
    }
    let text =
        format!("{} may only be changed by a feature of kind chore, which the user signs", list(&touched));
    Err(Reason::new(Code::PushProtected, text))
}

/// Until RED is passed the branch holds test files only, where RED applies.
fn tests_first(c: &Content) -> Result<(), Reason> {
    if !c.red_applies
        || c.feature.gate > Gate::Red
        || c.feature
            .verdict(Gate::Red)
            .is_some_and(|v| v.verdict.outcome == foureyes_protocol::Outcome::Passed)
    {
        return Ok(());
    }
    // RED may be entered again with implementation on the branch: then only what is new counts.
    let code: Vec<String> = c
        .touched
        .iter()
        .filter(|p| !c.facts.is_test(p) && !c.facts.test_infrastructure.contains(p) && is_changed(c, p))
        .cloned()
        .collect();
    if code.is_empty() {
        return Ok(());
    }
    let text = format!(
        "tests come first: {} came with or before the tests; push a commit with test files only, wait for RED, then push the code",
        list(&code)
    );
    Err(Reason::new(Code::NotTestsFirst, text))
}

/// Whether a path still differs from the merge base: what was pushed and taken back does not.
fn is_changed(c: &Content, path: &str) -> bool {
    c.change.files.iter().any(|f| f.path == path || f.old_path.as_deref() == Some(path))
}

fn claim(c: &Content) -> Result<(), Reason> {
    if c.feature.claim.is_empty() {
        return Ok(());
    }
    let claim = globs(&c.feature.claim);
    let outside: Vec<String> = c.touched.iter().filter(|p| !claim.is_match(p)).cloned().collect();
    if outside.is_empty() {
        return Ok(());
    }
    let text = format!(
        "{} lie outside the claim ({}); widen it with the tool `widen_claim`",
        list(&outside),
        list(&c.feature.claim.iter().cloned().collect::<Vec<_>>())
    );
    Err(Reason::new(Code::PushClaim, text))
}

/// The claim as a set of patterns; one that is no valid glob matches itself literally, and a directory
/// claims all that is in it.
fn globs(claim: &std::collections::BTreeSet<String>) -> GlobSet {
    let mut set = GlobSetBuilder::new();
    for pattern in claim {
        let glob = Glob::new(pattern).or_else(|_| Glob::new(&globset::escape(pattern)));
        let within = Glob::new(&format!("{}/**", pattern.trim_end_matches('/')));
        for glob in [glob, within].into_iter().flatten() {
            set.add(glob);
        }
    }
    set.build().unwrap_or_else(|_| GlobSet::empty())
}
