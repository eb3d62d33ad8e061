//! `verify`: who wrote a commit, and whether it passed the gates.
//!
//! A role's key means *written by*; only the gate key's signature on a merge means *passed the
//! gates*, and the ledger says on what grounds.

use super::{Place, audit::envelope, keys::signer, print};
use crate::{args::VerifyArgs, error::CliError, exit::Exit, programs, state::StateDir};
use foureyes_ports::signer::{SignatureStatus, Signer, Verification};
use foureyes_protocol::Body;
use foureyes_vcs::openpgp::payload::split_signature;
use serde::Serialize;
use serde_json::Value;
use std::{cell::RefCell, io, process::ExitCode};

/// What is known of a commit.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Verdict {
    /// Its id.
    commit: String,
    /// `gate`, `role`, `unsigned` or `bad`.
    signature: &'static str,
    /// Whose key signed it.
    signer: Option<String>,
    /// The key.
    fingerprint: Option<String>,
    /// Whether it passed the gates: signed by the gate key and landed by a record of the ledger.
    passed_gates: bool,
    /// The feature that it landed.
    feature: Option<String>,
    /// Who signed the change off.
    signers: Vec<String>,
    /// The record of the merge.
    record: Option<u64>,
    /// One line for people.
    text: String,
}

pub(super) fn verify(place: &Place, args: &VerifyArgs) -> Result<ExitCode, CliError> {
    let state = place.known_state()?;
    let wanted = format!("{}^{{commit}}", args.commit);
    let shown = programs::git(state.repository(), &["rev-parse", "--verify", "--end-of-options", &wanted])?;
    let commit = String::from_utf8_lossy(&shown).trim().to_owned();
    let raw = programs::git(state.repository(), &["cat-file", "commit", &commit])?;
    let verdict = judge(&signer(&state)?, &commit, &raw, &landings(&state, &commit));
    print(&if args.json { foureyes_display::status::json(&verdict) } else { format!("{}\n", verdict.text) })?;
    Ok(match verdict.signature {
        "bad" => Exit::Audit.into(),
        "unsigned" => Exit::No.into(),
        _ => Exit::Ok.into(),
    })
}

/// A merge as the ledger has it.
#[derive(Clone, Debug)]
struct Landed {
    record: u64,
    feature: Option<String>,
    signers: Vec<String>,
}

/// The record that landed a commit. An unreadable ledger has none.
fn landings(state: &StateDir, commit: &str) -> Option<Landed> {
    let (count, found) = (RefCell::new(0), RefCell::new(None));
    let look = |bytes: &[u8]| {
        let record = count.replace_with(|n| *n + 1);
        if let Some(envelope) = envelope(bytes)
            && let Body::Merged(merged) = &envelope.body
            && merged.commit.as_str() == commit
            && envelope.from.is_system()
        {
            let signers = merged.signers.iter().map(ToString::to_string).collect();
            let feature = envelope.feature.as_ref().map(ToString::to_string);
            found.replace(Some(Landed { record, feature, signers }));
        }
        Value::Null
    };
    // What the walk prints is of no interest, and neither is why it ended early: then none is found.
    let _ = foureyes_ledger::export(&state.ledger_files().database(), &mut io::sink(), &look);
    found.into_inner()
}

fn judge(signer: &dyn Signer, commit: &str, raw: &[u8], landed: &Option<Landed>) -> Verdict {
    let verdict = Verdict { commit: commit.to_owned(), ..Verdict::default() };
    let short = &commit[..12.min(commit.len())];
    let (payload, signature) = match split_signature(raw) {
        Ok((payload, Some(signature))) => (payload, signature),
        Ok((_, None)) => {
            let text =
                format!("{short} is unsigned: not written by a role here, and not passed by the gates");
            return Verdict { signature: "unsigned", text, ..verdict };
        }
        Err(why) => {
            let text = format!("{short} is no commit as git writes it: {why}");
            return Verdict { signature: "bad", text, ..verdict };
        }
    };
    let seen = as_of_its_making(signer, &payload, signature.as_bytes());
    let verdict = Verdict {
        signer: seen.principal.as_ref().map(ToString::to_string),
        fingerprint: seen.fingerprint.as_ref().map(ToString::to_string),
        ..verdict
    };
    match (seen.status, &seen.principal) {
        (SignatureStatus::Good, Some(who)) if who.is_system() => by_gate(verdict, short, landed),
        (SignatureStatus::Good, Some(who)) => {
            let text = format!(
                "{short} was written by {who}; that it passed the gates says the merge that holds it"
            );
            Verdict { signature: "role", text, ..verdict }
        }
        (status, _) => {
            let text = format!("{short} carries a signature that counts for nothing here: {status:?}");
            Verdict { signature: "bad", text, ..verdict }
        }
    }
}

