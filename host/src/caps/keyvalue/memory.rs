//! Keys in memory, for as long as the process runs.

use super::rules::{Accounts, Change, Changed, Entry, Page, Quota, Space, Used, Write, apply};
use super::{Answer, KvError, Store};
use crate::clock::Clock;
use crate::ids::TenantId;
use crate::limits::Limits;
use std::collections::{BTreeMap, HashMap};
use std::future::ready;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Keeps keys in memory.
pub struct MemoryStore {
    state: Mutex<State>,
    clock: Clock,
    store_bytes_max: u64,
    sweep_every_ms: u64,
}

#[derive(Default)]
struct State {
    spaces: HashMap<Space, BTreeMap<String, Entry>>,
    accounts: Accounts,
    // For each tenant, no later than its first entry expires: before that a sweep finds nothing.
    earliest_ms: HashMap<TenantId, u64>,
    swept_ms: u64,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(limits: &Limits, clock: Clock) -> Self {
        let sweep_every_ms = u64::try_from(limits.keyvalue_sweep_every.as_millis()).unwrap_or(u64::MAX);
        Self { state: Mutex::default(), clock, store_bytes_max: limits.keyvalue_store_bytes_max as u64, sweep_every_ms }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change_now(&self, space: &Space, key: &str, change: Change, quota: &Quota) -> Result<Changed, KvError> {
        let now_ms = self.clock.since_epoch_ms();
        let mut state = self.state();
        if now_ms.saturating_sub(state.swept_ms) >= self.sweep_every_ms {
            state.sweep(None, now_ms);
            state.swept_ms = now_ms;
        }
        let present = state.spaces.get(space).and_then(|entries| entries.get(key));
        let mut old = present.map(|entry| Used::one(key, entry.value.len())).unwrap_or_default();
        let (write, changed) = apply(present.filter(|entry| entry.is_live(now_ms)), change)?;
        match write {
            Write::Nothing => {}
            Write::Remove => {
                state.spaces.get_mut(space).and_then(|entries| entries.remove(key));
                state.accounts.exchange(space, old, Used::default());
            }
            Write::Put(entry) => {
                let new = Used::one(key, entry.value.len());
                let expired = state.earliest_ms.get(&space.tenant).is_some_and(|earliest_ms| *earliest_ms <= now_ms);
                if expired && state.accounts.room(space, old, new, quota).is_err() {
                    state.sweep(Some(&space.tenant), now_ms);
                    // The entry itself may have been one of those that have expired.
                    let present = state.spaces.get(space).and_then(|entries| entries.get(key));
                    old = present.map(|entry| Used::one(key, entry.value.len())).unwrap_or_default();
                }
                state.accounts.room(space, old, new, quota)?;
                if new.bytes > old.bytes && state.accounts.all().bytes + new.bytes - old.bytes > self.store_bytes_max {
                    return Err(KvError::Unavailable("the store is full".to_owned()));
                }
                note(&mut state.earliest_ms, &space.tenant, entry.expires_ms);
                state.spaces.entry(space.clone()).or_default().insert(key.to_owned(), entry);
                state.accounts.exchange(space, old, new);
            }
        }
        Ok(changed)
    }
}

impl State {
    /// Removes what has expired: of a tenant, or everywhere.
    fn sweep(&mut self, of: Option<&TenantId>, now_ms: u64) {
        let Self { spaces, accounts, earliest_ms, .. } = self;
        earliest_ms.retain(|tenant, _| of.is_some_and(|of| of != tenant));
        for (space, entries) in spaces.iter_mut().filter(|(space, _)| of.is_none_or(|of| *of == space.tenant)) {
            entries.retain(|key, entry| {
                let stays = entry.is_live(now_ms);
                if stays {
                    note(earliest_ms, &space.tenant, entry.expires_ms);
                } else {
                    accounts.exchange(space, Used::one(key, entry.value.len()), Used::default());
                }
                stays
            });
        }
    }
}

/// Notes when an entry of a tenant expires, if that is before all others.
fn note(earliest_ms: &mut HashMap<TenantId, u64>, tenant: &TenantId, expires_ms: Option<u64>) {
    let Some(expires_ms) = expires_ms else { return };
    let earliest_ms = earliest_ms.entry(tenant.clone()).or_insert(expires_ms);
    *earliest_ms = expires_ms.min(*earliest_ms);
}

impl Store for MemoryStore {
    fn get<'a>(&'a self, space: &'a Space, key: &'a str) -> Answer<'a, Option<Arc<[u8]>>> {
        let now_ms = self.clock.since_epoch_ms();
        let state = self.state();
        let entry = state.spaces.get(space).and_then(|entries| entries.get(key)).filter(|entry| entry.is_live(now_ms));
        Box::pin(ready(Ok(entry.map(|entry| Arc::clone(&entry.value)))))
    }

    fn change<'a>(&'a self, space: &'a Space, key: String, change: Change, quota: Quota) -> Answer<'a, Changed> {
        Box::pin(ready(self.change_now(space, &key, change, &quota)))
    }

    fn list<'a>(&'a self, space: &'a Space, prefix: String, after: Option<String>, page_max: usize) -> Answer<'a, Page> {
        let now_ms = self.clock.since_epoch_ms();
        let state = self.state();
        let from = match &after {
            Some(after) if *after >= prefix => Bound::Excluded(after.as_str()),
            _ => Bound::Included(prefix.as_str()),
        };
        let entries = state.spaces.get(space).into_iter().flat_map(|entries| entries.range::<str, _>((from, Bound::Unbounded)));
        let keys = entries.take_while(|(key, _)| key.starts_with(&prefix)).filter(|(_, entry)| entry.is_live(now_ms));
        let keys = keys.map(|(key, _)| key.clone()).take(page_max.saturating_add(1)).collect();
        Box::pin(ready(Ok(Page::new(keys, page_max))))
    }
}
