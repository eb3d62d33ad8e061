//! The decision on a push: facts read from raw objects, judged by the pure rules.

use foureyes_actors::context::Facts;
use foureyes_policies::{
    facts,
    features::Feature,
    inline_tests, kinds,
    push::{self, Content},
};
use foureyes_ports::{
    signer::{MAX_DATE_SKEW_MS, SignatureStatus, Signer},
    vcs::{CommitInfo, PushRequest, Vcs, VcsError},
};
use foureyes_protocol::{
    ChangeSummary, Code, CommitId, Digest, PrincipalId, Reason, body::Pushed, change::FileStatus,
};
use std::collections::{BTreeMap, BTreeSet};

const SOURCE_CAP: u64 = 1 << 20;

/// A push's refs, as the rules see them.
pub(super) fn updates(request: &PushRequest) -> Vec<push::RefUpdate> {
    let one = |u: &foureyes_ports::vcs::RefUpdate| push::RefUpdate {
        name: u.name.clone(),
        old: u.old.clone(),
        new: u.new.clone(),
    };
    request.updates.iter().map(one).collect()
}

/// The record of a push, computed from objects. `token` is the lock's.
pub(super) fn pushed(
    vcs: &dyn Vcs,
    facts: &Facts,
    main: &CommitId,
    old: Option<CommitId>,
    new: &CommitId,
    token: u64,
) -> Result<Pushed, VcsError> {
    let change = vcs.change_summary(main, new)?;
    let inline = inline(vcs, facts, &change)?;
    let tip = vcs.commit_info(new)?;
    let by = tip.committer.principal().unwrap_or_else(PrincipalId::user);
    let commits = fresh(vcs, main, old.as_ref(), new)?.len() as u64;
    let judged = facts::facts(&facts.config, &facts.paths, &change, inline);
    Ok(Pushed { by, old, token, commits, change, facts: judged })
}

