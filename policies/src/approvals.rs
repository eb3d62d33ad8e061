//! When a sign-off holds: it names exactly the content that is there now, its signer is eligible, and
//! the target branch has not moved under it in a way that matters.

use crate::{
    features::{Feature, Features, Signature},
    signers,
};
use foureyes_protocol::{Digest, Family, PrincipalId, Roster, body::Subject};
use std::collections::BTreeSet;

/// Whether the target branch has moved, after the record `index`, on one of the change's paths or on a
/// dependency manifest. An approval from before such a move is void (a clean merge is asked for
/// separately, by making it).
pub fn main_touched_since(
    features: &Features,
    feature: &Feature,
    index: u64,
    is_manifest: &dyn Fn(&str) -> bool,
) -> bool {
    let Some(push) = &feature.push else { return false };
    let touches = |path: &String| {
        is_manifest(path)
            || push
                .change
                .files
                .iter()
                .any(|f| f.path == *path || f.old_path.as_deref() == Some(path.as_str()))
    };
    features.moves.iter().filter(|m| m.index > index).any(|m| m.all_paths || m.paths.iter().any(touches))
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
    let named = |s: &&Signature| s.subject == subject && s.content == content;
    feature
        .signatures
        .iter()
        .rev()
        .filter(named)
        .filter(eligible)
        .filter(|s| seen.insert(s.by.clone()))
        .collect()
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
    let bound_to_main = matches!(subject, Subject::Change | Subject::Verification | Subject::Docs);
    let holds = |s: &&Signature| {
        s.approved && !(bound_to_main && main_touched_since(features, feature, s.index, is_manifest))
    };
    standing(feature, subject, content, roster).into_iter().filter(holds).map(|s| s.by.clone()).collect()
}
