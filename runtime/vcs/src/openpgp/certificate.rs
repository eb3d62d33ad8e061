//! One key: making it, reading it back, how long it is valid, renewal, revocation, signing.
//!
//! Version 4 with the legacy Ed25519 algorithm (22): the newest form that every `gpg` since 2.1
//! reads. Self-signatures are written by hand because the library's builder knows no expiry and
//! always dates them by its own clock.

use foureyes_ports::{
    clock::UnixMillis,
    signer::{KeyFingerprint, KeyInfo, KeyState, identity_of, principal_of_email},
};
use foureyes_protocol::PrincipalId;
use pgp::{
    bytes::Bytes,
    composed::{
        Deserializable, DetachedSignature, KeyType, SignedKeyDetails, SignedPublicKey, SignedSecretKey,
    },
    crypto::hash::HashAlgorithm,
    errors::Result as PgpResult,
    packet::{
        KeyFlags, PubKeyInner, PublicKey, RevocationCode, SecretKey, Signature, SignatureConfig,
        SignatureType, Subpacket, SubpacketData, UserId,
    },
    ser::Serialize,
    types::{
        Duration, KeyDetails as _, KeyVersion, PacketHeaderVersion, Password, SignedUser, Tag, Timestamp,
    },
};
use rand08::rngs::OsRng;
use std::fmt;
use zeroize::Zeroizing;

/// How long a key is valid from its making or renewal, in seconds.
const VALIDITY_S: u64 = 2 * 365 * 24 * 3600;
/// When a key is due for renewal: this long before it expires, in seconds.
const RENEW_BEFORE_S: u64 = VALIDITY_S / 2;
/// Keys are dated back by this much, in seconds: a verifier whose clock is behind drops a user id
/// from the future, and says nothing.
const BACKDATE_S: u64 = 300;

/// A key with its secret and what is known of its validity.
pub(super) struct Certificate {
    key: SignedSecretKey,
    fingerprint: KeyFingerprint,
    principal: PrincipalId,
    created_s: u64,
    expires_s: u64,
    may_sign: bool,
    /// Signs nothing new. Known to the owner alone: in OpenPGP's own terms the key stays valid.
    pub(super) retired: bool,
}

/// Never shows the secret.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.info().fmt(f)
    }
}

impl Certificate {
    /// Makes a key.
    pub(super) fn generate(principal: &PrincipalId, now_ms: UnixMillis) -> PgpResult<Self> {
        let created = timestamp((now_ms / 1000).saturating_sub(BACKDATE_S));
        let kind = KeyType::Ed25519Legacy;
        let (public, secret) = kind.generate(OsRng)?;
        let inner = PubKeyInner::new(KeyVersion::V4, kind.to_alg(), created, None, public)?;
        let key = SecretKey::new(PublicKey::from_inner(inner)?, secret)?;
        let expires_s = now_ms / 1000 + VALIDITY_S;
        let user = self_signed(&key, &identity_of(principal), created, expires_s)?;
        Self::of(assemble(key, user, vec![]))
    }

    /// Reads a key as [`Certificate::to_bytes`] wrote it and checks everything it says of itself.
    pub(super) fn from_bytes(bytes: &[u8]) -> PgpResult<Self> {
        let key = SignedSecretKey::from_bytes(bytes)?;
        key.verify_bindings()?;
        Self::of(key)
    }

    fn of(key: SignedSecretKey) -> PgpResult<Self> {
        let (user, signature) = newest_self_signature(&key)?;
        let principal = principal_of_user(user).ok_or_else(|| invalid("its user id is no principal's"))?;
        let created_s = u64::from(key.created_at().as_secs());
        let lifetime = signature.key_expiration_time().ok_or_else(|| invalid("it never expires"))?;
        let fingerprint = fingerprint_of(&key.primary_key)?;
        let may_sign = signature.key_flags().sign();
        let expires_s = created_s + u64::from(lifetime.as_secs());
        Ok(Self { key, fingerprint, principal, created_s, expires_s, may_sign, retired: false })
    }

