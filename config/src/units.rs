//! Amounts with their units, as people write them: `5 min`, `4 GiB`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

/// A text that is not an amount with its unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAmount {
    /// No number with a known unit.
    #[error("{text:?} is not {what}: expected a whole number and a unit, such as {example:?}")]
    Form {
        /// What was expected: `a duration` or `a size`.
        what: &'static str,
        /// The text as given.
        text: String,
        /// A valid one.
        example: &'static str,
    },
    /// Larger than 64 bits of the smallest unit hold.
    #[error("{text:?} is too large")]
    TooLarge {
        /// The text as given.
        text: String,
    },
}

/// A length of time in milliseconds. Written as a whole number and a unit: `250 ms`, `30 s`,
/// `5 min` (or `5m`), `4 h`, `7 days`, `2 years` (of 365 days).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Millis(pub u64);

/// A number of bytes. Written as a whole number and a unit: `512 B`, `64 KiB`, `16 MiB`, `4 GiB`
/// (powers of 1024) or `kB`, `MB`, `GB` (powers of 1000).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bytes(pub u64);

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const YEAR: u64 = 365 * DAY;

/// Units of time with their length in milliseconds. The first spelling of each length is the one
/// that is written; lengths fall.
const TIME_UNITS: &[(&str, u64)] = &[
    ("years", YEAR),
    ("year", YEAR),
    ("days", DAY),
    ("day", DAY),
    ("d", DAY),
    ("h", HOUR),
    ("hours", HOUR),
    ("hour", HOUR),
    ("min", MINUTE),
    ("m", MINUTE),
    ("minutes", MINUTE),
    ("minute", MINUTE),
    ("s", SECOND),
    ("sec", SECOND),
    ("seconds", SECOND),
    ("second", SECOND),
    ("ms", 1),
];

/// Units of size with their length in bytes, in the same order.
const SIZE_UNITS: &[(&str, u64)] = &[
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1000),
    ("B", 1),
];

/// The amount in the smallest unit; `None` where the form is wrong, `Some(None)` on overflow.
fn parse_amount(text: &str, units: &[(&str, u64)]) -> Option<Option<u64>> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    if number.is_empty() {
        return None;
    }
    Some(number.parse::<u64>().ok().and_then(|n| n.checked_mul(*factor)))
}

/// The amount in the largest unit that divides it, in the plural or without one: `24 h`, not `1 days`.
fn write_amount(amount: u64, units: &[(&str, u64)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let plural = |name: &str| matches!(name, "days" | "years");
    let fits = |name: &str, factor: u64| match amount {
        0 => factor == 1,
        _ => amount.is_multiple_of(factor) && !(amount == factor && plural(name)),
    };
    let written = |(name, _): &&(&str, u64)| !matches!(*name, "day" | "year" | "d");
    match units.iter().filter(written).find(|(name, factor)| fits(name, *factor)) {
        Some((name, factor)) => f.pad(&format!("{} {name}", amount / factor)),
        None => f.pad(&amount.to_string()),
    }
}

impl Millis {
    /// Milliseconds.
    pub const fn ms(n: u64) -> Self {
        Self(n)
    }
    /// Seconds.
    pub const fn seconds(n: u64) -> Self {
        Self(n * SECOND)
    }
    /// Minutes.
    pub const fn minutes(n: u64) -> Self {
        Self(n * MINUTE)
    }
    /// Hours.
    pub const fn hours(n: u64) -> Self {
        Self(n * HOUR)
    }
    /// Days of 24 hours.
    pub const fn days(n: u64) -> Self {
        Self(n * DAY)
    }
    /// Years of 365 days.
    pub const fn years(n: u64) -> Self {
        Self(n * YEAR)
    }
    /// The number of milliseconds.
    pub const fn as_ms(self) -> u64 {
        self.0
    }
    /// The same as the standard library's type.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl Bytes {
    /// KiB: 1024 bytes.
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }
    /// MiB: 1024 KiB.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }
    /// GiB: 1024 MiB.
    pub const fn gib(n: u64) -> Self {
        Self(n << 30)
    }
    /// The number of bytes.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

macro_rules! amount {
    ($name:ident, $units:ident, $what:literal, $example:literal, $format:literal, $pattern:literal) => {
        impl FromStr for $name {
            type Err = InvalidAmount;
            fn from_str(s: &str) -> Result<Self, InvalidAmount> {
                match parse_amount(s, $units) {
                    Some(Some(n)) => Ok(Self(n)),
                    Some(None) => Err(InvalidAmount::TooLarge { text: s.to_owned() }),
                    None => {
                        Err(InvalidAmount::Form { what: $what, text: s.to_owned(), example: $example })
                    }
                }
            }
        }
        impl TryFrom<String> for $name {
            type Error = InvalidAmount;
            fn try_from(s: String) -> Result<Self, InvalidAmount> {
                s.parse()
            }
        }
        impl From<$name> for String {
            fn from(amount: $name) -> String {
                amount.to_string()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_amount(self.0, $units, f)
            }
        }
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format, "pattern": $pattern })
            }
        }
    };
}

