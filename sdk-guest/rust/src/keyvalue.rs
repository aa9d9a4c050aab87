//! A store of small values under keys, for this plugin alone. What was written is there in the next call.
//!
//! ```toml
//! # plugin.toml
//! [grants.keyvalue]
//! access = "write"
//! ```
//!
//! A key is a text of 1 to 512 bytes, a value is any bytes up to 1 MiB; [`get_json`] and [`set_json`] are for anything that serde can write.
//!
//! ```
//! use cofferdam_plugin::{prelude::*, keyvalue};
//! use core::time::Duration;
//!
//! #[derive(Serialize, Deserialize, PartialEq, Debug)]
//! struct Note { text: String }
//!
//! fn remember(id: &str, text: &str) -> Result<u32> {
//!     keyvalue::set_json(&format!("note/{id}"), &Note { text: text.into() })?;
//!     keyvalue::set_for("last", id.as_bytes(), Duration::from_secs(3600))?;
//!     let count = keyvalue::increment("count", 1)?;
//!     Ok(count as u32)
//! }
//!
//! # fn main() -> Result<()> {
//! assert_eq!(remember("a", "milk")?, 1);
//! assert_eq!(keyvalue::get_json::<Note>("note/a")?, Some(Note { text: "milk".into() }));
//! assert_eq!(keyvalue::keys("note/")?, ["note/a"]);
//! # Ok(())
//! # }
//! ```
//!
//! Every function is atomic. To change a value that depends on what is there, [`swap`] it in a loop:
//!
//! ```
//! # use cofferdam_plugin::{prelude::*, keyvalue};
//! fn append(key: &str, line: &str) -> Result<()> {
//!     loop {
//!         let old = keyvalue::get(key)?;
//!         let mut new = old.clone().unwrap_or_default();
//!         new.extend_from_slice(line.as_bytes());
//!         if keyvalue::swap(key, old.as_deref(), &new)? {
//!             return Ok(());
//!         }
//!     }
//! }
//! # append("log", "a").and_then(|()| append("log", "b")).unwrap();
//! # assert_eq!(keyvalue::get("log").unwrap().unwrap(), b"ab");
//! ```
//!
//! In a native build, as under `cargo test`, each thread has a store of its own, without limits.

use crate::Failure;
use crate::bindings::imports::keyvalue as wit;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;
use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(not(target_family = "wasm"))]
use native as store;
#[cfg(target_family = "wasm")]
use wit as store;

pub use wit::Page;

/// What the store answers.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Why the store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The grant does not allow it.
    Denied(String),
    /// A key or a value is not what it may be.
    Invalid(String),
    /// There is no room: delete something first.
    Quota(String),
    /// The store cannot be read or written now; trying again may help.
    Unavailable(String),
    /// Anything else.
    Other(String),
    /// A value could not be read as the type that it was to be.
    Decode(String),
}

/// The value of a key; none when there is none, or when its time is over.
///
/// # Errors
/// What the store says.
pub fn get(key: &str) -> Result<Option<Vec<u8>>> {
    Ok(store::get(key)?)
}

/// The values of several keys, in their order: up to 100.
///
/// # Errors
/// What the store says.
pub fn get_many(keys: &[String]) -> Result<Vec<Option<Vec<u8>>>> {
    Ok(store::get_many(keys)?)
}

/// The value of a key that [`set_json`] wrote.
///
/// # Errors
/// What the store says, or a value that is no such JSON.
pub fn get_json<T: DeserializeOwned>(key: &str) -> Result<Option<T>> {
    let value = get(key)?;
    value.map(|value| serde_json::from_slice(&value).map_err(|error| Error::Decode(error.to_string()))).transpose()
}

/// Puts a value under a key, in the place of whatever was there.
///
/// # Errors
/// What the store says.
pub fn set(key: &str, value: &[u8]) -> Result<()> {
    Ok(store::set(key, value, None)?)
}

/// Puts a value under a key for so long, in whole milliseconds; then it is gone.
///
/// # Errors
/// What the store says.
pub fn set_for(key: &str, value: &[u8], ttl: Duration) -> Result<()> {
    Ok(store::set(key, value, Some(ms(ttl)))?)
}

