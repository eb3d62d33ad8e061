//! SHA-256 digests, the names of everything that is stored by content.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest as _, Sha256};
use std::{fmt, str::FromStr};

/// A SHA-256 digest. In MessagePack it is 32 bytes, in text 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of several parts, each preceded by its length so that no two lists of parts
    /// collide, under a domain name (domain separation).
    pub fn of_parts<'a>(domain: &str, parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = Sha256::new();
        let mut update = |part: &[u8]| {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        };
        update(domain.as_bytes());
        parts.into_iter().for_each(update);
        Self(hasher.finalize().into())
    }

    /// The first 12 hexadecimal digits, for people.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..6])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.short())
    }
}

/// A text that is not a digest.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected 64 hexadecimal digits of a SHA-256 digest, found {0:?}")]
pub struct ParseDigestError(pub String);

impl FromStr for Digest {
    type Err = ParseDigestError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let mut out = [0; 32];
        hex::decode_to_slice(s, &mut out).map_err(|_| ParseDigestError(s.to_owned()))?;
        Ok(Self(out))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(self) } else { s.serialize_bytes(&self.0) }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            return String::deserialize(d)?.parse().map_err(D::Error::custom);
        }
        let bytes = serde_bytes::ByteArray::<32>::deserialize(d)?;
        Ok(Self(bytes.into_array()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_sha_256_and_read_as_it_is_written() {
        let digest = Digest::of(b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.to_string(), text);
        assert_eq!(text.parse::<Digest>().unwrap(), digest);
        assert_eq!(digest.short(), &text[..12]);
        for bad in ["", &text[..62], &format!("{text}00"), &"g".repeat(64)] {
            assert!(bad.parse::<Digest>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn parts_and_domains_do_not_collide() {
        let of = |domain: &str, parts: &[&str]| Digest::of_parts(domain, parts.iter().map(|p| p.as_bytes()));
        let lists: [(&str, &[&str]); 6] = [
            ("d", &["ab", "c"]),
            ("d", &["a", "bc"]),
            ("d", &["abc"]),
            ("d", &["abc", ""]),
            ("d", &[]),
            ("da", &["bc"]),
        ];
        let digests: std::collections::BTreeSet<Digest> = lists.iter().map(|(d, p)| of(d, p)).collect();
        assert_eq!(digests.len(), lists.len());
    }

    #[test]
    fn it_is_bytes_on_the_wire() {
        let bytes = crate::canonical::to_bytes(&Digest::of(b"abc"));
        assert_eq!((bytes.len(), &bytes[..2]), (34, &[0xc4, 32][..]));
        assert_eq!(crate::canonical::from_bytes(&bytes, 34), Ok(Digest::of(b"abc")));
        assert!(crate::canonical::from_bytes::<Digest>(&[&[0xc4, 31][..], &[0; 31]].concat(), 40).is_err());
    }
}