    /// The whole key with its secret, for its file.
    pub(super) fn to_bytes(&self) -> PgpResult<Zeroizing<Vec<u8>>> {
        self.key.to_bytes().map(Zeroizing::new)
    }

    pub(super) fn fingerprint(&self) -> &KeyFingerprint {
        &self.fingerprint
    }

    pub(super) fn principal(&self) -> &PrincipalId {
        &self.principal
    }

    pub(super) fn created_s(&self) -> u64 {
        self.created_s
    }

    pub(super) fn expires_s(&self) -> u64 {
        self.expires_s
    }

    pub(super) fn may_sign(&self) -> bool {
        self.may_sign
    }

    pub(super) fn state(&self) -> KeyState {
        match (self.key.details.revocation_signatures.is_empty(), self.retired) {
            (false, _) => KeyState::Revoked,
            (true, true) => KeyState::Retired,
            (true, false) => KeyState::Active,
        }
    }

    pub(super) fn renew_due(&self, now_ms: UnixMillis) -> bool {
        self.state() == KeyState::Active && self.expires_s <= now_ms / 1000 + RENEW_BEFORE_S
    }

    pub(super) fn info(&self) -> KeyInfo {
        KeyInfo {
            fingerprint: self.fingerprint.clone(),
            principal: self.principal.clone(),
            created_ms: self.created_s * 1000,
            expires_ms: self.expires_s * 1000,
            state: self.state(),
        }
    }

    /// The part that may be given away.
    pub(super) fn public(&self) -> SignedPublicKey {
        self.key.to_public_key()
    }

    /// The public key that verifies what this key signed.
    pub(super) fn verifying_key(&self) -> &PublicKey {
        self.key.primary_key.public_key()
    }

    /// A detached signature over `payload`, dated by `now_ms`.
    pub(super) fn sign(&self, payload: &[u8], now_ms: UnixMillis) -> PgpResult<DetachedSignature> {
        let key = &self.key.primary_key;
        let mut config = SignatureConfig::v4(SignatureType::Binary, key.algorithm(), HashAlgorithm::Sha256);
        config.hashed_subpackets = vec![
            subpacket(SubpacketData::IssuerFingerprint(key.fingerprint()))?,
            subpacket(SubpacketData::SignatureCreationTime(timestamp(now_ms / 1000)))?,
        ];
        config.unhashed_subpackets = issuer(key)?;
        Ok(DetachedSignature::new(config.sign(key, &Password::empty(), payload)?))
    }

    /// The same key with a new self-signature and a later expiry.
    pub(super) fn renewed(&self, now_ms: UnixMillis) -> PgpResult<Self> {
        let (_, old) = newest_self_signature(&self.key)?;
        // Verifiers believe the newest self-signature: never date it like the one that it replaces.
        let earliest = old.created().map_or(0, |t| u64::from(t.as_secs()) + 1);
        let signed_at = timestamp(earliest.max(now_ms / 1000));
        let key = self.key.primary_key.clone();
        let user = self_signed(&key, &identity_of(&self.principal), signed_at, now_ms / 1000 + VALIDITY_S)?;
        let renewed = Self::of(assemble(key, user, self.key.details.revocation_signatures.clone()))?;
        Ok(Self { retired: self.retired, ..renewed })
    }

    /// The same key, revoked as compromised.
    pub(super) fn revoked(&self, reason: &str, now_ms: UnixMillis) -> PgpResult<Self> {
        let secret = &self.key.primary_key;
        let mut config =
            SignatureConfig::v4(SignatureType::KeyRevocation, secret.algorithm(), HashAlgorithm::Sha256);
        let reason = Bytes::copy_from_slice(reason.as_bytes());
        config.hashed_subpackets = vec![
            subpacket(SubpacketData::SignatureCreationTime(timestamp(now_ms / 1000)))?,
            subpacket(SubpacketData::IssuerFingerprint(secret.fingerprint()))?,
            subpacket(SubpacketData::RevocationReason(RevocationCode::KeyCompromised, reason))?,
        ];
        config.unhashed_subpackets = issuer(secret)?;
        let revocation = config.sign_key(secret, &Password::empty(), secret.public_key())?;
        let mut key = self.key.clone();
        key.details.revocation_signatures.push(revocation);
        Ok(Self { retired: self.retired, ..Self::of(key)? })
    }
}

