//! The signer over a directory of keys: `<FINGERPRINT>.key` is one whole key with its secret, an
//! empty `<FINGERPRINT>.retired` beside it marks it retired.

use super::{certificate::Certificate, judge::judge, payload};
use crate::private_file::{PrivateDir, PrivateFileError};
use foureyes_ports::{
    clock::UnixMillis,
    signer::{
        ExportedRing, KeyError, KeyFingerprint, KeyInfo, KeyState, MAX_DATE_SKEW_MS, MAX_PAYLOAD_BYTES,
        SignRefusal, SignedPayload, Signer, Signing, Verification, identity_of,
    },
};
use foureyes_protocol::{Digest, PrincipalId};
use pgp::{armor, composed::SignedPublicKey, errors::Error as PgpError, ser::Serialize};
use std::{
    collections::HashMap,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard},
};

/// The signer: keys in memory, each in a file of its own, and the journal of what was signed.
#[derive(Debug)]
pub struct OpenPgpSigner {
    dir: PrivateDir,
    /// In order of making.
    keys: RwLock<Vec<Certificate>>,
    journal: Mutex<HashMap<Digest, Signing>>,
    /// Held while a key is made or changed, so that signing never waits for a disk.
    changing: Mutex<()>,
}

impl From<PrivateFileError> for KeyError {
    fn from(e: PrivateFileError) -> Self {
        Self::Store { path: e.path.display().to_string(), why: e.why }
    }
}

fn openpgp(e: PgpError) -> KeyError {
    KeyError::OpenPgp(e.to_string())
}

impl OpenPgpSigner {
    /// Reads every key of `dir`; makes the directory (mode 0700) when there is none.
    ///
    /// # Errors
    /// [`KeyError::Store`] when the directory or a key is open to others, another user's or damaged.
    pub fn open(dir: &Path) -> Result<Self, KeyError> {
        let dir = PrivateDir::open(dir)?;
        let mut keys = load(&dir)?;
        keys.sort_by_key(|k| (k.created_s(), k.fingerprint().clone()));
        let (keys, journal) = (RwLock::new(keys), Mutex::default());
        Ok(Self { dir, keys, journal, changing: Mutex::default() })
    }

    fn ring(&self) -> RwLockReadGuard<'_, Vec<Certificate>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn journal(&self) -> MutexGuard<'_, HashMap<Digest, Signing>> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_changes(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn active(&self, principal: &PrincipalId) -> Option<KeyInfo> {
        active(&self.ring(), principal).map(Certificate::info)
    }

    /// Writes a key, then shows it to everyone else.
    fn keep(&self, key: Certificate) -> Result<KeyInfo, KeyError> {
        self.dir.write(&key_file(key.fingerprint()), &key.to_bytes().map_err(openpgp)?)?;
        let info = key.info();
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        match keys.iter_mut().find(|k| *k.fingerprint() == info.fingerprint) {
            Some(old) => *old = key,
            None => keys.push(key),
        }
        Ok(info)
    }

    fn sign_with(
        &self,
        principal: &PrincipalId,
        payload: &[u8],
        now_ms: UnixMillis,
    ) -> Result<SignedPayload, SignRefusal> {
        let keys = self.ring();
        let key = active(&keys, principal).ok_or_else(|| SignRefusal::NoKey(principal.clone()))?;
        if now_ms / 1000 >= key.expires_s() {
            return Err(SignRefusal::Expired(principal.clone()));
        }
        let armored = key.sign(payload, now_ms).and_then(|s| s.to_armored_string(None.into()));
        let armor = armored.map_err(|e| SignRefusal::Failed(e.to_string()))?;
        let fingerprint = key.fingerprint().clone();
        let payload = Digest::of(payload);
        let signing = Signing { principal: principal.clone(), fingerprint, payload, signed_at_ms: now_ms };
        self.remember(signing.clone());
        Ok(SignedPayload { armor, signing })
    }
}

impl Signer for OpenPgpSigner {
    fn ensure_key(&self, principal: &PrincipalId, now_ms: UnixMillis) -> Result<KeyInfo, KeyError> {
        let _one_at_a_time = self.lock_changes();
        match self.active(principal) {
            Some(info) => Ok(info),
            None => {
                let key = Certificate::generate(principal, now_ms).map_err(openpgp)?;
                self.keep(key)
            }
        }
    }

    fn keys(&self) -> Vec<KeyInfo> {
        self.ring().iter().map(Certificate::info).collect()
    }

