//! What a start finds of the lives before it, and brings in order before anybody can act.

use super::ComposeError;
use foureyes_actors::{
    context::Context,
    journal::{Journal, open_record},
};
use foureyes_policies::{features::Features, veto::Veto};
use foureyes_ports::{
    governance::Draft,
    ledger::NewRecord,
    signer::{Signer, Signing},
};
use foureyes_protocol::{
    Address, Body, Digest, Envelope, FeatureId, MessageId, PrincipalId, Priority,
    body::{Imported, Pushed},
    envelope::VERSION,
};
use std::path::Path;

/// Tells the signer again what it has signed, so that pushes of the last life can be judged.
pub(super) fn remember_signings(journal: &Journal, signer: &dyn Signer) {
    let keys = signer.keys();
    for entry in journal.since(0) {
        let Body::Signed(signed) = &entry.record.envelope.body else { continue };
        if let Some(key) = keys.iter().find(|k| k.principal == signed.role) {
            let signing = Signing {
                principal: signed.role.clone(),
                fingerprint: key.fingerprint.clone(),
                payload: signed.payload,
                signed_at_ms: entry.record.at_ms,
            };
            signer.remember(signing);
        }
    }
}

/// Removes checkouts that a killed life left behind.
pub(super) fn sweep(scratch: &Path) {
    for entry in std::fs::read_dir(scratch).into_iter().flatten().flatten() {
        if let Err(error) = std::fs::remove_dir_all(entry.path()) {
            tracing::warn!(path = %entry.path().display(), %error, "a left-over checkout stays");
        }
    }
}

/// The digest of the configuration that the newest epoch ran on.
pub(super) fn last_policy(journal: &Journal) -> Option<Digest> {
    let policy = |e: &foureyes_actors::journal::Entry| match &e.record.envelope.body {
        Body::EpochStarted(s) => Some(s.policy),
        _ => None,
    };
    journal.since(0).iter().rev().find_map(policy)
}

/// Appends the first records of an epoch directly: there is no registry yet, and nobody else.
pub(super) async fn append_first(context: &Context, drafts: Vec<Draft>) -> Result<(), ComposeError> {
    let at_ms = context.ports.clock.now_ms();
    let first = next_seq(context);
    let mut records = Vec::new();
    for (seq, draft) in (first..).zip(drafts) {
        records.push(NewRecord { at_ms, bytes: sealed(context, draft, seq, at_ms).seal().bytes });
    }
    let ticket = context.ports.ledger.append(None, records.clone());
    let assigned = ticket.assigned();
    ticket.await.map_err(|e| ComposeError::Other(e.to_string()))?;
    for (index, record) in assigned.zip(records) {
        context.journal.admit_first(open_record(index, record.at_ms, record.bytes)?);
    }
    Ok(())
}

/// The target branch is taken over before anybody needs a clone of it; later imports are the gates'.
pub(super) async fn first_import(context: &Context) -> Result<(), ComposeError> {
    let mut features = Features::default();
    context.journal.since(0).iter().for_each(|e| features.apply(&e.record));
    if features.main.is_some() {
        return Ok(());
    }
    let (vcs, repo, branch) =
        (context.ports.vcs.clone(), context.facts.user_repo.clone(), context.facts.main_ref());
    let import = super::blocking(move || vcs.import_main(&repo, Some(&branch))).await??;
    let body =
        Imported { source: import.branch, old: None, new: import.new, paths: Vec::new(), all_paths: false };
    append_first(context, vec![Draft::new(Address::system(), body)]).await
}

fn next_seq(context: &Context) -> u64 {
    let epoch = context.facts.epoch;
    let own = |e: &foureyes_actors::journal::Entry| {
        let envelope = &e.record.envelope;
        (envelope.epoch == epoch && envelope.from.is_system()).then_some(envelope.seq)
    };
    context.journal.since(0).iter().filter_map(own).max().unwrap_or(0) + 1
}

fn sealed(context: &Context, draft: Draft, seq: u64, now: u64) -> Envelope {
    let mut random = [0; 10];
    context.ports.entropy.fill(&mut random);
    Envelope {
        v: VERSION,
        run: context.facts.run,
        epoch: context.facts.epoch,
        id: MessageId::from_parts(now, random),
        from: PrincipalId::system(),
        to: draft.to,
        kind: draft.body.kind(),
        feature: draft.feature,
        thread: draft.thread,
        in_reply_to: draft.in_reply_to,
        seq,
        sent_at: now,
        expires_at: draft.expires_at,
        priority: draft.priority,
        labels: draft.labels,
        body: draft.body,
    }
}

/// A push whose ref moved in the instant before a crash, and whose record did not: it was judged and
/// accepted, so its record is written now.
pub(super) async fn adopt_pushes(context: &Context) -> Result<(), ComposeError> {
    let (mut features, mut veto) = (Features::default(), Veto::default());
    context.journal.since(0).iter().for_each(|e| {
        features.apply(&e.record);
        veto.apply(&e.record);
    });
    if veto.frozen.is_some() {
        // Nothing is taken in during a freeze; a start after it looks again.
        return Ok(());
    }
    let vcs = context.ports.vcs.clone();
    let refs = super::blocking(move || vcs.refs("refs/heads/feature/")).await??;
    let mut drafts = Vec::new();
    for (name, tip) in refs {
        let id = name.strip_prefix("refs/heads/feature/").and_then(|id| FeatureId::new(id).ok());
        let Some(feature) = id.and_then(|id| features.by_id.get(&id)) else { continue };
        let known = feature.push.as_ref().map(|p| p.change.head.clone());
        let Some(main) = features.main.clone().filter(|_| known.as_ref() != Some(&tip)) else { continue };
        let facts = context.facts.clone();
        let vcs = context.ports.vcs.clone();
        let pushed =
            super::blocking(move || super::push::pushed(vcs.as_ref(), &facts, &main, known, &tip, 0)).await?;
        match pushed {
            Ok(pushed) => drafts.push(adopted(feature.id.clone(), pushed)),
            Err(error) => {
                tracing::warn!(%name, %error, "a branch that the ledger does not know is left alone")
            }
        }
    }
    if drafts.is_empty() { Ok(()) } else { append_first(context, drafts).await }
}

fn adopted(id: FeatureId, pushed: Pushed) -> Draft {
    Draft { priority: Priority::Normal, ..Draft::new(Address::system(), pushed) }.about(id)
}
