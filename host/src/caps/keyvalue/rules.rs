//! What a change makes of an entry, and whether there is room for it. Pure: both stores ask here.

use super::KvError;
use crate::ids::{PluginName, TenantId};
use crate::limits::Limits;
use std::collections::HashMap;
use std::sync::Arc;

/// Where the keys of one plugin live. It comes from the call, never from the guest.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Space {
    /// Whose data.
    pub tenant: TenantId,
    /// Whose keys.
    pub plugin: PluginName,
}

/// What is under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Arc<[u8]>,
    /// From when on it is not there any more, in milliseconds since 1970.
    pub expires_ms: Option<u64>,
}

impl Entry {
    /// Whether it is still there.
    #[must_use]
    pub fn is_live(&self, now_ms: u64) -> bool {
        self.expires_ms.is_none_or(|expires_ms| now_ms < expires_ms)
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub enum Change {
    /// A value in the place of whatever was there.
    Set(Entry),
    /// Nothing any more.
    Delete,
    /// A number more; the time is for a key that was not there.
    Increment(i32, Option<u64>),
    /// A value in the place of this one.
    Swap(Option<Vec<u8>>, Entry),
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Changed {
    /// Yes, or no: there was nothing to delete, or something else than expected.
    Done(bool),
    /// The sum.
    Sum(i64),
}

/// What has to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Write {
    /// Nothing.
    Nothing,
    /// The key goes.
    Remove,
    /// This takes its place.
    Put(Entry),
}

/// The largest whole number that every guest's numbers hold.
const SUM_MAX: i64 = 1 << 53;

/// What a change makes of what is there now, expired entries left out.
pub(super) fn apply(present: Option<&Entry>, change: Change) -> Result<(Write, Changed), KvError> {
    Ok(match change {
        Change::Set(entry) => (Write::Put(entry), Changed::Done(true)),
        Change::Delete => (if present.is_some() { Write::Remove } else { Write::Nothing }, Changed::Done(present.is_some())),
        Change::Increment(by, expires_ms) => {
            let (sum, expires_ms) = match present {
                Some(entry) => (number(&entry.value)?, entry.expires_ms),
                None => (0, expires_ms),
            };
            let sum = sum.checked_add(by.into()).filter(|sum| (-SUM_MAX..=SUM_MAX).contains(sum));
            let sum = sum.ok_or_else(|| KvError::Invalid("the sum would be beyond 2^53, where numbers are no longer exact".to_owned()))?;
            (Write::Put(Entry { value: sum.to_string().into_bytes().into(), expires_ms }), Changed::Sum(sum))
        }
        Change::Swap(expected, entry) => match present.map(|entry| &*entry.value) == expected.as_deref() {
            true => (Write::Put(entry), Changed::Done(true)),
            false => (Write::Nothing, Changed::Done(false)),
        },
    })
}

fn number(value: &[u8]) -> Result<i64, KvError> {
    let number = str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok());
    number.ok_or_else(|| KvError::Invalid("the value is not a whole number in decimal digits".to_owned()))
}

/// How much there may be in a space, and of its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Keys and values.
    pub bytes_max: u64,
    /// Keys.
    pub entries_max: u64,
    /// Keys and values of the tenant.
    pub tenant_bytes_max: u64,
    /// Keys of the tenant.
    pub tenant_entries_max: u64,
}

impl Quota {
    /// What a grant allows.
    #[must_use]
    pub fn new(bytes_max: usize, entries_max: u32, limits: &Limits) -> Self {
        Self {
            bytes_max: bytes_max as u64,
            entries_max: entries_max.into(),
            tenant_bytes_max: limits.keyvalue_tenant_bytes_max as u64,
            tenant_entries_max: limits.keyvalue_tenant_entries_max.into(),
        }
    }
}

/// What keys and values take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) bytes: u64,
    pub(super) entries: u64,
}

impl Used {
    /// One entry.
    pub(super) fn one(key: &str, value_bytes: usize) -> Self {
        Self { bytes: (key.len() + value_bytes) as u64, entries: 1 }
    }

    fn exchange(self, old: Self, new: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(old.bytes).saturating_add(new.bytes),
            entries: self.entries.saturating_sub(old.entries).saturating_add(new.entries),
        }
    }
}

/// What is used, by tenant and by space.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    tenants: HashMap<TenantId, Used>,
    spaces: HashMap<Space, Used>,
    all: Used,
}

impl Accounts {
    /// Everything together.
    pub(super) fn all(&self) -> Used {
        self.all
    }

    /// Whether `new` has room in the place of `old`. What does not grow always has.
    pub(super) fn room(&self, space: &Space, old: Used, new: Used, quota: &Quota) -> Result<(), KvError> {
        let own = self.spaces.get(space).copied().unwrap_or_default().exchange(old, new);
        let tenant = self.tenants.get(&space.tenant).copied().unwrap_or_default().exchange(old, new);
        let (grows, more) = (new.bytes > old.bytes, new.entries > old.entries);
        let full = |text: String| Err(KvError::Quota(text));
        if more && own.entries > quota.entries_max {
            return full(format!("there are {} keys, and this plugin may have no more; delete some first", quota.entries_max));
        }
        if grows && own.bytes > quota.bytes_max {
            return full(format!("keys and values would take more than the {} bytes of this plugin; delete some first", quota.bytes_max));
        }
        if more && tenant.entries > quota.tenant_entries_max || grows && tenant.bytes > quota.tenant_bytes_max {
            return full("the plugins of this host together have no room left; delete something first".to_owned());
        }
        Ok(())
    }

    /// Enters what was done.
    pub(super) fn exchange(&mut self, space: &Space, old: Used, new: Used) {
        let own = self.spaces.entry(space.clone()).or_default();
        *own = own.exchange(old, new);
        let tenant = self.tenants.entry(space.tenant.clone()).or_default();
        *tenant = tenant.exchange(old, new);
        self.all = self.all.exchange(old, new);
    }
}

/// One page of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The keys, in the order of their bytes.
    pub keys: Vec<String>,
    /// The last of them when there are more.
    pub cursor: Option<String>,
}

impl Page {
    /// From one key more than the page has, if there are so many.
    pub(super) fn new(mut keys: Vec<String>, page_max: usize) -> Self {
        let more = keys.len() > page_max;
        keys.truncate(page_max);
        let cursor = keys.last().filter(|_| more).cloned();
        Self { keys, cursor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact_or_refused() {
        let entry = |text: &str| Entry { value: text.as_bytes().into(), expires_ms: Some(7) };
        let add = |text: &str, by| apply(Some(&entry(text)), Change::Increment(by, None));
        assert_eq!(add("41", 1).unwrap(), (Write::Put(entry("42")), Changed::Sum(42)));
        assert_eq!(add("9007199254740991", 1).unwrap().1, Changed::Sum(1 << 53));
        for (text, by) in
            [("9007199254740992", 1), ("-9007199254740992", -1), ("9223372036854775807", i32::MAX), ("x", 1), ("", 1), ("1.5", 1)]
        {
            assert!(matches!(add(text, by), Err(KvError::Invalid(_))), "{text} + {by}");
        }
        let fresh = apply(None, Change::Increment(-5, Some(9))).unwrap();
        assert_eq!(fresh, (Write::Put(Entry { value: (*b"-5").into(), expires_ms: Some(9) }), Changed::Sum(-5)));
    }
}