    fn sign_commit(
        &self,
        role: &PrincipalId,
        payload: &[u8],
        now_ms: UnixMillis,
    ) -> Result<SignedPayload, SignRefusal> {
        check_role_and_size(role, payload)?;
        let commit = payload::parse_commit(payload)
            .map_err(|why| SignRefusal::Malformed { wanted: "a commit", why })?;
        check_author(role, commit.author)?;
        check_committer(role, commit.committer, now_ms)?;
        self.sign_with(role, payload, now_ms)
    }

    fn sign_tag(
        &self,
        role: &PrincipalId,
        payload: &[u8],
        now_ms: UnixMillis,
    ) -> Result<SignedPayload, SignRefusal> {
        check_role_and_size(role, payload)?;
        let tag =
            payload::parse_tag(payload).map_err(|why| SignRefusal::Malformed { wanted: "a tag", why })?;
        check_committer(role, tag.tagger, now_ms)?;
        self.sign_with(role, payload, now_ms)
    }

    fn sign_gate(&self, payload: &[u8], now_ms: UnixMillis) -> Result<SignedPayload, SignRefusal> {
        let gate = PrincipalId::system();
        check_size(payload)?;
        let commit = payload::parse_commit(payload)
            .map_err(|why| SignRefusal::Malformed { wanted: "a commit", why })?;
        check_committer(&gate, commit.committer, now_ms)?;
        self.sign_with(&gate, payload, now_ms)
    }

    fn verify(&self, payload: &[u8], armored_signature: &[u8], at_ms: UnixMillis) -> Verification {
        judge(self.ring().iter(), payload, armored_signature, at_ms)
    }

    fn signed_at(&self, payload: &Digest) -> Option<Signing> {
        self.journal().get(payload).cloned()
    }

    fn remember(&self, signing: Signing) {
        let mut journal = self.journal();
        let newest = journal.entry(signing.payload).or_insert_with(|| signing.clone());
        if newest.signed_at_ms < signing.signed_at_ms {
            *newest = signing;
        }
    }

    fn forget_before(&self, ms: UnixMillis) {
        self.journal().retain(|_, signing| signing.signed_at_ms >= ms);
    }

    fn renew_due(&self, now_ms: UnixMillis) -> Vec<KeyInfo> {
        self.ring().iter().filter(|k| k.renew_due(now_ms)).map(Certificate::info).collect()
    }

    fn renew(&self, principal: &PrincipalId, now_ms: UnixMillis) -> Result<KeyInfo, KeyError> {
        let _one_at_a_time = self.lock_changes();
        let renewed = active(&self.ring(), principal).map(|key| key.renewed(now_ms));
        let key = renewed.ok_or_else(|| KeyError::NoKey(principal.clone()))?.map_err(openpgp)?;
        self.keep(key)
    }

    fn retire(&self, principal: &PrincipalId) -> Result<KeyInfo, KeyError> {
        let _one_at_a_time = self.lock_changes();
        let info = self.active(principal).ok_or_else(|| KeyError::NoKey(principal.clone()))?;
        self.dir.write(&retired_file(&info.fingerprint), b"")?;
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        for key in keys.iter_mut().filter(|k| *k.fingerprint() == info.fingerprint) {
            key.retired = true;
        }
        Ok(KeyInfo { state: KeyState::Retired, ..info })
    }

    fn revoke(
        &self,
        fingerprint: &KeyFingerprint,
        reason: &str,
        now_ms: UnixMillis,
    ) -> Result<KeyInfo, KeyError> {
        let _one_at_a_time = self.lock_changes();
        let revoked = self
            .ring()
            .iter()
            .find(|k| k.fingerprint() == fingerprint)
            .map(|key| key.revoked(reason, now_ms));
        let key = revoked.ok_or_else(|| KeyError::Unknown(fingerprint.clone()))?.map_err(openpgp)?;
        self.keep(key)
    }

    fn export_ring(&self) -> Result<ExportedRing, KeyError> {
        let keys = self.ring();
        let public = PublicRing(keys.iter().map(Certificate::public).collect());
        let mut armor = Vec::new();
        armor::write(&public, armor::BlockType::PublicKey, &mut armor, None, true).map_err(openpgp)?;
        let armor = String::from_utf8_lossy(&armor).into_owned();
        let believed = keys.iter().filter(|k| k.state() != KeyState::Revoked);
        Ok(ExportedRing {
            armor,
            ownertrust: believed.map(|k| format!("{}:6:\n", k.fingerprint())).collect(),
        })
    }
}

/// Several public keys in one armoured block: gpg reads no more than one block of a file reliably.
struct PublicRing(Vec<SignedPublicKey>);

impl Serialize for PublicRing {
    fn to_writer<W: std::io::Write>(&self, writer: &mut W) -> pgp::errors::Result<()> {
        self.0.iter().try_for_each(|key| key.to_writer(writer))
    }

