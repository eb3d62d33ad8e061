//! The job of DEPLOY: the merge that was tested is made, signed and becomes the target branch.
//!
//! First the intent is recorded (the commit exists, nothing points to it), then the ref moves by
//! compare-and-swap, then the merge is recorded. Whatever is cut off in between is finished by the
//! next planning from what the ledger and the ref say.

use super::{Bench, JobError, is_current, tell};
use crate::services::registry::SayAll;
use foureyes_policies::features::Feature;
use foureyes_ports::{
    governance::Draft,
    vcs::{Identity, Merge, NewCommit, RefUpdate, VcsError},
};
use foureyes_protocol::{
    Address, Code, CommitId, Digest, Family, FeatureId, Gate, Outcome, PrincipalId, Priority, Reason,
    body::{GateVerdict, Landing, Merged},
};
use std::collections::BTreeSet;

impl Bench {
    pub(super) async fn land(
        &self,
        id: &FeatureId,
        head: CommitId,
        main: CommitId,
    ) -> Result<Vec<Draft>, JobError> {
        let feature = self.feature(id)?;
        if feature.merged.is_some() {
            return Ok(Vec::new());
        }
        if let Some((commit, before, content)) = feature.landing.clone() {
            return self.finish(feature, commit, before, content).await;
        }
        if !is_current(feature, &head) || self.features.main.as_ref() != Some(&main) {
            return Ok(Vec::new());
        }
        // The user may have gone on: then everything is judged again on the new target branch.
        let (_, now) = self.fetch().await?;
        if now != main {
            return self.import(Some(id.clone())).await;
        }
        let tested = feature
            .verdict(Gate::Qa)
            .and_then(|v| v.verdict.tree.clone())
            .ok_or(JobError::Missing("QA run"))?;
        match self.merge(&main, &head).await? {
            Merge::Clean { tree } if tree == tested => self.commit_and_move(feature, head, main, tree).await,
            Merge::Clean { .. } => {
                Err(JobError::Refused(Reason::new(Code::Conflict, "the merge is not the tree that QA ran")))
            }
            Merge::Conflict { paths } => {
                let reason = Reason::new(Code::Conflict, format!("conflicts in {}", paths.join(", ")));
                let verdict =
                    GateVerdict { counts: false, ..self.not_passed(feature, Gate::Deploy, vec![reason]) };
                Ok(vec![tell(feature, verdict)])
            }
        }
    }

    async fn commit_and_move(
        &self,
        feature: &Feature,
        head: CommitId,
        main: CommitId,
        tree: CommitId,
    ) -> Result<Vec<Draft>, JobError> {
        let content = feature.push.as_ref().map_or_else(Digest::default, |p| p.content);
        let new = self.merge_commit(feature, head, main.clone(), tree.clone());
        let (signer, now_ms) = (self.core.ports.signer.clone(), self.core.ports.clock.now_ms());
        let commit = self
            .vcs(move |v| {
                v.commit(&new, &|payload| {
                    signer.sign_gate(payload, now_ms).map(|s| s.armor.into_bytes()).map_err(|e| e.to_string())
                })
            })
            .await?;
        let landing = Landing { main: main.clone(), commit: commit.clone(), tree, content };
        self.say(vec![
            Draft { priority: Priority::High, ..Draft::new(Address::system(), landing) }
                .about(feature.id.clone()),
        ])
        .await?;
        self.finish(feature, commit, main, content).await
    }

