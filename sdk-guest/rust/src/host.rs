//! What every plugin gets from the host. In a native build, as under `cargo test`, these are stand-ins.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Milliseconds since 1970-01-01T00:00:00Z, from the host's clock.
#[must_use]
pub fn now_ms() -> u64 {
    #[cfg(target_family = "wasm")]
    let ms = crate::bindings::imports::host::now_ms();
    #[cfg(not(target_family = "wasm"))]
    let ms = std::time::UNIX_EPOCH.elapsed().map_or(0.0, |since| since.as_secs_f64() * 1000.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole milliseconds, and `as` saturates")]
    let ms = ms as u64;
    ms
}

/// The host's clock as an RFC 3339 timestamp in UTC, such as `2026-07-28T09:30:00.000Z`.
#[must_use]
pub fn now_rfc3339() -> String {
    rfc3339(now_ms())
}

/// Milliseconds since 1970-01-01T00:00:00Z as an RFC 3339 timestamp in UTC.
///
/// ```
/// assert_eq!(cofferdam_plugin::rfc3339(1_785_231_000_042), "2026-07-28T09:30:00.042Z");
/// ```
#[must_use]
pub fn rfc3339(ms: u64) -> String {
    let (day, ms_of_day) = (ms / 86_400_000, ms % 86_400_000);
    // Days to a date of the Gregorian calendar: years that begin in March have their leap day at the end.
    let days = day + 719_468; // since 0000-03-01
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153; // 0 is March
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let (month, next_year) = if shifted_month < 10 { (shifted_month + 3, 0) } else { (shifted_month - 9, 1) };
    let year = era * 400 + year_of_era + next_year;
    let (h, m, s, ms) = (ms_of_day / 3_600_000, ms_of_day / 60_000 % 60, ms_of_day / 1000 % 60, ms_of_day % 1000);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{ms:03}Z")
}

/// Unpredictable bytes from the host's own source. A call gets 64 KiB in all. In a native build they are only good for tests.
#[must_use]
pub fn random_bytes(count: u32) -> Vec<u8> {
    #[cfg(target_family = "wasm")]
    return crate::bindings::imports::host::random_bytes(count);
    #[cfg(not(target_family = "wasm"))]
    {
        use std::hash::{BuildHasher, RandomState};
        let words = (0..count.div_ceil(8)).flat_map(|n| RandomState::new().hash_one(n).to_le_bytes());
        words.take(count as usize).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_knows_leap_years() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (4_102_444_799_000, "2099-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(rfc3339(ms), text);
        }
    }

    #[test]
    fn random_bytes_are_as_many_as_asked_for() {
        for count in [0, 1, 8, 9, 100] {
            assert_eq!(random_bytes(count).len(), count as usize);
        }
        assert_ne!(random_bytes(16), random_bytes(16));
    }
}
