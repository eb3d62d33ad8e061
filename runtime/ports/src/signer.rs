//! The signer: it alone holds the roles' OpenPGP keys and the gate key, signs for whoever the
//! caller has identified, and judges signatures.
//!
//! Every method blocks for well under a millisecond, except those that make or change a key: they
//! write a file durably. Whether a role *may* sign now (open assignment, no freeze, rate) is asked
//! before, elsewhere; the signer refuses what it can see in the payload itself.

mod fake;

pub use fake::FakeSigner;

use crate::clock::UnixMillis;
use foureyes_protocol::{Digest, PrincipalId, ids::InvalidName};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The domain of every role's e-mail address: reserved, so no mail can ever reach anyone (RFC 2606).
pub const IDENTITY_DOMAIN: &str = "agents.invalid";

/// How far a committer date may lie from the moment of signing, in milliseconds.
pub const MAX_DATE_SKEW_MS: u64 = 5 * 60 * 1000;

/// The largest payload that is signed or verified, in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 20 * 1024 * 1024;

/// The git identity of a principal, `dev-a <dev-a@agents.invalid>`: author and committer of its
/// commits and user id of its key.
pub fn identity_of(principal: &PrincipalId) -> String {
    format!("{principal} <{}>", email_of(principal))
}

/// The e-mail part of [`identity_of`].
pub fn email_of(principal: &PrincipalId) -> String {
    format!("{principal}@{IDENTITY_DOMAIN}")
}

/// The principal whose [`email_of`] this is; `None` for any other address.
pub fn principal_of_email(email: &str) -> Option<PrincipalId> {
    let name = email.strip_suffix(IDENTITY_DOMAIN)?.strip_suffix('@')?;
    PrincipalId::new(name).ok()
}

/// The fingerprint of a version 4 OpenPGP key: 40 upper-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyFingerprint(String);

impl KeyFingerprint {
    /// The fingerprint, checked; lower case is turned to upper.
    ///
    /// # Errors
    /// [`InvalidName`] unless it is 40 hexadecimal digits. Short key ids are refused on purpose.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        if text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(Self(text.to_ascii_uppercase()));
        }
        let rule = "40 hexadecimal digits";
        Err(InvalidName { what: "key fingerprint", text: text.to_owned(), rule })
    }

    /// The fingerprint as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last 16 digits, which gpg calls the long key id.
    pub fn key_id(&self) -> &str {
        &self.0[24..]
    }
}

impl TryFrom<String> for KeyFingerprint {
    type Error = InvalidName;
    fn try_from(s: String) -> Result<Self, InvalidName> {
        Self::new(&s)
    }
}
impl From<KeyFingerprint> for String {
    fn from(f: KeyFingerprint) -> String {
        f.0
    }
}
impl FromStr for KeyFingerprint {
    type Err = InvalidName;
    fn from_str(s: &str) -> Result<Self, InvalidName> {
        Self::new(s)
    }
}
impl fmt::Display for KeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
impl fmt::Debug for KeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// What a key may still do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Signs and is believed.
    Active,
    /// Signs nothing new; what it signed stays good.
    Retired,
    /// Nothing that it signed is believed any more, whenever it was signed.
    Revoked,
}

/// One key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// Its fingerprint.
    pub fingerprint: KeyFingerprint,
    /// Whose it is; `system` for the gate key.
    pub principal: PrincipalId,
    /// When it was made (a little backdated, for verifiers whose clock is behind).
    pub created_ms: UnixMillis,
    /// When it expires unless renewed.
    pub expires_ms: UnixMillis,
    /// What it may still do.
    pub state: KeyState,
}

/// That a key signed a payload at a moment: the ledger keeps it, the receiver of a push asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signing {
    /// For whom was signed.
    pub principal: PrincipalId,
    /// With which key.
    pub fingerprint: KeyFingerprint,
    /// The digest of the payload (the object without its signature header).
    pub payload: Digest,
    /// By the signer's own clock.
    pub signed_at_ms: UnixMillis,
}

/// A signature just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedPayload {
    /// The detached signature, ASCII-armoured.
    pub armor: String,
    /// What to write into the ledger before the signature is handed out.
    pub signing: Signing,
}

