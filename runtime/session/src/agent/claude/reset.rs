//! When a limit ends, out of the CLI's words.
//!
//! Forms that are known: `…limit reached|1795721777` (seconds of the epoch), `resets 3pm`,
//! `resets at 15:30 (UTC)`, `resets Nov 27, 3pm`, `resets Nov 27`, `resets in 2h 5m`,
//! `try again in 20 minutes`. Times of day are taken as UTC, which the CLI is started with
//! ([`super::ClaudeLaunch::environment`]); where the text names another zone, nothing is known.

use foureyes_ports::clock::UnixMillis;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// No limit lasts longer; what says so is not believed.
const LONGEST: u64 = 40 * DAY;

/// The end of the limit that a text tells of.
pub(super) fn reset_time(text: &str, now: UnixMillis) -> Option<UnixMillis> {
    let lower = text.to_ascii_lowercase();
    let until = epoch(&lower).or_else(|| spoken(&lower, now))?;
    (until <= now.saturating_add(LONGEST)).then_some(until)
}

fn epoch(text: &str) -> Option<UnixMillis> {
    let digits = |part: &str| part.bytes().take_while(u8::is_ascii_digit).count();
    let part = text.split('|').skip(1).find(|part| matches!(digits(part), 10 | 13))?;
    let number: u64 = part[..digits(part)].parse().ok()?;
    Some(if digits(part) == 10 { number * 1000 } else { number })
}

fn spoken(text: &str, now: UnixMillis) -> Option<UnixMillis> {
    for mark in ["resets in ", "reset in ", "again in ", "retry in "] {
        if let Some(rest) = after(text, mark) {
            return Some(now + span(rest)?);
        }
    }
    let rest =
        ["resets at ", "reset at ", "resets on ", "resets "].iter().find_map(|mark| after(text, mark))?;
    if names_another_zone(rest) {
        return None;
    }
    moment(rest, now)
}

fn after<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    text.find(mark).map(|at| &text[at + mark.len()..])
}

fn names_another_zone(rest: &str) -> bool {
    let zone = after(rest, "(").and_then(|zone| zone.split(')').next());
    zone.is_some_and(|zone| !matches!(zone.trim(), "utc" | "gmt" | "etc/utc"))
}

