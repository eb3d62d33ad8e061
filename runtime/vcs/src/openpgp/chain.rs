//! The verdict on every commit of a push: written, committed and signed by the one who pushes, and
//! dated when it was signed. One commit that is not, and the push does not land.

use super::{keyring::seconds_apart, payload};
use foureyes_ports::{
    clock::UnixMillis,
    signer::{MAX_DATE_SKEW_MS, SignatureStatus, Signer, identity_of},
};
use foureyes_protocol::{CommitId, Digest, PrincipalId};
use std::fmt;

/// A commit as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedCommit {
    /// Its id.
    pub id: CommitId,
    /// The raw object, as `git cat-file commit` prints it.
    pub raw: Vec<u8>,
}

/// What is wrong with a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitFault {
    /// It is not a commit as git writes it.
    Malformed(&'static str),
    /// It has no signature.
    Unsigned,
    /// The signature is not one OpenPGP signature.
    MalformedSignature,
    /// The signature does not belong to it.
    BadSignature,
    /// Signed by a key that is none of ours.
    UnknownKey,
    /// Signed with another principal's key.
    WrongKey {
        /// Whose key it is.
        signer: PrincipalId,
    },
    /// The key has expired.
    ExpiredKey,
    /// The key is revoked.
    RevokedKey,
    /// The signature is made over SHA-1 or another weak hash.
    WeakHash,
    /// The signature is dated outside the time of its key, or in the future.
    TimeConflict,
    /// The key may not sign.
    NotForSigning,
    /// The author is not the one who pushes.
    Author {
        /// What it says.
        found: String,
    },
    /// The committer is not the one who pushes.
    Committer {
        /// What it says.
        found: String,
    },
    /// The signer has no record of having signed it.
    NoRecord,
    /// The committer date is off the moment of signing by more than five minutes.
    Date {
        /// Distance, in seconds.
        seconds_off: u64,
    },
}

impl CommitFault {
    /// A stable name of the reason, for records and tests.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "commit-malformed",
            Self::Unsigned => "commit-unsigned",
            Self::MalformedSignature => "commit-signature-malformed",
            Self::BadSignature => "commit-signature-bad",
            Self::UnknownKey => "commit-key-unknown",
            Self::WrongKey { .. } => "commit-key-of-another",
            Self::ExpiredKey => "commit-key-expired",
            Self::RevokedKey => "commit-key-revoked",
            Self::WeakHash => "commit-signature-weak-hash",
            Self::TimeConflict => "commit-signature-time",
            Self::NotForSigning => "commit-key-not-for-signing",
            Self::Author { .. } => "commit-author",
            Self::Committer { .. } => "commit-committer",
            Self::NoRecord => "commit-signing-unrecorded",
            Self::Date { .. } => "commit-date",
        }
    }

    /// Whether an honest mistake explains it poorly: someone signed or wrote in another's name.
    pub fn is_incident(&self) -> bool {
        matches!(self, Self::WrongKey { .. } | Self::BadSignature | Self::RevokedKey)
    }
}

impl fmt::Display for CommitFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "is not a commit as git writes it: {why}"),
            Self::Unsigned => f.write_str("is not signed; `git commit --amend --no-edit -S` signs it"),
            Self::MalformedSignature => f.write_str("carries something that is not one OpenPGP signature"),
            Self::BadSignature => f.write_str("carries a signature that does not belong to it"),
            Self::UnknownKey => f.write_str("is signed by an unknown key"),
            Self::WrongKey { signer } => write!(f, "is signed with the key of {signer}"),
            Self::ExpiredKey => f.write_str("is signed by an expired key"),
            Self::RevokedKey => f.write_str("is signed by a revoked key"),
            Self::WeakHash => f.write_str("is signed over a weak hash such as SHA-1"),
            Self::TimeConflict => f.write_str("is signed outside the lifetime of its key"),
            Self::NotForSigning => f.write_str("is signed by a key that may not sign"),
            Self::Author { found } => write!(f, "is written by {found:?}, not by the one who pushes"),
            Self::Committer { found } => write!(f, "is committed by {found:?}, not by the one who pushes"),
            Self::NoRecord => f.write_str("is signed, but the signer has no record of it; commit again"),
            Self::Date { seconds_off } => {
                write!(f, "is dated {seconds_off} s off the moment of signing, at most 300 are allowed")
            }
        }
    }
}

/// Judges the new commits of a push by `pusher`, arrived at `now_ms`: one verdict a commit, in the
/// order given, each with the first fault found.
pub fn verify_commit_chain(
    signer: &dyn Signer,
    pusher: &PrincipalId,
    commits: &[ReceivedCommit],
    now_ms: UnixMillis,
) -> Vec<(CommitId, Result<(), CommitFault>)> {
    let judge = |c: &ReceivedCommit| (c.id.clone(), verify_commit(signer, pusher, &c.raw, now_ms));
    commits.iter().map(judge).collect()
}

