//! When a sign-off holds: it names exactly the content that is there now, its signer is eligible, and
//! the target branch has not moved under it in a way that matters.

use crate::{
    features::{Feature, Features, Signature},
    signers,
};
use foureyes_protocol::{Digest, Family, PrincipalId, Roster, body::Subject};
use std::collections::BTreeSet;

/// Whether the target branch has moved, since the merge base of the change, on one of its paths or on
/// a dependency manifest. Then approvals of it are void (a clean merge is asked for separately, by
/// making it). A merge base that was never the target branch's tip counts every move.
pub fn main_touched(features: &Features, feature: &Feature, is_manifest: &dyn Fn(&str) -> bool) -> bool {
    let Some(push) = &feature.push else { return false };
    let files = &push.change.files;
    let own = |path: &str| files.iter().any(|f| f.path == path || f.old_path.as_deref() == Some(path));
    let based = features.moves.iter().rposition(|m| m.to == push.change.base).map_or(0, |at| at + 1);
    let touches = |path: &String| is_manifest(path) || own(path);
    features.moves[based..].iter().any(|m| m.all_paths || m.paths.iter().any(touches))
}

/// The change's own paths that the target branch has touched since its merge base, for the message.
pub fn paths_touched(features: &Features, feature: &Feature) -> Vec<String> {
    let Some(push) = &feature.push else { return Vec::new() };
    let based = features.moves.iter().rposition(|m| m.to == push.change.base).map_or(0, |at| at + 1);
    let moved = |path: &str| features.moves[based..].iter().any(|m| m.paths.contains(path));
    push.change.files.iter().map(|f| f.path.clone()).filter(|p| moved(p)).collect()
}

/// Everybody who may not sign this feature: who authored, committed or pushed any of it.
pub fn excluded(feature: &Feature) -> BTreeSet<PrincipalId> {
    feature.contributors.clone()
}

/// The families of everybody who touched the change.
pub fn author_families(feature: &Feature, roster: &Roster) -> BTreeSet<Family> {
    feature.contributors.iter().filter_map(|c| roster.family(c)).collect()
}

/// The newest word of each principal on a subject and content that counts: one principal, one word.
pub fn standing<'f>(
    feature: &'f Feature,
    subject: Subject,
    content: Digest,
    roster: &Roster,
) -> Vec<&'f Signature> {
    let excluded = excluded(feature);
    let authors = author_families(feature, roster);
    let mut seen = BTreeSet::new();
    let eligible = |s: &&Signature| {
        let family = roster.family(&s.by);
        let spec_author =
            subject == Subject::Spec && feature.spec.as_ref().is_some_and(|spec| spec.by == s.by);
        !spec_author
            && (subject == Subject::Spec || !excluded.contains(&s.by))
            && family.is_some_and(|f| signers::has_right(subject, f, &authors))
    };
    // What was signed was signed against a spec; another spec asks for another look.
    let since = feature.spec.as_ref().filter(|_| is_bound(subject)).map_or(0, |s| s.index);
    let named = |s: &&Signature| s.subject == subject && s.content == content && s.index >= since;
    feature
        .signatures
        .iter()
        .rev()
        .filter(named)
        .filter(eligible)
        .filter(|s| seen.insert(s.by.clone()))
        .collect()
}

/// Whether sign-offs of this subject are about a change as it stands against the target branch.
fn is_bound(subject: Subject) -> bool {
    matches!(subject, Subject::Change | Subject::Verification | Subject::Docs)
}

/// The principals whose approval of this subject and content holds now.
pub fn approvers(
    features: &Features,
    feature: &Feature,
    subject: Subject,
    content: Digest,
    roster: &Roster,
    is_manifest: &dyn Fn(&str) -> bool,
) -> BTreeSet<PrincipalId> {
    if is_bound(subject) && main_touched(features, feature, is_manifest) {
        return BTreeSet::new();
    }
    let standing = standing(feature, subject, content, roster);
    standing.into_iter().filter(|s| s.approved).map(|s| s.by.clone()).collect()
}
