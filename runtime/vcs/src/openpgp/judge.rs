//! What a detached signature is worth. The library checks the mathematics only; validity in time,
//! revocation, key flags, hash strength and form are judged here.

use super::certificate::Certificate;
use foureyes_ports::{
    clock::UnixMillis,
    signer::{KeyFingerprint, KeyState, MAX_DATE_SKEW_MS, MAX_PAYLOAD_BYTES, SignatureStatus, Verification},
};
use pgp::{
    composed::{Deserializable, DetachedSignature},
    crypto::hash::HashAlgorithm,
    packet::{Signature, SignatureType, SignatureVersion},
};

const BEGIN: &str = "-----BEGIN PGP SIGNATURE-----";
const END: &str = "-----END PGP SIGNATURE-----";

/// Judges `armored` over `payload` as of `at_ms`, among the keys of `ring`.
pub(super) fn judge<'a>(
    ring: impl IntoIterator<Item = &'a Certificate>,
    payload: &[u8],
    armored: &[u8],
    at_ms: UnixMillis,
) -> Verification {
    let Some(signature) = parse(armored).filter(|_| payload.len() <= MAX_PAYLOAD_BYTES) else {
        return verdict(SignatureStatus::Malformed, None, None);
    };
    let created_s = signature.created().map(|t| u64::from(t.as_secs()));
    let mut named = ring.into_iter().filter(|key| names(&signature, key.fingerprint()));
    match (named.next(), created_s) {
        (None, _) => {
            let fingerprint = named_fingerprint(&signature);
            Verification { fingerprint, ..verdict(SignatureStatus::UnknownKey, None, created_s) }
        }
        (key, None) => verdict(SignatureStatus::Malformed, key, None),
        (Some(key), Some(created)) => {
            verdict(status(&signature, created, key, payload, at_ms), Some(key), created_s)
        }
    }
}

/// Exactly one armoured signature packet, of the kind that git stores, and nothing around it.
fn parse(armored: &[u8]) -> Option<Signature> {
    let text = std::str::from_utf8(armored).ok()?.trim();
    let framed = text.starts_with(BEGIN) && text.ends_with(END) && text.matches("-----BEGIN").count() == 1;
    if !framed {
        return None;
    }
    let (mut packets, _) = DetachedSignature::from_string_many(text).ok()?;
    let signature = packets.next()?.ok()?.signature;
    let right_kind =
        signature.typ() == Some(SignatureType::Binary) && signature.version() == SignatureVersion::V4;
    (right_kind && packets.next().is_none()).then_some(signature)
}

fn status(
    signature: &Signature,
    created_s: u64,
    key: &Certificate,
    payload: &[u8],
    at_ms: UnixMillis,
) -> SignatureStatus {
    let strong = [HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512];
    if !signature.hash_alg().is_some_and(|h| strong.contains(&h)) {
        return SignatureStatus::WeakHash;
    }
    if signature.verify(key.verifying_key(), payload).is_err() {
        return SignatureStatus::Bad;
    }
    let lifetime = signature.signature_expiration_time().map(|d| u64::from(d.as_secs()));
    let signature_ends = lifetime.filter(|s| *s > 0).map_or(u64::MAX, |s| created_s + s);
    let (at_s, expires) = (at_ms / 1000, key.expires_s().min(signature_ends));
    // Revocation comes first: an expired key that was also stolen is a stolen key.
    if key.state() == KeyState::Revoked {
        SignatureStatus::Revoked
    } else if !key.may_sign() {
        SignatureStatus::NotForSigning
    } else if created_s < key.created_s() || created_s > at_s + MAX_DATE_SKEW_MS / 1000 {
        SignatureStatus::TimeConflict
    } else if at_s >= expires || created_s >= expires {
        SignatureStatus::Expired
    } else {
        SignatureStatus::Good
    }
}

/// Whether the signature names the key, by fingerprint, or by key id where it has no fingerprint.
fn names(signature: &Signature, fingerprint: &KeyFingerprint) -> bool {
    let fingerprints = signature.issuer_fingerprint();
    if fingerprints.is_empty() {
        let ids = signature.issuer_key_id();
        return ids.iter().any(|id| id.to_string().eq_ignore_ascii_case(fingerprint.key_id()));
    }
    fingerprints.iter().any(|f| format!("{f:X}") == fingerprint.as_str())
}

fn named_fingerprint(signature: &Signature) -> Option<KeyFingerprint> {
    let first = signature.issuer_fingerprint().first().map(|f| format!("{f:X}"))?;
    KeyFingerprint::new(&first).ok()
}

fn verdict(status: SignatureStatus, key: Option<&Certificate>, created_s: Option<u64>) -> Verification {
    Verification {
        status,
        fingerprint: key.map(|k| k.fingerprint().clone()),
        principal: key.map(|k| k.principal().clone()),
        created_ms: created_s.map(|s| s * 1000),
    }
}