/// Judged as of the moment at which it was made, so that expiry condemns no old commit.
fn as_of_its_making(signer: &dyn Signer, payload: &[u8], signature: &[u8]) -> Verification {
    let now = super::now_ms();
    let seen = signer.verify(payload, signature, now);
    match seen.created_ms {
        Some(made) if made < now && seen.status == SignatureStatus::Expired => {
            signer.verify(payload, signature, made)
        }
        _ => seen,
    }
}

fn by_gate(verdict: Verdict, short: &str, landed: &Option<Landed>) -> Verdict {
    let Some(landed) = landed else {
        let text = format!("{short} is signed by the gate key, but the ledger has no record that it landed");
        return Verdict { signature: "gate", text, ..verdict };
    };
    let feature = landed.feature.clone().unwrap_or_default();
    let text = format!(
        "{short} passed the gates: feature {feature}, record {}, signed off by {}",
        landed.record,
        landed.signers.join(", ")
    );
    Verdict {
        signature: "gate",
        passed_gates: true,
        feature: landed.feature.clone(),
        signers: landed.signers.clone(),
        record: Some(landed.record),
        text,
        ..verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foureyes_ports::signer::identity_of;
    use foureyes_protocol::PrincipalId;
    use foureyes_vcs::openpgp::OpenPgpSigner;

    fn payload(who: &PrincipalId, now: u64) -> String {
        let line = format!("{} {} +0000", identity_of(who), now / 1000);
        format!("tree {}\nauthor {line}\ncommitter {line}\n\nx\n", "a".repeat(40))
    }

    fn raw(payload: &str, armor: &str) -> Vec<u8> {
        let (head, message) = payload.split_once("\n\n").unwrap();
        let signature = armor.trim_end().replace('\n', "\n ");
        format!("{head}\ngpgsig {signature}\n\n{message}").into_bytes()
    }

    #[test]
    fn a_role_wrote_and_only_the_gate_passes() {
        let dir = tempfile::tempdir().unwrap();
        let signer = OpenPgpSigner::open(&dir.path().join("keys")).unwrap();
        let (dev, gate, now) =
            (PrincipalId::new("dev-a").unwrap(), PrincipalId::system(), super::super::now_ms());
        signer.ensure_key(&dev, now).unwrap();
        signer.ensure_key(&gate, now).unwrap();
        let (of_dev, of_gate) = (payload(&dev, now), payload(&gate, now));
        let by_dev = raw(&of_dev, &signer.sign_commit(&dev, of_dev.as_bytes(), now).unwrap().armor);
        let by_gate = raw(&of_gate, &signer.sign_gate(of_gate.as_bytes(), now).unwrap().armor);
        let landed =
            Landed { record: 7, feature: Some("greet".to_owned()), signers: vec!["dev-b".to_owned()] };
        let id = "c".repeat(40);
        let judge = |raw: &[u8], landed: &Option<Landed>| judge(&signer, &id, raw, landed);

        let role = judge(&by_dev, &None);
        assert_eq!(
            (role.signature, role.passed_gates, role.signer.as_deref()),
            ("role", false, Some("dev-a"))
        );
        assert!(judge(&by_gate, &Some(landed)).passed_gates);
        let unrecorded = judge(&by_gate, &None);
        assert_eq!((unrecorded.signature, unrecorded.passed_gates), ("gate", false));
        assert_eq!(judge(of_dev.as_bytes(), &None).signature, "unsigned");
        let forged = String::from_utf8(by_dev).unwrap().replace("\n\nx", "\n\ny");
        assert_eq!(judge(forged.as_bytes(), &None).signature, "bad");
    }
}
