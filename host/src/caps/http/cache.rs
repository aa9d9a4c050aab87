//! Responses that are kept for one binding. Its plugin is the only one that sees them.

use crate::grants::http::{CacheGrant, Target};
use http::{HeaderMap, header};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A whole response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// What a response is kept under: the URL, and whatever the guest said beside it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key(String);

/// The responses of one binding.
pub(super) struct Cache {
    grant: CacheGrant,
    entries_max: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    entries: HashMap<Key, Entry>,
    bytes: usize,
    uses: u64,
}

struct Entry {
    response: Arc<Whole>,
    fresh_until: Instant,
    bytes: usize,
    used: u64,
}

impl Key {
    /// `decompress` tells a response that came as it is from one that the guest asked to have compressed.
    pub(super) fn of(target: &Target, headers: &HeaderMap, decompress: bool) -> Self {
        let mut fields: Vec<_> = headers.iter().map(|(name, value)| format!("\n{name}:{value:?}")).collect();
        fields.sort_unstable();
        Self(format!("{target}\n{decompress}{}", fields.concat()))
    }
}

impl Cache {
    pub(super) fn new(grant: CacheGrant, entries_max: usize) -> Self {
        Self { grant, entries_max, kept: Mutex::default() }
    }

    /// What is kept, and whether it is as good as new.
    pub(super) fn get(&self, key: &Key) -> Option<(Arc<Whole>, bool)> {
        let (mut kept, now) = (self.kept.lock().unwrap_or_else(PoisonError::into_inner), Instant::now());
        kept.uses += 1;
        let uses = kept.uses;
        let entry = kept.entries.get_mut(key)?;
        if entry.fresh_until.checked_add(self.grant.stale_if_error).is_some_and(|end| now >= end) {
            kept.remove(key);
            return None;
        }
        entry.used = uses;
        Some((Arc::clone(&entry.response), now < entry.fresh_until))
    }

    /// Keeps a response if it may be kept.
    pub(super) fn put(&self, key: Key, response: &Whole) {
        let Some(ttl) = self.lifetime(response) else { return };
        let fields: usize = response.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        let bytes = key.0.len() + fields + response.body.len();
        if bytes > self.grant.size_bytes_max {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(&key);
        while kept.bytes + bytes > self.grant.size_bytes_max || kept.entries.len() >= self.entries_max {
            let oldest = kept.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone());
            let Some(oldest) = oldest else { break };
            kept.remove(&oldest);
        }
        let Some(fresh_until) = Instant::now().checked_add(ttl) else { return };
        kept.bytes += bytes;
        kept.uses += 1;
        let entry = Entry { response: Arc::new(response.clone()), fresh_until, bytes, used: kept.uses };
        kept.entries.insert(key, entry);
    }

    /// How long a response is as good as new; none when it must not be kept.
    fn lifetime(&self, response: &Whole) -> Option<Duration> {
        if response.status != 200 || response.headers.contains_key(header::SET_COOKIE) {
            return None;
        }
        let mut ttl = self.grant.ttl;
        for value in response.headers.get_all(header::CACHE_CONTROL) {
            for word in value.to_str().ok()?.split(',').map(|word| word.trim().to_ascii_lowercase()) {
                match word.split_once('=').unwrap_or((&word, "")) {
                    ("no-store", _) => return None,
                    ("no-cache", _) => ttl = Duration::ZERO,
                    ("max-age", seconds) => ttl = ttl.min(Duration::from_secs(seconds.trim_matches('"').parse().ok()?)),
                    _ => {}
                }
            }
        }
        // Good for bad times only, or for nothing at all.
        (!ttl.is_zero() || !self.grant.stale_if_error.is_zero()).then_some(ttl)
    }
}

impl Kept {
    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= entry.bytes;
        }
    }
}