    fn merge_commit(&self, feature: &Feature, head: CommitId, main: CommitId, tree: CommitId) -> NewCommit {
        let who = Identity::of(&PrincipalId::system(), (self.core.ports.clock.now_ms() / 1_000) as i64);
        let style = self.core.facts.config.gates.merge_style;
        let parents = match style {
            foureyes_config::sections::gates::MergeStyle::Merge => vec![main, head],
            _ => vec![main],
        };
        let spec = feature.spec.as_ref();
        let (kind, title) = spec
            .map_or(("feature", feature.title.as_str()), |s| (s.spec.kind.as_str(), s.spec.title.as_str()));
        let evidence: Vec<String> =
            feature.verdicts.iter().map(|v| format!("{}={}", v.verdict.gate, v.index)).collect();
        let mut trailers = vec![
            ("Foureyes-Feature".to_owned(), feature.id.to_string()),
            ("Foureyes-Evidence".to_owned(), evidence.join(" ")),
            (
                "Foureyes-Ledger".to_owned(),
                format!("{}/{}", self.core.facts.run, self.core.ports.ledger.head().index),
            ),
        ];
        if self.core.facts.advisory {
            trailers.push(("Foureyes-Tier".to_owned(), self.core.facts.tier.clone()));
        }
        let message = format!("{}: {title}\n\nPassed RED, GREEN, PEER, QA and DEPLOY.", conventional(kind));
        NewCommit { tree, parents, author: who.clone(), committer: who, message, trailers }
    }

    /// Moves the ref, unless it has moved already, and records the merge.
    async fn finish(
        &self,
        feature: &Feature,
        commit: CommitId,
        main: CommitId,
        content: Digest,
    ) -> Result<Vec<Draft>, JobError> {
        let update = RefUpdate {
            name: self.core.facts.main_ref(),
            old: Some(main.clone()),
            new: Some(commit.clone()),
        };
        let (refs, target) = (self.core.refs.clone(), commit.clone());
        let moved = self
            .vcs(move |v| {
                if v.ref_value(&update.name)?.as_ref() == Some(&target) {
                    return Ok(true);
                }
                let frozen = || Err(VcsError::Protocol("everything is frozen: nothing lands".to_owned()));
                match refs
                    .unless_frozen(|| v.update_refs(std::slice::from_ref(&update)))
                    .unwrap_or_else(frozen)
                {
                    // The target branch moved in this instant: by an earlier start of this very landing,
                    // or the change is judged on the new one.
                    Err(VcsError::RefMoved { .. }) => {
                        Ok(v.ref_value(&update.name)?.as_ref() == Some(&target))
                    }
                    other => other.map(|()| true),
                }
            })
            .await?;
        if !moved {
            return self.import(Some(feature.id.clone())).await;
        }
        let (paths, _) = self.touched(Some(&main), &commit).await?;
        let verdict = self.deployed(feature, &commit);
        let merged = Merged { main, commit, content, paths, signers: signers(feature) };
        let merged = Draft { priority: Priority::High, ..Draft::new(Address::All, merged) };
        Ok(vec![tell(feature, verdict), merged.about(feature.id.clone())])
    }

    fn deployed(&self, feature: &Feature, commit: &CommitId) -> GateVerdict {
        let cosigned = feature.cosign_asked.is_some();
        let by = if cosigned { "co-signed by the librarian" } else { "co-signed by rule" };
        let families = [Family::Orchestrator, Family::Librarian];
        let take = if cosigned { families.len() } else { 1 };
        let signers = families
            .iter()
            .take(take)
            .filter_map(|f| self.core.facts.roster.of(*f).next().cloned())
            .collect();
        let summary = format!("DEPLOY: {} signed by the gate key, {by}", commit.short());
        GateVerdict { summary, signers, ..self.verdict(feature, Gate::Deploy, Outcome::Passed) }
    }

    async fn say(&self, drafts: Vec<Draft>) -> Result<(), JobError> {
        let answer = self.registry.send(SayAll(drafts)).await.map_err(|e| JobError::Cut(e.to_string()))?;
        answer.map(|_| ()).map_err(JobError::Refused)
    }
}

/// Everybody who signed something that counted.
fn signers(feature: &Feature) -> Vec<PrincipalId> {
    let all: BTreeSet<PrincipalId> =
        feature.verdicts.iter().flat_map(|v| v.verdict.signers.clone()).collect();
    all.into_iter().collect()
}

/// The word of a conventional commit for a kind of change.
fn conventional(kind: &str) -> &str {
    match kind {
        "feature" => "feat",
        "tests" => "test",
        "deps" => "build",
        "remove" => "feat!",
        "format" => "style",
        other => other,
    }
}
