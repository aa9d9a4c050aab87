//! When a line of a log was written.

use cofferdam_plugin::serde_json::{Map, Value};

/// Numbers above are milliseconds since 1970, those below are seconds.
const SECONDS_MAX: f64 = 1e11;

/// The time of a JSON line.
pub(crate) fn of_members(members: &Map<String, Value>) -> Option<u64> {
    let keys = ["time", "timestamp", "@timestamp", "ts", "date", "startsAt"];
    keys.iter().find_map(|&key| match members.get(key)? {
        Value::String(text) => of_text(text),
        Value::Number(number) => {
            let number = number.as_f64()?;
            let ms = if number < SECONDS_MAX { number * 1000.0 } else { number };
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, and the range is checked")]
            (0.0..4e12).contains(&ms).then_some(ms as u64)
        }
        _ => None,
    })
}

/// The time at the beginning of a text or of its first bracket: as ISO 8601 and RFC 3339 write it (also with slashes, a space or a comma), or
/// `28/Jul/2026:09:30:00 +0000`.
pub(crate) fn of_text(text: &str) -> Option<u64> {
    let bracket = text.find('[').and_then(|at| text.get(at + 1..));
    [Some(text), bracket].into_iter().flatten().find_map(|text| {
        let mut reader = Reader(text.as_bytes());
        reader.iso().or_else(|| Reader(text.as_bytes()).common())
    })
}

/// What is left of a text.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    /// `2026-07-28T09:30:00.123+02:00`
    fn iso(&mut self) -> Option<u64> {
        let year = self.number(4)?;
        self.one_of(b"-/")?;
        let month = self.number(2)?;
        self.one_of(b"-/")?;
        let day = self.number(2)?;
        self.one_of(b"Tt ")?;
        self.clock(year, month, day)
    }

    /// `28/Jul/2026:09:30:00 +0000`
    fn common(&mut self) -> Option<u64> {
        let day = self.number(2)?;
        self.one_of(b"/")?;
        let (name, rest) = self.0.split_at_checked(3)?;
        self.0 = rest;
        let names = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
        let month = (1..).zip(names).find(|(_, known)| known.as_bytes().eq_ignore_ascii_case(name))?.0;
        self.one_of(b"/")?;
        let year = self.number(4)?;
        self.one_of(b":")?;
        self.clock(year, month, day)
    }

    /// Hours, minutes, seconds, and if they are there a fraction and a zone.
    fn clock(&mut self, year: i64, month: i64, day: i64) -> Option<u64> {
        let hour = self.number(2)?;
        self.one_of(b":")?;
        let minute = self.number(2)?;
        self.one_of(b":")?;
        let second = self.number(2)?;
        if !((1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60) {
            return None;
        }
        let ms = if self.one_of(b".,").is_some() { self.fraction() } else { 0 };
        let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - self.zone() * 60;
        u64::try_from(seconds * 1000 + ms).ok()
    }

    /// Milliseconds; what is finer is skipped.
    fn fraction(&mut self) -> i64 {
        let (mut ms, mut weight) = (0, 100);
        while let Some(digit) = self.number(1) {
            ms += digit * weight;
            weight /= 10;
        }
        ms
    }

    /// Minutes east of UTC: `Z`, `+02:00`, `+0200`, ` +0200`, or nothing.
    fn zone(&mut self) -> i64 {
        let _ = self.one_of(b" ");
        let Some(sign) = self.one_of(b"+-") else { return 0 };
        let Some(hours) = self.number(2) else { return 0 };
        let _ = self.one_of(b":");
        let minutes = hours * 60 + self.number(2).unwrap_or(0);
        if sign == b'-' { -minutes } else { minutes }
    }

    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        let number = number.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))?;
        self.0 = rest;
        Some(number)
    }

    fn one_of(&mut self, allowed: &[u8]) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        if !allowed.contains(&first) {
            return None;
        }
        self.0 = rest;
        Some(first)
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar: years that begin in March have their leap day at the end.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam_plugin::{prelude::json, rfc3339};

    #[test]
    fn times_are_found_in_common_formats() {
        for (text, expected) in [
            ("2026-07-28T09:30:00.042Z x", Some("2026-07-28T09:30:00.042Z")),
            ("2026-07-28T09:30:00+02:00", Some("2026-07-28T07:30:00.000Z")),
            ("2026-07-28 09:30:00,5 - app", Some("2026-07-28T09:30:00.500Z")),
            ("2026/07/28 09:30:00 [error] x", Some("2026-07-28T09:30:00.000Z")),
            ("[2024-02-29T23:59:59.123456789-01:30] x", Some("2024-03-01T01:29:59.123Z")),
            ("1.2.3.4 - - [28/Jul/2026:09:30:00 -0100] \"GET /\"", Some("2026-07-28T10:30:00.000Z")),
            ("1970-01-01T00:00:00Z", Some("1970-01-01T00:00:00.000Z")),
            ("1969-12-31T23:59:59Z", None),
            ("2026-13-28T09:30:00Z", None),
            ("2026-07-28", None),
            ("Jul 28 09:30:00 host", None),
            ("ä[", None),
            ("", None),
        ] {
            assert_eq!(of_text(text).map(rfc3339).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn members_have_texts_and_numbers() {
        for (members, expected) in [
            (json!({"time": 1_785_231_000_042_u64}), Some("2026-07-28T09:30:00.042Z")),
            (json!({"ts": 1_785_231_000.5}), Some("2026-07-28T09:30:00.500Z")),
            (json!({"@timestamp": "2026-07-28T09:30:00Z"}), Some("2026-07-28T09:30:00.000Z")),
            (json!({"time": -1}), None),
            (json!({"time": 1e300}), None),
            (json!({"time": []}), None),
        ] {
            assert_eq!(of_members(members.as_object().unwrap()).map(rfc3339).as_deref(), expected, "{members}");
        }
    }
}