amount!(
    Millis,
    TIME_UNITS,
    "a duration",
    "5 min",
    "foureyes-duration",
    "^\\s*[0-9]+\\s*(ms|s|sec|seconds?|m|min|minutes?|h|hours?|d|days?|years?)\\s*$"
);
amount!(
    Bytes,
    SIZE_UNITS,
    "a size",
    "4 GiB",
    "foureyes-size",
    "^\\s*[0-9]+\\s*(B|kB|KiB|MB|MiB|GB|GiB|TiB)\\s*$"
);

/// Refuses an amount of nothing.
pub(crate) fn positive<T: Default + PartialEq>(amount: &T, _: &()) -> garde::Result {
    match *amount == T::default() {
        true => Err(garde::Error::new("must be more than 0")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        let table: &[(&str, u64)] = &[
            ("250 ms", 250),
            ("60 s", 60_000),
            ("15m", 900_000),
            ("15 min", 900_000),
            (" 4 h ", 14_400_000),
            ("1 hour", 3_600_000),
            ("7 days", 604_800_000),
            ("2 years", 63_072_000_000),
            ("0 s", 0),
        ];
        for (text, ms) in table {
            assert_eq!(text.parse(), Ok(Millis(*ms)), "{text}");
        }
        for text in ["", "5", "min", "5 mins", "-5 s", "1.5 h", "5 M", "1 h 30 min", "5 GiB"] {
            assert!(matches!(text.parse::<Millis>(), Err(InvalidAmount::Form { .. })), "{text}");
        }
        assert!(matches!("99999999999999999 years".parse::<Millis>(), Err(InvalidAmount::TooLarge { .. })));
    }

    #[test]
    fn sizes_tell_powers_of_1024_from_powers_of_1000() {
        let table: &[(&str, u64)] =
            &[("512 B", 512), ("64KiB", 65_536), ("1 MB", 1_000_000), ("4 GiB", 4_294_967_296)];
        for (text, bytes) in table {
            assert_eq!(text.parse(), Ok(Bytes(*bytes)), "{text}");
        }
        assert!("4 G".parse::<Bytes>().is_err());
        assert!("4 gib".parse::<Bytes>().is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(n in any::<u64>()) {
            prop_assert_eq!(Millis(n).to_string().parse(), Ok(Millis(n)));
            prop_assert_eq!(Bytes(n).to_string().parse(), Ok(Bytes(n)));
        }
    }

    #[test]
    fn the_largest_unit_that_fits_is_written() {
        assert_eq!(Millis::minutes(15).to_string(), "15 min");
        assert_eq!(Millis::hours(24).to_string(), "24 h");
        assert_eq!(Millis::days(30).to_string(), "30 days");
        assert_eq!(Millis::years(1).to_string(), "365 days");
        assert_eq!(Bytes::gib(4).to_string(), "4 GiB");
        assert_eq!(Bytes(0).to_string(), "0 B");
    }
}