/// Why a payload was not signed. Nothing was signed or remembered.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum SignRefusal {
    /// The payload is not a commit object (nor a tag, where tags are signed).
    #[error("the payload is not {wanted} object: {why}")]
    Malformed {
        /// `a commit` or `a tag`.
        wanted: &'static str,
        /// The first thing that is wrong with it.
        why: &'static str,
    },
    /// The payload is larger than [`MAX_PAYLOAD_BYTES`].
    #[error("the payload has {bytes} bytes, more than the {MAX_PAYLOAD_BYTES} that are signed")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The author is someone else.
    #[error("the author is {found:?}, not {wanted:?}; unset GIT_AUTHOR_* and --author, then commit again")]
    Author {
        /// What the payload says.
        found: String,
        /// What it must say.
        wanted: String,
    },
    /// The committer (of a tag: the tagger) is someone else.
    #[error("the committer is {found:?}, not {wanted:?}; unset GIT_COMMITTER_*, then commit again")]
    Committer {
        /// What the payload says.
        found: String,
        /// What it must say.
        wanted: String,
    },
    /// The committer date is not the present.
    #[error(
        "the committer date is {seconds_off} s off the clock, at most 300 are allowed; unset GIT_COMMITTER_DATE"
    )]
    Date {
        /// Distance from the signer's clock, in seconds.
        seconds_off: u64,
    },
    /// The principal has no key that may sign.
    #[error("{0} has no key that may sign")]
    NoKey(PrincipalId),
    /// The principal's key has expired.
    #[error("the key of {0} has expired; `agents keys renew` mends it")]
    Expired(PrincipalId),
    /// `user` and `system` do not sign as roles.
    #[error("{0} is not a role and signs no commits of its own")]
    NotARole(PrincipalId),
    /// The signature could not be computed.
    #[error("signing failed: {0}")]
    Failed(String),
}

impl SignRefusal {
    /// A stable name of the reason, for records and tests.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "sign-malformed",
            Self::TooLarge { .. } => "sign-too-large",
            Self::Author { .. } => "sign-author",
            Self::Committer { .. } => "sign-committer",
            Self::Date { .. } => "sign-date",
            Self::NoKey(_) => "sign-no-key",
            Self::Expired(_) => "sign-key-expired",
            Self::NotARole(_) => "sign-not-a-role",
            Self::Failed(_) => "sign-failed",
        }
    }
}

/// Why a key could not be made, read, changed or exported.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// The key directory cannot be used as it is.
    #[error("{path}: {why}")]
    Store {
        /// The file or directory.
        path: String,
        /// What is wrong and what mends it.
        why: String,
    },
    /// The principal has no key in the state that is needed.
    #[error("{0} has no active key")]
    NoKey(PrincipalId),
    /// There is no key of this fingerprint.
    #[error("no key {0} is known here")]
    Unknown(KeyFingerprint),
    /// OpenPGP itself failed.
    #[error("OpenPGP: {0}")]
    OpenPgp(String),
}

/// What a signature is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureStatus {
    /// Right, by a known key that was valid at the moment asked about.
    Good,
    /// It does not belong to this payload.
    Bad,
    /// The key (or the signature itself) had expired at the moment asked about.
    Expired,
    /// The key is revoked.
    Revoked,
    /// The key is not one of ours.
    UnknownKey,
    /// Made over a hash that is no longer safe (anything below SHA-256).
    WeakHash,
    /// Dated before its key was made or more than five minutes in the future.
    TimeConflict,
    /// The key is not allowed to sign.
    NotForSigning,
    /// Not a detached OpenPGP signature of the binary kind, or more than one.
    Malformed,
}

/// The judgement of one signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// What it is worth.
    pub status: SignatureStatus,
    /// The key that it names, when it names one.
    pub fingerprint: Option<KeyFingerprint>,
    /// Whose key that is, when it is one of ours (also when the status is not good).
    pub principal: Option<PrincipalId>,
    /// When it says it was made, in milliseconds (whole seconds).
    pub created_ms: Option<UnixMillis>,
}

/// The public keys, for a stock gpg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedRing {
    /// Every public key ever used (revoked ones with their revocation), for `gpg --import`.
    pub armor: String,
    /// For `gpg --import-ownertrust`: lines `FINGERPRINT:6:` of the keys that are not revoked.
    pub ownertrust: String,
}