    fn write_len(&self) -> usize {
        self.0.iter().map(Serialize::write_len).sum()
    }
}

fn key_file(fingerprint: &KeyFingerprint) -> String {
    format!("{fingerprint}.key")
}

fn retired_file(fingerprint: &KeyFingerprint) -> String {
    format!("{fingerprint}.retired")
}

fn load(dir: &PrivateDir) -> Result<Vec<Certificate>, KeyError> {
    let names = dir.names()?;
    let mut keys = Vec::new();
    for name in names.iter().filter(|n| n.ends_with(".key")) {
        let damaged = |why: String| KeyError::Store { path: dir.path(name).display().to_string(), why };
        let Some(bytes) = dir.read(name)? else { continue };
        let mut key =
            Certificate::from_bytes(&bytes).map_err(|e| damaged(format!("is no usable key: {e}")))?;
        if *name != key_file(key.fingerprint()) {
            return Err(damaged(format!("holds the key {}", key.fingerprint())));
        }
        key.retired = names.contains(&retired_file(key.fingerprint()));
        keys.push(key);
    }
    Ok(keys)
}

fn active<'a>(keys: &'a [Certificate], principal: &PrincipalId) -> Option<&'a Certificate> {
    keys.iter().rev().find(|k| k.principal() == principal && k.state() == KeyState::Active)
}

fn check_size(payload: &[u8]) -> Result<(), SignRefusal> {
    let bytes = payload.len();
    if bytes > MAX_PAYLOAD_BYTES { Err(SignRefusal::TooLarge { bytes }) } else { Ok(()) }
}

fn check_role_and_size(role: &PrincipalId, payload: &[u8]) -> Result<(), SignRefusal> {
    if role.is_system() || role.is_user() {
        return Err(SignRefusal::NotARole(role.clone()));
    }
    check_size(payload)
}

fn check_author(role: &PrincipalId, author: payload::Ident<'_>) -> Result<(), SignRefusal> {
    let wanted = identity_of(role);
    if author.identity == wanted {
        return Ok(());
    }
    Err(SignRefusal::Author { found: author.identity.to_owned(), wanted })
}

fn check_committer(
    role: &PrincipalId,
    committer: payload::Ident<'_>,
    now_ms: UnixMillis,
) -> Result<(), SignRefusal> {
    let wanted = identity_of(role);
    if committer.identity != wanted {
        return Err(SignRefusal::Committer { found: committer.identity.to_owned(), wanted });
    }
    let off = seconds_apart(committer.seconds, now_ms);
    if off > MAX_DATE_SKEW_MS / 1000 { Err(SignRefusal::Date { seconds_off: off }) } else { Ok(()) }
}