/// Puts anything that serde can write under a key, as JSON.
///
/// # Errors
/// What the store says, or a value that cannot be written as JSON.
pub fn set_json(key: &str, value: &impl Serialize) -> Result<()> {
    set(key, &serde_json::to_vec(value).map_err(|error| Error::Invalid(error.to_string()))?)
}

/// Takes a key away. False when it was not there.
///
/// # Errors
/// What the store says.
pub fn delete(key: &str) -> Result<bool> {
    Ok(store::delete(key)?)
}

/// All keys that begin with this, in the order of their bytes. [`page`] is for many.
///
/// # Errors
/// What the store says.
pub fn keys(prefix: &str) -> Result<Vec<String>> {
    let (mut keys, mut cursor) = (Vec::new(), None);
    loop {
        let page = page(prefix, cursor.as_deref())?;
        keys.extend(page.keys);
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(keys);
        }
    }
}

/// Some of the keys that begin with this: the first ones, or those after the page that this cursor came with.
///
/// # Errors
/// What the store says.
pub fn page(prefix: &str, cursor: Option<&str>) -> Result<Page> {
    Ok(store::list_keys(prefix, cursor)?)
}

/// Adds to a whole number, and returns the sum. A key that is not there counts as 0; sums are exact up to 2^53, and refused beyond.
///
/// # Errors
/// What the store says.
pub fn increment(key: &str, by: i32) -> Result<i64> {
    Ok(whole(store::increment(key, by, None)?))
}

/// The same, and a key that was not there is gone again after so long: a counter of what happened in a while.
///
/// # Errors
/// What the store says.
pub fn increment_for(key: &str, by: i32, ttl: Duration) -> Result<i64> {
    Ok(whole(store::increment(key, by, Some(ms(ttl)))?))
}

/// Puts a value under a key if what is there now is `expected`: a value, or none for a key that is not there. False when it is not.
///
/// # Errors
/// What the store says.
pub fn swap(key: &str, expected: Option<&[u8]>, value: &[u8]) -> Result<bool> {
    Ok(store::compare_and_swap(key, expected, value, None)?)
}

/// The same, for so long.
///
/// # Errors
/// What the store says.
pub fn swap_for(key: &str, expected: Option<&[u8]>, value: &[u8], ttl: Duration) -> Result<bool> {
    Ok(store::compare_and_swap(key, expected, value, Some(ms(ttl)))?)
}

fn ms(ttl: Duration) -> f64 {
    ttl.as_secs_f64() * 1000.0
}

#[expect(clippy::cast_possible_truncation, reason = "whole, and not beyond 2^53")]
fn whole(sum: f64) -> i64 {
    sum as i64
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, message) = match self {
            Self::Denied(message) => ("not allowed: ", message),
            Self::Invalid(message) => ("invalid: ", message),
            Self::Quota(message) => ("no room: ", message),
            Self::Unavailable(message) => ("store unavailable: ", message),
            Self::Other(message) => ("store: ", message),
            Self::Decode(message) => ("unexpected value: ", message),
        };
        f.write_str(kind)?;
        f.write_str(message)
    }
}

impl core::error::Error for Error {}

impl From<wit::Error> for Error {
    fn from(error: wit::Error) -> Self {
        match error {
            wit::Error::Denied(message) => Self::Denied(message),
            wit::Error::Invalid(message) => Self::Invalid(message),
            wit::Error::Quota(message) => Self::Quota(message),
            wit::Error::Unavailable(message) => Self::Unavailable(message),
            wit::Error::Other(message) => Self::Other(message),
        }
    }
}

/// So that `?` works in handlers. Where the text is not for clients, map the error yourself.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Denied(_) | Error::Quota(_) => Self::denied(text),
            Error::Invalid(_) => Self::invalid(text),
            Error::Unavailable(_) => Self::unavailable(text),
            Error::Other(_) | Error::Decode(_) => Self::other(text),
        }
    }
}

/// The stand-in of a native build.
#[cfg(not(target_family = "wasm"))]
mod native {
    use super::wit::{Error, Page};
    use alloc::collections::BTreeMap;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;
    use core::cell::RefCell;

