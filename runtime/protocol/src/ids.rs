//! Names of principals, receivers, features, messages and commits.

use crate::roster::Family;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, sync::Arc};
use uuid::Uuid;

/// A text that is not a valid name.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("{what} {text:?} is not valid: {rule}")]
pub struct InvalidName {
    /// What was to be named.
    pub what: &'static str,
    /// The text as given.
    pub text: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

const NAME_RULE: &str = "1 to 64 characters of a-z, 0-9 and '-', starting with a letter or digit";

fn valid_name(text: &str) -> bool {
    let first = text.bytes().next();
    text.len() <= 64
        && first.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name, checked.
            ///
            /// # Errors
            /// [`InvalidName`] unless it is 1 to 64 characters of a-z, 0-9 and `-`.
            pub fn new(text: &str) -> Result<Self, InvalidName> {
                if valid_name(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidName { what: $what, text: text.to_owned(), rule: NAME_RULE })
                }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(s: String) -> Result<Self, InvalidName> {
                Self::new(&s)
            }
        }
        impl From<$name> for String {
            fn from(n: $name) -> String {
                n.0.as_ref().to_owned()
            }
        }
        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(s: &str) -> Result<Self, InvalidName> {
                Self::new(s)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

name_type!(
    /// Who acts: a role of the roster (`dev-a`), `user` or `system`.
    PrincipalId,
    "principal"
);
name_type!(
    /// A feature's short name; also the last part of its branch `refs/heads/feature/<id>`.
    FeatureId,
    "feature"
);

impl PrincipalId {
    /// The runtime itself.
    pub fn system() -> Self {
        Self("system".into())
    }

    /// The person.
    pub fn user() -> Self {
        Self("user".into())
    }

    /// Whether this is the runtime itself.
    pub fn is_system(&self) -> bool {
        &*self.0 == "system"
    }

    /// Whether this is the person.
    pub fn is_user(&self) -> bool {
        &*self.0 == "user"
    }
}

impl FeatureId {
    /// The branch that carries the feature in the authoritative repository.
    pub fn branch(&self) -> String {
        format!("refs/heads/feature/{self}")
    }
}

/// The receiver of an envelope. As text: a role's id, `family:<name>`, `all`, `user` or `system`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Address {
    /// One principal (also `user` and `system`).
    One(PrincipalId),
    /// Every role of a family.
    Family(Family),
    /// Every role.
    All,
}

impl Address {
    /// The runtime itself.
    pub fn system() -> Self {
        Self::One(PrincipalId::system())
    }

    /// The person.
    pub fn user() -> Self {
        Self::One(PrincipalId::user())
    }
}

impl From<PrincipalId> for Address {
    fn from(id: PrincipalId) -> Self {
        Self::One(id)
    }
}

impl FromStr for Address {
    type Err = InvalidName;
    fn from_str(s: &str) -> Result<Self, InvalidName> {
        if s == "all" {
            return Ok(Self::All);
        }
        match s.strip_prefix("family:") {
            Some(family) => family.parse().map(Self::Family),
            None => PrincipalId::new(s).map(Self::One),
        }
    }
}

impl TryFrom<String> for Address {
    type Error = InvalidName;
    fn try_from(s: String) -> Result<Self, InvalidName> {
        s.parse()
    }
}

impl From<Address> for String {
    fn from(a: Address) -> String {
        a.to_string()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(id) => id.fmt(f),
            Self::Family(family) => write!(f, "family:{family}"),
            Self::All => f.write_str("all"),
        }
    }
}

/// Names one life of a state directory: chosen at its first start, the same ever after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(pub Uuid);

/// Names one envelope (UUIDv7: sortable by time, for people and for de-duplication; the order
/// that counts is (run, epoch, from, sequence)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageId(pub Uuid);

