//! The one canonical MessagePack form of a value, and the strict reading of it.
//!
//! Written: structures as maps with their fields in declared order, integers in their shortest form,
//! no unordered map, no floats. Read: the bytes are scanned first (depth, items of each container,
//! lengths against what is really there, so that nothing is allocated for a lie), then decoded, then
//! encoded again and compared: bytes that another encoder could have written for the same value are
//! refused, since one meaning must have one hash.

use serde::{Serialize, de::DeserializeOwned};

/// The deepest nesting.
pub const MAX_DEPTH: usize = 16;
/// The most items of one array or map.
pub const MAX_ITEMS: usize = 8_192;

/// Why bytes are not a canonical value.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum CanonicalError {
    /// More bytes than allowed.
    #[error("{found} bytes are more than the limit of {limit}")]
    TooLarge {
        /// How many there are.
        found: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// Containers in containers, too deep.
    #[error("nesting is deeper than {MAX_DEPTH}")]
    TooDeep,
    /// A container with too many items.
    #[error("a container of {0} items is larger than {MAX_ITEMS}")]
    TooManyItems(usize),
    /// The bytes end too early, or go on after the value.
    #[error("the bytes end in the middle of a value")]
    Truncated,
    /// There is something after the value.
    #[error("{0} bytes follow the value")]
    Trailing(usize),
    /// A type that no value of ours has: extension, float, a reserved byte.
    #[error("type byte {0:#04x} is not allowed")]
    Type(u8),
    /// The value is not one of the expected type.
    #[error("the value does not fit: {0}")]
    Decode(String),
    /// Another form of a value.
    #[error("the bytes are not the canonical form of their value")]
    NotCanonical,
}

/// The canonical bytes of a value.
///
/// # Panics
/// Never for the types of this crate: they hold nothing that MessagePack cannot say.
pub fn to_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    match rmp_serde::to_vec_named(value) {
        Ok(bytes) => bytes,
        Err(error) => unreachable!("a protocol type must be encodable: {error}"),
    }
}

/// The value of canonical bytes, or why they are none.
///
/// # Errors
/// [`CanonicalError`]; nothing is allocated before sizes are known to be true.
pub fn from_bytes<T: Serialize + DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, CanonicalError> {
    if bytes.len() > limit {
        return Err(CanonicalError::TooLarge { found: bytes.len(), limit });
    }
    scan(bytes)?;
    let value: T = rmp_serde::from_slice(bytes).map_err(|e| CanonicalError::Decode(e.to_string()))?;
    if to_bytes(&value) == bytes { Ok(value) } else { Err(CanonicalError::NotCanonical) }
}

/// What the head of one value says: how many bytes it has itself, and how many values follow in it.
struct Head {
    bytes: usize,
    children: usize,
    container: bool,
}

fn scan(bytes: &[u8]) -> Result<(), CanonicalError> {
    let mut at = 0;
    // Values still to come at each level of nesting; the outermost level holds one.
    let mut open: Vec<usize> = vec![1];
    while let Some(left) = open.last_mut() {
        if *left == 0 {
            open.pop();
            continue;
        }
        *left -= 1;
        let head = head(&bytes[at..])?;
        at += head.bytes;
        if head.container {
            if open.len() > MAX_DEPTH {
                return Err(CanonicalError::TooDeep);
            }
            open.push(head.children);
        }
    }
    match bytes.len() - at {
        0 => Ok(()),
        rest => Err(CanonicalError::Trailing(rest)),
    }
}

fn head(bytes: &[u8]) -> Result<Head, CanonicalError> {
    let first = *bytes.first().ok_or(CanonicalError::Truncated)?;
    let scalar = |len: usize| leaf(bytes, 1, len);
    match first {
        0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => scalar(0),
        0x80..=0x8f => container(bytes, 1, usize::from(first & 0x0f), 2),
        0x90..=0x9f => container(bytes, 1, usize::from(first & 0x0f), 1),
        0xa0..=0xbf => scalar(usize::from(first & 0x1f)),
        0xc4 | 0xd9 => leaf(bytes, 2, length(bytes, 1)?),
        0xc5 | 0xda => leaf(bytes, 3, length(bytes, 2)?),
        0xc6 | 0xdb => leaf(bytes, 5, length(bytes, 4)?),
        0xcc | 0xd0 => scalar(1),
        0xcd | 0xd1 => scalar(2),
        0xce | 0xd2 => scalar(4),
        0xcf | 0xd3 => scalar(8),
        0xdc => container(bytes, 3, length(bytes, 2)?, 1),
        0xdd => container(bytes, 5, length(bytes, 4)?, 1),
        0xde => container(bytes, 3, length(bytes, 2)?, 2),
        0xdf => container(bytes, 5, length(bytes, 4)?, 2),
        other => Err(CanonicalError::Type(other)),
    }
}

/// The big-endian number of `width` bytes after the type byte.
fn length(bytes: &[u8], width: usize) -> Result<usize, CanonicalError> {
    let digits = bytes.get(1..1 + width).ok_or(CanonicalError::Truncated)?;
    Ok(digits.iter().fold(0, |n, b| n << 8 | usize::from(*b)))
}

fn leaf(bytes: &[u8], head: usize, payload: usize) -> Result<Head, CanonicalError> {
    match bytes.len().checked_sub(head) {
        Some(rest) if rest >= payload => Ok(Head { bytes: head + payload, children: 0, container: false }),
        _ => Err(CanonicalError::Truncated),
    }
}

fn container(bytes: &[u8], head: usize, items: usize, values: usize) -> Result<Head, CanonicalError> {
    if items > MAX_ITEMS {
        return Err(CanonicalError::TooManyItems(items));
    }
    // Every item takes at least one byte, so a length that lies is found before anything is read.
    if bytes.len() < head + items * values {
        return Err(CanonicalError::Truncated);
    }
    Ok(Head { bytes: head, children: items * values, container: true })
}
