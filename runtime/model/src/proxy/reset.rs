//! When a limit ends, from what an answer tells of it.

use foureyes_ports::clock::UnixMillis;
use hyper::HeaderMap;
use jiff::Timestamp;

/// A later end is taken for nonsense.
const LONGEST: u64 = 35 * 24 * 3600 * 1000;

/// The end that headers tell. The account's own limit comes first, if it is what refused; then
/// `retry-after`; then the latest end among the exhausted ones of the single limits, or among all.
pub(super) fn in_headers(headers: &HeaderMap, now: UnixMillis) -> Option<UnixMillis> {
    unified(headers, now).or_else(|| retry_after(headers, now)).or_else(|| buckets(headers, now))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn unified(headers: &HeaderMap, now: UnixMillis) -> Option<UnixMillis> {
    let status = text(headers, "anthropic-ratelimit-unified-status").unwrap_or("rejected");
    if status != "rejected" {
        return None;
    }
    moment(text(headers, "anthropic-ratelimit-unified-reset")?, now)
}

fn retry_after(headers: &HeaderMap, now: UnixMillis) -> Option<UnixMillis> {
    let value = text(headers, "retry-after")?;
    if let Ok(seconds) = value.parse::<u64>() {
        return sensible(now.checked_add(seconds.checked_mul(1000)?)?, now);
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    sensible(u64::try_from(date.as_millisecond()).ok()?, now)
}

/// `anthropic-ratelimit-<what>-reset` beside `anthropic-ratelimit-<what>-remaining`.
fn buckets(headers: &HeaderMap, now: UnixMillis) -> Option<UnixMillis> {
    let ends: Vec<(bool, UnixMillis)> = headers
        .keys()
        .filter_map(|name| {
            let what = name.as_str().strip_prefix("anthropic-ratelimit-")?.strip_suffix("-reset")?;
            if what.starts_with("unified") {
                return None;
            }
            let remaining = text(headers, &format!("anthropic-ratelimit-{what}-remaining"));
            Some((remaining == Some("0"), moment(text(headers, name.as_str())?, now)?))
        })
        .collect();
    let exhausted = ends.iter().filter(|(exhausted, _)| *exhausted).map(|(_, at)| *at).max();
    exhausted.or_else(|| ends.iter().map(|(_, at)| *at).max())
}

/// Seconds since the epoch, or RFC 3339.
fn moment(value: &str, now: UnixMillis) -> Option<UnixMillis> {
    let at = match value.parse::<u64>() {
        Ok(seconds) => seconds.checked_mul(1000)?,
        Err(_) => u64::try_from(value.parse::<Timestamp>().ok()?.as_millisecond()).ok()?,
    };
    sensible(at, now)
}

/// The end that a text such as `Claude AI usage limit reached|1764200000` tells.
pub(super) fn in_text(text: &str, now: UnixMillis) -> Option<UnixMillis> {
    let (_, rest) = text.split_once("limit reached|")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    moment(digits, now)
}

fn sensible(at: UnixMillis, now: UnixMillis) -> Option<UnixMillis> {
    (at <= now.saturating_add(LONGEST)).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};

    const NOW: UnixMillis = 1_764_200_000_000;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(n, v): &(&str, &str)| {
            (HeaderName::from_bytes(n.as_bytes()).unwrap(), HeaderValue::from_str(v).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn every_way_to_tell_the_end_is_read() {
        let requests = ("anthropic-ratelimit-requests-reset", "2025-11-26T23:33:30Z");
        let tokens = ("anthropic-ratelimit-tokens-reset", "2025-11-26T23:35:00Z");
        let unified = ("anthropic-ratelimit-unified-reset", "1764203600");
        type Case<'a> = (&'a [(&'a str, &'a str)], Option<u64>);
        let table: &[Case] = &[
            (&[], None),
            (&[("retry-after", "30")], Some(30_000)),
            (&[("retry-after", "Wed, 26 Nov 2025 23:34:20 GMT")], Some(60_000)),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "99999999999")], None),
            (&[requests], Some(10_000)),
            (&[requests, tokens], Some(100_000)),
            (&[requests, ("anthropic-ratelimit-requests-remaining", "0"), tokens], Some(10_000)),
            (&[unified], Some(3_600_000)),
            (&[unified, ("retry-after", "30")], Some(3_600_000)),
            (&[unified, ("anthropic-ratelimit-unified-status", "rejected")], Some(3_600_000)),
            (
                &[unified, ("anthropic-ratelimit-unified-status", "allowed"), ("retry-after", "3")],
                Some(3_000),
            ),
            (&[("anthropic-ratelimit-unified-reset", "99999999999999999999")], None),
        ];
        for (pairs, after) in table {
            assert_eq!(in_headers(&headers(pairs), NOW), after.map(|ms| NOW + ms), "{pairs:?}");
        }
    }

    #[test]
    fn a_text_tells_it_too() {
        assert_eq!(in_text("Claude AI usage limit reached|1764203600", NOW), Some(1_764_203_600_000));
        assert_eq!(in_text("x limit reached|1764203600\" and more", NOW), Some(1_764_203_600_000));
        for text in ["limit reached", "limit reached|", "limit reached|later", "limit reached|9999999999999"]
        {
            assert_eq!(in_text(text, NOW), None, "{text}");
        }
    }
}