/// Source files of which only inline test items changed.
fn inline(vcs: &dyn Vcs, facts: &Facts, change: &ChangeSummary) -> Result<Vec<String>, VcsError> {
    let mut inline = Vec::new();
    let candidates = change.files.iter().filter(|f| {
        f.status == FileStatus::Modified
            && f.path.ends_with(".rs")
            && !f.mode_changed()
            && !facts.paths.classify(&f.path).test
    });
    for file in candidates {
        let text = |commit: &CommitId| -> Result<String, VcsError> {
            let bytes = vcs.read_blob(commit, &file.path, SOURCE_CAP)?.unwrap_or_default();
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        if inline_tests::only_tests_changed(&text(&change.base)?, &text(&change.head)?) {
            inline.push(file.path.clone());
        }
    }
    Ok(inline)
}

/// Commits that the push brings: reachable from the new tip, not from the target branch, not from the
/// old tip.
fn fresh(
    vcs: &dyn Vcs,
    main: &CommitId,
    old: Option<&CommitId>,
    new: &CommitId,
) -> Result<Vec<CommitInfo>, VcsError> {
    let all = vcs.commits_between(main, new)?;
    let Some(old) = old else { return Ok(all) };
    let known: BTreeSet<CommitId> = vcs.commits_between(main, old)?.into_iter().map(|c| c.id).collect();
    Ok(all.into_iter().filter(|c| !known.contains(&c.id)).collect())
}

/// Judges everything about a push to a feature's branch but lock and rate.
///
/// # Errors
/// The first rule that refuses.
pub(super) fn judge(
    vcs: &dyn Vcs,
    signer: &dyn Signer,
    feature: &Feature,
    role: &PrincipalId,
    pushed: &Pushed,
    main: &CommitId,
    now_ms: u64,
) -> Result<(), Reason> {
    let old = pushed.old.as_ref();
    let new = &pushed.change.head;
    let failed = |e: VcsError| shape(&e);
    for commit in fresh(vcs, main, old, new).map_err(failed)? {
        signed_by(signer, role, &commit, now_ms)?;
    }
    let fast_forward = match old {
        Some(old) => vcs.is_ancestor(old, new).map_err(failed)?,
        None => true,
    };
    let touched = touched(vcs, old, pushed).map_err(failed)?;
    let kind = feature.spec.as_ref().map_or(foureyes_protocol::ChangeKind::Feature, |s| s.spec.kind);
    let red_applies = kinds::demands(kind).red_not_applicable.is_none();
    push::content(&Content {
        feature,
        role,
        change: &pushed.change,
        facts: &pushed.facts,
        touched: &touched,
        fast_forward,
        red_applies,
    })
}

/// What git says of a shape that cannot be judged, as a refusal.
pub(super) fn shape(error: &VcsError) -> Reason {
    let code = match error {
        VcsError::Octopus(_) | VcsError::NoMergeBase { .. } | VcsError::SeveralMergeBases { .. } => {
            Code::PushShape
        }
        VcsError::TooLarge { .. } => Code::PushLarge,
        VcsError::UnsafePath { .. } => Code::PushShape,
        _ => Code::Broken,
    };
    Reason::new(code, error.to_string())
}

/// Paths that this push changes of the feature's own change; what merely comes with a merge of the
/// target branch is not the author's.
fn touched(vcs: &dyn Vcs, old: Option<&CommitId>, pushed: &Pushed) -> Result<Vec<String>, VcsError> {
    let now = content_by_path(&pushed.change);
    let before = match old {
        Some(old) => content_by_path(&vcs.change_summary(&pushed.change.base, old)?),
        None => BTreeMap::new(),
    };
    let differs =
        now.iter().filter(|(path, blob)| before.get(*path) != Some(*blob)).map(|(path, _)| path.clone());
    let gone = before.keys().filter(|path| !now.contains_key(*path)).cloned();
    Ok(differs.chain(gone).collect())
}

fn content_by_path(change: &ChangeSummary) -> BTreeMap<String, (u32, Option<String>)> {
    let mut map = BTreeMap::new();
    for file in &change.files {
        map.insert(file.path.clone(), (file.new_mode, file.new_blob.clone()));
        if let Some(old) = &file.old_path {
            map.entry(old.clone()).or_insert((0, None));
        }
    }
    map
}

/// A commit is signed by the key of the role that pushes, which is its author and committer, and was
/// signed by the signer within five minutes of its date.
fn signed_by(
    signer: &dyn Signer,
    role: &PrincipalId,
    commit: &CommitInfo,
    now_ms: u64,
) -> Result<(), Reason> {
    let short = commit.id.short().to_owned();
    let refuse = |code, text: String| Err(Reason::new(code, format!("commit {short}: {text}")));
    if let Some(why) = commit.irregular {
        return refuse(Code::PushShape, why.to_owned());
    }
    let own = |who: &foureyes_ports::vcs::Identity| who.principal().as_ref() == Some(role);
    let Some(signature) = &commit.signature else {
        return refuse(Code::PushUnsigned, "is not signed; commit with the clone's own settings (`git commit`), which ask the runtime to sign".to_owned());
    };
    if !own(&commit.author) || !own(&commit.committer) {
        return refuse(Code::PushAuthor, format!("author and committer must be {role}"));
    }
    let payload = Digest::of(&commit.signed_payload);
    let signing = signer.signed_at(&payload);
    let at = signing.as_ref().map_or(now_ms, |s| s.signed_at_ms);
    let seen = signer.verify(&commit.signed_payload, signature, at);
    match seen.status {
        SignatureStatus::Good if seen.principal.as_ref() == Some(role) => {}
        SignatureStatus::Good => {
            return refuse(
                Code::PushForeignKey,
                format!(
                    "is signed by the key of {}",
                    seen.principal.map_or_else(|| "nobody here".to_owned(), |p| p.to_string())
                ),
            );
        }
        SignatureStatus::Bad | SignatureStatus::Malformed | SignatureStatus::WeakHash => {
            return refuse(Code::PushSignature, "its signature does not verify".to_owned());
        }
        other => return refuse(Code::PushForeignKey, format!("its key cannot be used: {other:?}")),
    }
    let Some(signing) = signing else {
        return refuse(Code::PushForeignKey, "the signer has no record of signing it".to_owned());
    };
    let skew = signing.signed_at_ms.abs_diff(commit.committer.seconds.max(0) as u64 * 1_000);
    if skew > MAX_DATE_SKEW_MS + 1_000 {
        return refuse(
            Code::PushDate,
            format!("its committer date is {} s from the moment of signing", skew / 1_000),
        );
    }
    Ok(())
}