    type Entry = (Vec<u8>, Option<f64>);

    std::thread_local! {
        static ENTRIES: RefCell<BTreeMap<String, Entry>> = const { RefCell::new(BTreeMap::new()) };
    }

    /// As many as the host gives.
    const PAGE: usize = 100;

    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this age")]
    fn now() -> f64 {
        crate::now_ms() as f64
    }

    fn with<T>(work: impl FnOnce(&mut BTreeMap<String, Entry>) -> T) -> T {
        ENTRIES.with_borrow_mut(|entries| {
            entries.retain(|_, (_, until)| until.is_none_or(|until| now() < until));
            work(entries)
        })
    }

    pub(super) fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(with(|entries| entries.get(key).map(|(value, _)| value.clone())))
    }

    pub(super) fn get_many(keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        keys.iter().map(|key| get(key)).collect()
    }

    pub(super) fn set(key: &str, value: &[u8], ttl_ms: Option<f64>) -> Result<(), Error> {
        with(|entries| entries.insert(key.into(), (value.into(), ttl_ms.map(|ms| now() + ms))));
        Ok(())
    }

    pub(super) fn delete(key: &str) -> Result<bool, Error> {
        Ok(with(|entries| entries.remove(key).is_some()))
    }

    pub(super) fn list_keys(prefix: &str, cursor: Option<&str>) -> Result<Page, Error> {
        let after = |key: &&String| key.starts_with(prefix) && cursor.is_none_or(|cursor| key.as_str() > cursor);
        let mut keys: Vec<String> = with(|entries| entries.keys().filter(after).take(PAGE + 1).cloned().collect());
        let more = keys.len() > PAGE;
        keys.truncate(PAGE);
        let cursor = keys.last().filter(|_| more).cloned();
        Ok(Page { keys, cursor })
    }

    pub(super) fn increment(key: &str, by: i32, ttl_ms: Option<f64>) -> Result<f64, Error> {
        let (old, until) = with(|entries| entries.get(key).cloned()).unwrap_or_else(|| (b"0".into(), ttl_ms.map(|ms| now() + ms)));
        let number = core::str::from_utf8(&old).ok().and_then(|text| text.parse::<i64>().ok());
        let sum = number.ok_or_else(|| Error::Invalid("the value is not a whole number in decimal digits".into()))? + i64::from(by);
        with(|entries| entries.insert(key.into(), (sum.to_string().into_bytes(), until)));
        #[expect(clippy::cast_precision_loss, reason = "tests do not count that far")]
        Ok(sum as f64)
    }

    pub(super) fn compare_and_swap(key: &str, expected: Option<&[u8]>, value: &[u8], ttl_ms: Option<f64>) -> Result<bool, Error> {
        let fits = get(key)?.as_deref() == expected;
        if fits {
            set(key, value, ttl_ms)?;
        }
        Ok(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn the_stand_in_does_what_the_host_does() {
        for n in 0..250 {
            set(&format!("k/{n:03}"), b"x").unwrap();
        }
        assert_eq!((keys("k/").unwrap().len(), page("k/", None).unwrap().cursor), (250, Some("k/099".into())));
        assert!(delete("k/000").unwrap() && !delete("k/000").unwrap());
        assert_eq!([increment("n", 5).unwrap(), increment("n", -7).unwrap()], [5, -2]);
        assert!(matches!(increment("k/001", 1), Err(Error::Invalid(_))));
        assert!(!swap("k/001", None, b"y").unwrap() && swap("k/001", Some(b"x"), b"y").unwrap());
        assert_eq!(get_many(&["k/001".into(), "none".into()]).unwrap(), [Some(b"y".into()), None]);
        assert!(matches!(get_json::<u8>("k/001"), Err(Error::Decode(_))));
        set_for("gone", b"x", Duration::from_nanos(1)).unwrap();
        set_for("there", b"x", Duration::from_secs(3600)).unwrap();
        assert_eq!(get("there").unwrap().as_deref(), Some(&b"x"[..]));
    }
}
