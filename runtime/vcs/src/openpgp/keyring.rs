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

    fn keys(&self) -> RwLockReadGuard<'_, Vec<Certificate>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn journal(&self) -> MutexGuard<'_, HashMap<Digest, Signing>> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_changes(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn active(&self, principal: &PrincipalId) -> Option<KeyInfo> {
        active(&self.keys(), principal).map(Certificate::info)
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
        let keys = self.keys();
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
        self.keys().iter().map(Certificate::info).collect()
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
        judge(self.keys().iter(), payload, armored_signature, at_ms)
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
        self.keys().iter().filter(|k| k.renew_due(now_ms)).map(Certificate::info).collect()
    }

    fn renew(&self, principal: &PrincipalId, now_ms: UnixMillis) -> Result<KeyInfo, KeyError> {
        let _one_at_a_time = self.lock_changes();
        let renewed = active(&self.keys(), principal).map(|key| key.renewed(now_ms));
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
            .keys()
            .iter()
            .find(|k| k.fingerprint() == fingerprint)
            .map(|key| key.revoked(reason, now_ms));
        let key = revoked.ok_or_else(|| KeyError::Unknown(fingerprint.clone()))?.map_err(openpgp)?;
        self.keep(key)
    }

    fn export_ring(&self) -> Result<ExportedRing, KeyError> {
        let keys = self.keys();
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