/// Holds the keys. Implementations are safe to call from any thread.
pub trait Signer: Send + Sync {
    /// The active key of `principal` (`system`: the gate key); made durably when there is none.
    ///
    /// # Errors
    /// [`KeyError`] when the key cannot be made or kept.
    fn ensure_key(&self, principal: &PrincipalId, now_ms: UnixMillis) -> Result<KeyInfo, KeyError>;

    /// Every key ever made, the newest of a principal last.
    fn keys(&self) -> Vec<KeyInfo>;

    /// Signs a commit object of which author and committer are exactly [`identity_of`] the role
    /// and whose committer date is within [`MAX_DATE_SKEW_MS`] of `now_ms`.
    ///
    /// # Errors
    /// [`SignRefusal`], with a distinct code for each reason.
    fn sign_commit(
        &self,
        role: &PrincipalId,
        payload: &[u8],
        now_ms: UnixMillis,
    ) -> Result<SignedPayload, SignRefusal>;

    /// Signs an annotated tag whose tagger is exactly the role, under the same rules.
    ///
    /// # Errors
    /// [`SignRefusal`], with a distinct code for each reason.
    fn sign_tag(
        &self,
        role: &PrincipalId,
        payload: &[u8],
        now_ms: UnixMillis,
    ) -> Result<SignedPayload, SignRefusal>;

    /// Signs with the gate key, which means *passed the gates*. The committer must be `system`; the
    /// author may be a role (a squashed change keeps its author).
    ///
    /// # Errors
    /// [`SignRefusal`], with a distinct code for each reason.
    fn sign_gate(&self, payload: &[u8], now_ms: UnixMillis) -> Result<SignedPayload, SignRefusal>;

    /// Judges a detached signature as of `at_ms`: the present for what arrives now, the recorded
    /// moment of signing for history, so that expiry does not condemn old commits.
    fn verify(&self, payload: &[u8], armored_signature: &[u8], at_ms: UnixMillis) -> Verification;

    /// When a payload was signed here, by its digest; the latest if more than once.
    fn signed_at(&self, payload: &Digest) -> Option<Signing>;

    /// Puts back a signing read from the ledger at start.
    fn remember(&self, signing: Signing);

    /// Forgets signings before this moment: their commits can no longer be pushed.
    fn forget_before(&self, ms: UnixMillis);

    /// The active keys that are at least a year into their validity.
    fn renew_due(&self, now_ms: UnixMillis) -> Vec<KeyInfo>;

    /// Moves the expiry of the principal's active key to two years from now; the key stays the same.
    ///
    /// # Errors
    /// [`KeyError`] when there is no active key or it cannot be kept.
    fn renew(&self, principal: &PrincipalId, now_ms: UnixMillis) -> Result<KeyInfo, KeyError>;

    /// Retires the principal's active key: it signs nothing new, what it signed stays good.
    ///
    /// # Errors
    /// [`KeyError`] when there is no active key or it cannot be kept.
    fn retire(&self, principal: &PrincipalId) -> Result<KeyInfo, KeyError>;

    /// Revokes a key as compromised. Final; the next [`Signer::ensure_key`] makes another.
    ///
    /// # Errors
    /// [`KeyError`] when there is no such key or it cannot be kept.
    fn revoke(&self, key: &KeyFingerprint, reason: &str, now_ms: UnixMillis) -> Result<KeyInfo, KeyError>;

    /// Every public key.
    ///
    /// # Errors
    /// [`KeyError::OpenPgp`] when a key cannot be written.
    fn export_ring(&self) -> Result<ExportedRing, KeyError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_come_back_to_their_principal() {
        let dev = PrincipalId::new("dev-a").unwrap();
        assert_eq!(identity_of(&dev), "dev-a <dev-a@agents.invalid>");
        assert_eq!(principal_of_email(&email_of(&dev)), Some(dev));
        for other in [
            "dev-a@example.org",
            "@agents.invalid",
            "Dev@agents.invalid",
            "agents.invalid",
            "a@x@agents.invalid",
        ] {
            assert_eq!(principal_of_email(other), None, "{other}");
        }
    }
}