/// The fingerprint of a key; version 4 only.
pub(super) fn fingerprint_of(key: &impl pgp::types::KeyDetails) -> PgpResult<KeyFingerprint> {
    let text = format!("{:X}", key.fingerprint());
    KeyFingerprint::new(&text).map_err(|_| invalid("it is not a version 4 key"))
}

fn self_signed(key: &SecretKey, identity: &str, at: Timestamp, expires_s: u64) -> PgpResult<SignedUser> {
    let user = UserId::from_str(PacketHeaderVersion::New, identity)?;
    let lifetime = expires_s.saturating_sub(u64::from(key.created_at().as_secs()));
    let mut flags = KeyFlags::default();
    flags.set_certify(true);
    flags.set_sign(true);
    let hashes = [HashAlgorithm::Sha512, HashAlgorithm::Sha256].into_iter().collect();
    let mut config = SignatureConfig::v4(SignatureType::CertPositive, key.algorithm(), HashAlgorithm::Sha256);
    config.hashed_subpackets = vec![
        subpacket(SubpacketData::SignatureCreationTime(at))?,
        subpacket(SubpacketData::IssuerFingerprint(key.fingerprint()))?,
        subpacket(SubpacketData::KeyFlags(flags))?,
        subpacket(SubpacketData::IsPrimary(true))?,
        subpacket(SubpacketData::PreferredHashAlgorithms(hashes))?,
        subpacket(SubpacketData::KeyExpirationTime(Duration::from_secs(seconds32(lifetime))))?,
    ];
    config.unhashed_subpackets = issuer(key)?;
    let public = key.public_key();
    let signature = config.sign_certification(key, public, &Password::empty(), Tag::UserId, &user)?;
    Ok(user.into_signed(signature))
}

fn assemble(key: SecretKey, user: SignedUser, revocations: Vec<Signature>) -> SignedSecretKey {
    let details = SignedKeyDetails::new(revocations, vec![], vec![user], vec![]);
    SignedSecretKey::new(key, details, vec![], vec![])
}

fn newest_self_signature(key: &SignedSecretKey) -> PgpResult<(&UserId, &Signature)> {
    let signatures = key.details.users.iter().flat_map(|u| u.signatures.iter().map(|s| (&u.id, s)));
    signatures.max_by_key(|(_, s)| s.created()).ok_or_else(|| invalid("it has no signed user id"))
}

fn principal_of_user(user: &UserId) -> Option<PrincipalId> {
    let text = user.as_str()?;
    let email = text.strip_suffix('>')?.rsplit_once('<')?.1;
    principal_of_email(email).filter(|p| identity_of(p) == text)
}

fn issuer(key: &SecretKey) -> PgpResult<Vec<Subpacket>> {
    Ok(vec![subpacket(SubpacketData::IssuerKeyId(key.legacy_key_id()))?])
}

fn subpacket(data: SubpacketData) -> PgpResult<Subpacket> {
    Subpacket::regular(data)
}

fn timestamp(seconds: u64) -> Timestamp {
    Timestamp::from_secs(seconds32(seconds))
}

/// OpenPGP counts in 32 bits, until the year 2106.
fn seconds32(seconds: u64) -> u32 {
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

fn invalid(why: &str) -> pgp::errors::Error {
    pgp::errors::Error::from(std::io::Error::new(std::io::ErrorKind::InvalidData, why.to_owned()))
}