/// How far a date (in seconds) lies from a moment (in milliseconds), in whole seconds.
pub(super) fn seconds_apart(date_s: u64, moment_ms: UnixMillis) -> u64 {
    date_s.abs_diff(moment_ms / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use foureyes_ports::signer::SignatureStatus;
    use std::{fs, os::unix::fs::PermissionsExt};

    const NOW: u64 = 1_800_000_000_000;
    const DAY_MS: u64 = 24 * 3600 * 1000;
    const YEAR_MS: u64 = 365 * DAY_MS;

    fn role(name: &str) -> PrincipalId {
        PrincipalId::new(name).unwrap()
    }

    fn commit(author: &str, committer: &str, seconds: u64) -> Vec<u8> {
        let tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        let line = |who: &str| format!("{who} <{who}@agents.invalid> {seconds} +0000");
        format!("tree {tree}\nauthor {}\ncommitter {}\n\nx\n", line(author), line(committer)).into_bytes()
    }

    fn signer() -> (tempfile::TempDir, OpenPgpSigner) {
        let dir = tempfile::tempdir().unwrap();
        let signer = OpenPgpSigner::open(&dir.path().join("keys")).unwrap();
        for name in ["dev-a", "dev-b", "system"] {
            signer.ensure_key(&role(name), NOW).unwrap();
        }
        (dir, signer)
    }

    #[test]
    fn a_role_s_own_commit_is_signed_and_judged_good() {
        let (_dir, signer) = signer();
        let payload = commit("dev-a", "dev-a", NOW / 1000);
        let signed = signer.sign_commit(&role("dev-a"), &payload, NOW).unwrap();
        let seen = signer.verify(&payload, signed.armor.as_bytes(), NOW);
        assert_eq!((seen.status, seen.principal), (SignatureStatus::Good, Some(role("dev-a"))));
        assert_eq!(
            (seen.created_ms, seen.fingerprint),
            (Some(NOW), Some(signed.signing.fingerprint.clone()))
        );
        assert_eq!(signer.signed_at(&Digest::of(&payload)), Some(signed.signing));
        signer.forget_before(NOW + 1);
        assert_eq!(signer.signed_at(&Digest::of(&payload)), None);
    }

    #[test]
    fn what_is_not_the_role_s_own_of_now_is_refused_each_with_its_code() {
        let (_dir, signer) = signer();
        let (own, now_s) = (commit("dev-a", "dev-a", NOW / 1000), NOW / 1000);
        let text = String::from_utf8(own.clone()).unwrap();
        let long = [own.clone(), vec![b'x'; MAX_PAYLOAD_BYTES]].concat();
        let table: [(&str, Vec<u8>, &str); 13] = [
            ("dev-a", commit("dev-b", "dev-a", now_s), "sign-author"),
            ("dev-a", commit("dev-a", "dev-b", now_s), "sign-committer"),
            ("dev-a", commit("dev-a", "dev-a", now_s - 301), "sign-date"),
            ("dev-a", commit("dev-a", "dev-a", now_s + 301), "sign-date"),
            ("dev-a", commit("dev-a", "dev-a", 0), "sign-date"),
            ("dev-a", text.replace("committer dev-a", "committer dev-A").into_bytes(), "sign-committer"),
            ("dev-a", text.replace("author dev-a <", "author Dev A <").into_bytes(), "sign-author"),
            ("dev-a", text.replace('\n', "\r\n").into_bytes(), "sign-malformed"),
            ("dev-a", b"certificate version 0.1\n\n".to_vec(), "sign-malformed"),
            ("dev-a", long, "sign-too-large"),
            ("dev-c", commit("dev-c", "dev-c", now_s), "sign-no-key"),
            ("system", commit("system", "system", now_s), "sign-not-a-role"),
            ("user", commit("user", "user", now_s), "sign-not-a-role"),
        ];
        for (who, payload, code) in table {
            let refusal = signer.sign_commit(&role(who), &payload, NOW).unwrap_err();
            assert_eq!(refusal.code(), code, "{refusal}");
            assert_eq!(signer.signed_at(&Digest::of(&payload)), None);
        }
        assert!(signer.sign_commit(&role("dev-a"), &commit("dev-a", "dev-a", now_s - 300), NOW).is_ok());
    }

    #[test]
    fn tags_and_gate_merges_have_doors_of_their_own() {
        let (_dir, signer) = signer();
        let id = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        let tagger = format!("dev-a <dev-a@agents.invalid> {} +0000", NOW / 1000);
        let tag = format!("object {id}\ntype commit\ntag v1\ntagger {tagger}\n\nx\n");
        assert_eq!(
            signer.sign_commit(&role("dev-a"), tag.as_bytes(), NOW).unwrap_err().code(),
            "sign-malformed"
        );
        assert!(signer.sign_tag(&role("dev-a"), tag.as_bytes(), NOW).is_ok());
        assert_eq!(
            signer.sign_tag(&role("dev-b"), tag.as_bytes(), NOW).unwrap_err().code(),
            "sign-committer"
        );
        let squashed = commit("dev-a", "system", NOW / 1000);
        assert_eq!(signer.sign_gate(&squashed, NOW).unwrap().signing.principal, PrincipalId::system());
        let by_role = commit("dev-a", "dev-a", NOW / 1000);
        assert_eq!(signer.sign_gate(&by_role, NOW).unwrap_err().code(), "sign-committer");
    }

    #[test]
    fn expiry_is_judged_at_the_moment_asked_about_and_renewal_moves_it() {
        let (_dir, signer) = signer();
        let payload = commit("dev-a", "dev-a", NOW / 1000);
        let armor = signer.sign_commit(&role("dev-a"), &payload, NOW).unwrap().armor;
        let at = |ms| signer.verify(&payload, armor.as_bytes(), ms).status;
        let late = NOW + 2 * YEAR_MS;
        assert_eq!((at(late - 1000), at(late)), (SignatureStatus::Good, SignatureStatus::Expired));
        let fresh = commit("dev-a", "dev-a", late / 1000);
        assert_eq!(signer.sign_commit(&role("dev-a"), &fresh, late).unwrap_err().code(), "sign-key-expired");
        assert!(signer.renew_due(NOW + YEAR_MS - 1000).is_empty());
        assert_eq!(signer.renew_due(NOW + YEAR_MS).len(), 3);
        let before = signer.ensure_key(&role("dev-a"), NOW).unwrap();
        let after = signer.renew(&role("dev-a"), NOW + YEAR_MS).unwrap();
        assert_eq!((after.fingerprint, after.created_ms), (before.fingerprint, before.created_ms));
        assert_eq!(after.expires_ms, NOW + 3 * YEAR_MS);
        assert_eq!((at(late), signer.renew_due(NOW + YEAR_MS).len()), (SignatureStatus::Good, 2));
    }

    #[test]
    fn retired_keys_keep_their_history_and_revoked_ones_do_not() {
        let (dir, signer) = signer();
        let payload = commit("dev-a", "dev-a", NOW / 1000);
        let armor = signer.sign_commit(&role("dev-a"), &payload, NOW).unwrap().armor;
        let retired = signer.retire(&role("dev-a")).unwrap();
        assert_eq!(signer.sign_commit(&role("dev-a"), &payload, NOW).unwrap_err().code(), "sign-no-key");
        let check = |signer: &OpenPgpSigner, state, status| {
            assert_eq!(
                signer.keys().iter().find(|k| k.fingerprint == retired.fingerprint).unwrap().state,
                state
            );
            assert_eq!(signer.verify(&payload, armor.as_bytes(), NOW).status, status);
        };
        let reopen = || OpenPgpSigner::open(&dir.path().join("keys")).unwrap();
        check(&signer, KeyState::Retired, SignatureStatus::Good);
        check(&reopen(), KeyState::Retired, SignatureStatus::Good);
        assert_ne!(signer.ensure_key(&role("dev-a"), NOW).unwrap().fingerprint, retired.fingerprint);
        signer.revoke(&retired.fingerprint, "stolen", NOW).unwrap();
        check(&signer, KeyState::Revoked, SignatureStatus::Revoked);
        check(&reopen(), KeyState::Revoked, SignatureStatus::Revoked);
    }

    #[test]
    fn tampered_foreign_early_and_future_signatures_are_told_apart() {
        let ((_a, signer), (_b, other)) = (signer(), signer());
        let payload = commit("dev-a", "dev-a", NOW / 1000);
        let armor = signer.sign_commit(&role("dev-a"), &payload, NOW).unwrap().armor;
        let status = |armor: &str, at| signer.verify(&payload, armor.as_bytes(), at).status;
        assert_eq!(signer.verify(b"tree x", armor.as_bytes(), NOW).status, SignatureStatus::Bad);
        let foreign = other.sign_commit(&role("dev-a"), &payload, NOW).unwrap().armor;
        assert_eq!(status(&foreign, NOW), SignatureStatus::UnknownKey);
        assert_eq!(status(&armor, NOW - 301_000), SignatureStatus::TimeConflict);
        let early = signer.keys()[0].created_ms - 1000;
        let antedated = active(&signer.ring(), &role("dev-a")).unwrap().sign(&payload, early).unwrap();
        let antedated = antedated.to_armored_string(None.into()).unwrap();
        assert_eq!(status(&antedated, NOW), SignatureStatus::TimeConflict);
        let malformed = [
            "",
            "x",
            &armor.replace("SIGNATURE", "MESSAGE"),
            &format!("{armor}{armor}"),
            &format!("x{armor}"),
        ];
        for armor in malformed {
            assert_eq!(status(armor, NOW), SignatureStatus::Malformed, "{armor}");
        }
    }

    #[test]
    fn a_key_directory_that_others_can_read_is_refused_with_its_cure() {
        let (dir, _) = signer();
        let keys = dir.path().join("keys");
        let chmod = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let file = fs::read_dir(&keys).unwrap().next().unwrap().unwrap().path();
        chmod(&file, 0o644);
        assert!(OpenPgpSigner::open(&keys).unwrap_err().to_string().contains("chmod 600"));
        chmod(&file, 0o600);
        chmod(&keys, 0o711);
        assert!(OpenPgpSigner::open(&keys).unwrap_err().to_string().contains("chmod 700"));
        chmod(&keys, 0o700);
        fs::write(&file, b"junk").unwrap();
        assert!(OpenPgpSigner::open(&keys).unwrap_err().to_string().contains("is no usable key"));
    }
}
