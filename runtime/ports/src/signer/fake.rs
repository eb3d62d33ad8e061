//! A signer without cryptography, for tests of those who use one.

use super::{
    ExportedRing, KeyError, KeyFingerprint, KeyInfo, KeyState, SignRefusal, SignatureStatus, SignedPayload,
    Signer, Signing, Verification,
};
use crate::clock::UnixMillis;
use foureyes_protocol::{Digest, PrincipalId};
use std::{collections::BTreeMap, sync::Mutex};

/// A signer for tests: no cryptography, no look into the payload. Signatures are the text
/// `FAKE <fingerprint> <digest>` and verify exactly for the payload and the key they name.
#[derive(Debug, Default)]
pub struct FakeSigner(Mutex<FakeState>);

#[derive(Debug, Default)]
struct FakeState {
    keys: BTreeMap<PrincipalId, KeyInfo>,
    signings: BTreeMap<Digest, Signing>,
}

const YEAR_MS: u64 = 365 * 24 * 60 * 60 * 1000;

impl FakeSigner {
    fn state(&self) -> std::sync::MutexGuard<'_, FakeState> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn sign(
        &self,
        role: &PrincipalId,
        payload: &[u8],
        now: UnixMillis,
    ) -> Result<SignedPayload, SignRefusal> {
        let mut state = self.state();
        let key = state.keys.get(role).filter(|k| k.state == KeyState::Active);
        let fingerprint = key.ok_or_else(|| SignRefusal::NoKey(role.clone()))?.fingerprint.clone();
        let payload = Digest::of(payload);
        let armor = format!("FAKE {fingerprint} {payload}");
        let signing = Signing { principal: role.clone(), fingerprint, payload, signed_at_ms: now };
        state.signings.insert(payload, signing.clone());
        Ok(SignedPayload { armor, signing })
    }

    fn change(&self, role: &PrincipalId, f: impl FnOnce(&mut KeyInfo)) -> Result<KeyInfo, KeyError> {
        let mut state = self.state();
        let key = state.keys.get_mut(role).ok_or_else(|| KeyError::NoKey(role.clone()))?;
        f(key);
        Ok(key.clone())
    }
}

impl Signer for FakeSigner {
    fn ensure_key(&self, principal: &PrincipalId, now_ms: UnixMillis) -> Result<KeyInfo, KeyError> {
        let fingerprint =
            KeyFingerprint(Digest::of(principal.as_str().as_bytes()).to_string()[..40].to_uppercase());
        let fresh = || KeyInfo {
            fingerprint,
            principal: principal.clone(),
            created_ms: now_ms,
            expires_ms: now_ms + 2 * YEAR_MS,
            state: KeyState::Active,
        };
        Ok(self.state().keys.entry(principal.clone()).or_insert_with(fresh).clone())
    }

    fn keys(&self) -> Vec<KeyInfo> {
        self.state().keys.values().cloned().collect()
    }

    fn sign_commit(
        &self,
        role: &PrincipalId,
        payload: &[u8],
        now: UnixMillis,
    ) -> Result<SignedPayload, SignRefusal> {
        self.sign(role, payload, now)
    }

    fn sign_tag(
        &self,
        role: &PrincipalId,
        payload: &[u8],
        now: UnixMillis,
    ) -> Result<SignedPayload, SignRefusal> {
        self.sign(role, payload, now)
    }

    fn sign_gate(&self, payload: &[u8], now_ms: UnixMillis) -> Result<SignedPayload, SignRefusal> {
        self.sign(&PrincipalId::system(), payload, now_ms)
    }

    fn verify(&self, payload: &[u8], armored_signature: &[u8], _at_ms: UnixMillis) -> Verification {
        let text = String::from_utf8_lossy(armored_signature);
        let mut parts = text.split_whitespace().skip(1);
        let fingerprint = parts.next().and_then(|f| KeyFingerprint::new(f).ok());
        let state = self.state();
        let key = state.keys.values().find(|k| Some(&k.fingerprint) == fingerprint.as_ref());
        let right = parts.next() == Some(Digest::of(payload).to_string().as_str());
        let status = match key.map(|k| k.state) {
            _ if fingerprint.is_none() => SignatureStatus::Malformed,
            None => SignatureStatus::UnknownKey,
            Some(_) if !right => SignatureStatus::Bad,
            Some(KeyState::Revoked) => SignatureStatus::Revoked,
            Some(_) => SignatureStatus::Good,
        };
        let principal = key.map(|k| k.principal.clone());
        Verification { status, fingerprint, principal, created_ms: None }
    }

    fn signed_at(&self, payload: &Digest) -> Option<Signing> {
        self.state().signings.get(payload).cloned()
    }

    fn remember(&self, signing: Signing) {
        self.state().signings.insert(signing.payload, signing);
    }

    fn forget_before(&self, ms: UnixMillis) {
        self.state().signings.retain(|_, s| s.signed_at_ms >= ms);
    }

    fn renew_due(&self, now_ms: UnixMillis) -> Vec<KeyInfo> {
        self.keys().into_iter().filter(|k| k.expires_ms <= now_ms + YEAR_MS).collect()
    }

    fn renew(&self, principal: &PrincipalId, now_ms: UnixMillis) -> Result<KeyInfo, KeyError> {
        self.change(principal, |k| k.expires_ms = now_ms + 2 * YEAR_MS)
    }

    fn retire(&self, principal: &PrincipalId) -> Result<KeyInfo, KeyError> {
        self.change(principal, |k| k.state = KeyState::Retired)
    }

    fn revoke(&self, key: &KeyFingerprint, _reason: &str, _now: UnixMillis) -> Result<KeyInfo, KeyError> {
        let owner = self.keys().into_iter().find(|k| k.fingerprint == *key).map(|k| k.principal);
        let owner = owner.ok_or_else(|| KeyError::Unknown(key.clone()))?;
        self.change(&owner, |k| k.state = KeyState::Revoked)
    }

    fn export_ring(&self) -> Result<ExportedRing, KeyError> {
        let lines = |k: &KeyInfo| format!("{}:6:\n", k.fingerprint);
        Ok(ExportedRing { armor: String::new(), ownertrust: self.keys().iter().map(lines).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fake_tells_payloads_and_keys_apart() {
        let (signer, dev) = (FakeSigner::default(), PrincipalId::new("dev-a").unwrap());
        assert_eq!(signer.sign_commit(&dev, b"x", 1).unwrap_err().code(), "sign-no-key");
        let key = signer.ensure_key(&dev, 1).unwrap();
        let signed = signer.sign_commit(&dev, b"x", 2).unwrap();
        let judge = |payload: &[u8]| signer.verify(payload, signed.armor.as_bytes(), 3).status;
        assert_eq!((judge(b"x"), judge(b"y")), (SignatureStatus::Good, SignatureStatus::Bad));
        signer.revoke(&key.fingerprint, "lost", 4).unwrap();
        assert_eq!(judge(b"x"), SignatureStatus::Revoked);
        assert_eq!(signer.signed_at(&Digest::of(b"x")), Some(signed.signing.clone()));
    }
}