fn verify_commit(
    signer: &dyn Signer,
    pusher: &PrincipalId,
    raw: &[u8],
    now_ms: UnixMillis,
) -> Result<(), CommitFault> {
    let (signed, signature) = payload::split_signature(raw).map_err(CommitFault::Malformed)?;
    let signature = signature.ok_or(CommitFault::Unsigned)?;
    let commit = payload::parse_commit(&signed).map_err(CommitFault::Malformed)?;
    check_signature(signer, pusher, &signed, &signature, now_ms)?;
    let expected = identity_of(pusher);
    if commit.author.identity != expected {
        return Err(CommitFault::Author { found: commit.author.identity.to_owned() });
    }
    if commit.committer.identity != expected {
        return Err(CommitFault::Committer { found: commit.committer.identity.to_owned() });
    }
    let signing = signer.signed_at(&Digest::of(&signed)).ok_or(CommitFault::NoRecord)?;
    let seconds_off = seconds_apart(commit.committer.seconds, signing.signed_at_ms);
    if seconds_off > MAX_DATE_SKEW_MS / 1000 { Err(CommitFault::Date { seconds_off }) } else { Ok(()) }
}

fn check_signature(
    signer: &dyn Signer,
    pusher: &PrincipalId,
    payload: &[u8],
    signature: &str,
    now_ms: UnixMillis,
) -> Result<(), CommitFault> {
    let seen = signer.verify(payload, signature.as_bytes(), now_ms);
    match (seen.status, seen.principal) {
        (SignatureStatus::UnknownKey, _) => Err(CommitFault::UnknownKey),
        (SignatureStatus::Malformed, _) => Err(CommitFault::MalformedSignature),
        (SignatureStatus::Bad, _) => Err(CommitFault::BadSignature),
        (SignatureStatus::WeakHash, _) => Err(CommitFault::WeakHash),
        (SignatureStatus::Expired, _) => Err(CommitFault::ExpiredKey),
        (SignatureStatus::Revoked, _) => Err(CommitFault::RevokedKey),
        (SignatureStatus::TimeConflict, _) => Err(CommitFault::TimeConflict),
        (SignatureStatus::NotForSigning, _) => Err(CommitFault::NotForSigning),
        (SignatureStatus::Good, Some(principal)) if principal == *pusher => Ok(()),
        (SignatureStatus::Good, Some(signer)) => Err(CommitFault::WrongKey { signer }),
        (SignatureStatus::Good, None) => Err(CommitFault::UnknownKey),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foureyes_ports::signer::FakeSigner;

    const NOW: u64 = 1_800_000_000_000;

    fn judge(author: &str, committer: &str, seconds: u64) -> Result<(), &'static str> {
        let (signer, dev) = (FakeSigner::default(), PrincipalId::new("dev-a").unwrap());
        signer.ensure_key(&dev, NOW).unwrap();
        let tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        let line = |who: &str| format!("{who} <{who}@agents.invalid> {seconds} +0000");
        let head = format!("tree {tree}\nauthor {}\ncommitter {}\n", line(author), line(committer));
        let armor = signer.sign_commit(&dev, format!("{head}\nx\n").as_bytes(), NOW).unwrap().armor;
        let raw = format!("{head}gpgsig {armor}\n\nx\n").into_bytes();
        let commit = ReceivedCommit { id: CommitId::new(tree).unwrap(), raw };
        let mut verdicts = verify_commit_chain(&signer, &dev, &[commit], NOW);
        verdicts.remove(0).1.map_err(|fault| fault.code())
    }

    #[test]
    fn a_valid_signature_does_not_excuse_another_s_name_or_another_date() {
        let table = [
            ("dev-a", "dev-a", NOW / 1000, Ok(())),
            ("dev-a", "dev-a", NOW / 1000 - 300, Ok(())),
            ("dev-a", "dev-a", NOW / 1000 - 301, Err("commit-date")),
            ("dev-a", "dev-a", 0, Err("commit-date")),
            ("dev-a", "dev-a", 4_070_908_800, Err("commit-date")),
            ("dev-b", "dev-a", NOW / 1000, Err("commit-author")),
            ("dev-a", "dev-b", NOW / 1000, Err("commit-committer")),
        ];
        for (author, committer, seconds, expected) in table {
            assert_eq!(judge(author, committer, seconds), expected, "{author} {committer} {seconds}");
        }
    }

    #[test]
    fn one_unsigned_commit_in_the_middle_is_named() {
        let (signer, dev) = (FakeSigner::default(), PrincipalId::new("dev-a").unwrap());
        let id = CommitId::new(&"a".repeat(40)).unwrap();
        let raw = b"tree x\n\ngpgsig in the message\n".to_vec();
        let verdicts = verify_commit_chain(&signer, &dev, &[ReceivedCommit { id: id.clone(), raw }], NOW);
        assert_eq!(verdicts, [(id, Err(CommitFault::Unsigned))]);
    }
}