impl MessageId {
    /// The id made of a time (milliseconds since the Unix epoch) and 10 unpredictable bytes.
    pub fn from_parts(unix_ms: u64, random: [u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid())
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for MessageId {
    type Err = InvalidName;
    fn from_str(s: &str) -> Result<Self, InvalidName> {
        let rule = "a UUID such as 0192e4a0-…";
        Uuid::parse_str(s).map(Self).map_err(|_| InvalidName { what: "message id", text: s.to_owned(), rule })
    }
}

/// A full git object id of a commit or tree (40 hexadecimal digits; 64 in a SHA-256 repository).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitId(Arc<str>);

impl CommitId {
    /// The id, checked.
    ///
    /// # Errors
    /// [`InvalidName`] unless it is 40 or 64 lower-case hexadecimal digits.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        let hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if hex && matches!(text.len(), 40 | 64) {
            return Ok(Self(text.into()));
        }
        let rule = "40 or 64 lower-case hexadecimal digits";
        Err(InvalidName { what: "git object id", text: text.to_owned(), rule })
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 10 digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..10]
    }

    /// Whether it is the id that git uses for "no object".
    pub fn is_zero(&self) -> bool {
        self.0.bytes().all(|b| b == b'0')
    }
}

impl TryFrom<String> for CommitId {
    type Error = InvalidName;
    fn try_from(s: String) -> Result<Self, InvalidName> {
        Self::new(&s)
    }
}
impl From<CommitId> for String {
    fn from(c: CommitId) -> String {
        c.0.as_ref().to_owned()
    }
}
impl FromStr for CommitId {
    type Err = InvalidName;
    fn from_str(s: &str) -> Result<Self, InvalidName> {
        Self::new(s)
    }
}
impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_lower_case_words() {
        for good in ["a", "0", "dev-a", "a-", &"a".repeat(64)] {
            assert_eq!(PrincipalId::new(good).unwrap().as_str(), good);
            assert_eq!(FeatureId::new(good).unwrap().as_str(), good);
        }
        for bad in
            ["", "-a", "A", "a b", "a_b", "a/b", "ä", "a\0", "\u{feff}a", "a\n", "..", "*", &"a".repeat(65)]
        {
            let error = PrincipalId::new(bad).unwrap_err();
            assert_eq!((error.what, error.text.as_str()), ("principal", bad));
            assert!(FeatureId::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn addresses_are_read_as_they_are_written() {
        let dev = PrincipalId::new("dev-a").unwrap();
        for (text, address) in [
            ("all", Address::All),
            ("user", Address::user()),
            ("system", Address::system()),
            ("dev-a", Address::One(dev)),
            ("family:qa", Address::Family(Family::Qa)),
        ] {
            assert_eq!(text.parse::<Address>().unwrap(), address);
            assert_eq!(address.to_string(), text);
        }
        for bad in ["", "*", "family:", "family:user", "family:Qa", "ALL", "dev a"] {
            assert!(bad.parse::<Address>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn object_ids_are_full_and_lower_case() {
        let sha1 = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(CommitId::new(sha1).unwrap().short(), "0123456789");
        assert!(CommitId::new(&"a".repeat(64)).is_ok());
        assert!(CommitId::new(&"0".repeat(40)).unwrap().is_zero());
        assert!(!CommitId::new(sha1).unwrap().is_zero());
        for bad in ["", "HEAD", &sha1.to_uppercase(), &sha1[..39], &"a".repeat(41), &"g".repeat(40)] {
            assert!(CommitId::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn message_ids_sort_by_time_and_are_read_back() {
        let early = MessageId::from_parts(1_000, [255; 10]);
        let late = MessageId::from_parts(1_001, [0; 10]);
        assert!(early < late);
        assert_eq!(early.0.get_version_num(), 7);
        assert_eq!(early.to_string().parse::<MessageId>().unwrap(), early);
        assert!("no".parse::<MessageId>().is_err());
    }

    #[test]
    fn a_feature_names_its_branch() {
        assert_eq!(FeatureId::new("greet").unwrap().branch(), "refs/heads/feature/greet");
    }
}