/// `2h 5m`, `20 minutes`, `1 hour and 3 minutes`, `45s`.
fn span(rest: &str) -> Option<u64> {
    let mut total = 0_u64;
    let mut number = None;
    for word in words(rest) {
        let unit = match word.as_str() {
            "d" | "day" | "days" => DAY,
            "h" | "hr" | "hrs" | "hour" | "hours" => HOUR,
            "m" | "min" | "mins" | "minute" | "minutes" => MINUTE,
            "s" | "sec" | "secs" | "second" | "seconds" => 1000,
            "and" => continue,
            _ => match (word.parse::<u64>(), number) {
                (Ok(value), None) => {
                    number = Some(value);
                    continue;
                }
                _ => break,
            },
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    (total > 0).then_some(total)
}

/// `3pm`, `3:30 pm`, `15:30`, each with a date before it or not, or a date alone.
fn moment(rest: &str, now: UnixMillis) -> Option<UnixMillis> {
    let words = words(rest);
    let mut words = words.iter().map(String::as_str).filter(|word| *word != "at").peekable();
    let month = words.peek().and_then(|word| month(word));
    let date = match month {
        Some(month) => {
            words.next();
            Some((month, words.next()?.parse().ok().filter(|day| (1..=31).contains(day))?))
        }
        None => None,
    };
    let words: Vec<&str> = words.take(4).collect();
    match (date, time_of_day(&words)) {
        (Some((month, day)), time) => dated(month, day, time.unwrap_or(0), now),
        (None, Some(time)) => {
            let today = now - now % DAY + time;
            Some(if today < now { today + DAY } else { today })
        }
        (None, None) => None,
    }
}

/// The date of this year, or of the next where it has long passed.
fn dated(month: u64, day: u64, time: u64, now: UnixMillis) -> Option<UnixMillis> {
    let this = year_of(now / DAY);
    (this..=this + 1).map(|year| day_number(year, month, day) * DAY + time).find(|until| until + DAY > now)
}

/// Milliseconds since midnight; words such as `3 : 30 pm`.
fn time_of_day(words: &[&str]) -> Option<u64> {
    let hour: u64 = words.first()?.parse().ok()?;
    let (minute, rest) = match words.get(1..) {
        Some([":", minute, rest @ ..]) => (minute.parse::<u64>().ok()?, rest),
        Some(rest) => (0, rest),
        None => (0, &[][..]),
    };
    let hour = match rest.first() {
        Some(&"am") => hour % 12,
        Some(&"pm") => hour % 12 + 12,
        _ if words.get(1) == Some(&":") => hour,
        _ => return None,
    };
    (hour < 24 && minute < 60).then_some(hour * HOUR + minute * MINUTE)
}

fn month(word: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let at = MONTHS.iter().position(|month| word.starts_with(month))?;
    u64::try_from(at + 1).ok()
}

/// Runs of digits, runs of letters and colons; the rest parts them. At most 12.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut kind = ' ';
    for c in text.chars().take(80) {
        let now = match c {
            '0'..='9' => '0',
            ':' => ':',
            c if c.is_alphabetic() => 'a',
            _ => ' ',
        };
        match words.last_mut() {
            Some(word) if now == kind && now != ' ' => word.push(c),
            _ if now != ' ' => words.push(c.to_string()),
            _ => {}
        }
        kind = now;
    }
    words.truncate(12);
    words
}

/// Days since 1970-01-01 of a date of the Gregorian calendar (Howard Hinnant's `days_from_civil`).
fn day_number(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn year_of(day: u64) -> u64 {
    let guess = 1970 + day / 366;
    (guess..guess + 3).rev().find(|year| day_number(*year, 1, 1) <= day).unwrap_or(guess)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2026-11-26 17:30 UTC.
    const NOW: u64 = 1_795_714_200_000;
    const MIDNIGHT: u64 = NOW - NOW % DAY;

    #[test]
    fn times_in_words() {
        let at = |days: u64, hours: u64, minutes: u64| {
            Some(MIDNIGHT + days * DAY + hours * HOUR + minutes * MINUTE)
        };
        let cases = [
            ("Claude AI usage limit reached|1795721777", Some(1_795_721_777_000)),
            ("API Error: 429 · Claude AI usage limit reached|1795721777000.", Some(1_795_721_777_000)),
            ("You've hit your session limit · resets 9pm", at(0, 21, 0)),
            ("You've hit your session limit · resets 3pm (UTC)", at(1, 15, 0)),
            ("5-hour limit reached ∙ resets 12am", at(1, 0, 0)),
            ("5-hour limit reached ∙ resets 12:05 PM", at(1, 12, 5)),
            ("Your limit will reset at 7:45pm (Etc/UTC).", at(0, 19, 45)),
            ("resets at 23:15", at(0, 23, 15)),
            ("Weekly limit reached ∙ resets Nov 28, 5pm", at(2, 17, 0)),
            ("resets Nov 28 at 5:30am (UTC)", at(2, 5, 30)),
            ("resets Dec 1", at(5, 0, 0)),
            ("resets Jan 2, 1am", at(37, 1, 0)),
            ("resets in 2h 5m", Some(NOW + 2 * HOUR + 5 * MINUTE)),
            ("try again in 1 hour and 20 minutes.", Some(NOW + HOUR + 20 * MINUTE)),
            ("retry in 45s", Some(NOW + 45_000)),
            ("resets 3pm (America/New_York)", None),
            ("resets Mar 3, 5pm", None),
            ("limit reached|17957217770000000000", None),
            ("limit reached|4000000000", None),
            ("resets soon", None),
            ("resets 25:00", None),
            ("resets 7", None),
            ("resets Nov 45, 5pm", None),
            ("resets in a while", None),
            ("resets in 99999999999999999999 days", None),
            ("This request would exceed your account's rate limit", None),
            ("", None),
        ];
        for (text, until) in cases {
            assert_eq!(reset_time(text, NOW), until, "{text:?}");
        }
    }

    #[test]
    fn the_calendar() {
        for (date, days) in [((1970, 1, 1), 0), ((2000, 2, 29), 11_016), ((2026, 11, 26), 20_783)] {
            assert_eq!(day_number(date.0, date.1, date.2), days, "{date:?}");
            assert_eq!(year_of(days), date.0);
        }
        assert_eq!((year_of(20_453), year_of(20_454)), (2025, 2026));
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "(resets |resets in |at |\\|)?[0-9a-z:,() ]{0,40}", now in 0..4_000_000_000_000_u64) {
            if let Some(until) = reset_time(&text, now) {
                prop_assert!(until <= now + LONGEST);
            }
        }
    }
}
