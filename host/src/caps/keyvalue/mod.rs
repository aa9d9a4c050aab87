//! `cofferdam:mcp/keyvalue`: a store of small values for each plugin. Its keys live under the tenant and the plugin's name, which come from
//! the call: a guest has no way to name another's.
//!
//! In reading order: this file (the interface), `rules` (what a change does, and whether there is room), `memory` and `sqlite` (two stores
//! that pass the same tests).

mod memory;
mod rules;
mod sqlite;
#[cfg(test)]
mod tests;

pub use memory::MemoryStore;
pub use rules::{Change, Changed, Entry, Page, Quota, Space};
pub use sqlite::{OpenError, SqliteStore};

use super::budget::Budget;
use crate::clock::Clock;
use crate::config::KeyValueStore;
use crate::grants::{Access, KeyValueGrant};
use crate::limits::Limits;
use crate::wit::cofferdam::mcp::keyvalue as wit;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime::component::{HasData, Linker};

/// Why a store did not do what it was asked for. The texts reach the guest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KvError {
    /// The grant does not allow it.
    #[error("{0}")]
    Denied(String),
    /// A key or a value is not what it may be.
    #[error("{0}")]
    Invalid(String),
    /// There is no room.
    #[error("{0}")]
    Quota(String),
    /// The host's fault; the log has the reason.
    #[error("{0}")]
    Unavailable(String),
}

/// What a store answers. What was begun is done even when nobody waits for the answer any more.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, KvError>> + Send + 'a>>;

/// Keeps keys. Every change is atomic, and there for everybody when its answer is.
pub trait Store: Send + Sync {
    /// The value of a key whose time is not over.
    fn get<'a>(&'a self, space: &'a Space, key: &'a str) -> Answer<'a, Option<Arc<[u8]>>>;

    /// Changes a key, if there is room for it.
    fn change<'a>(&'a self, space: &'a Space, key: String, change: Change, quota: Quota) -> Answer<'a, Changed>;

    /// The keys after `after` that begin with `prefix`, in the order of their bytes.
    fn list<'a>(&'a self, space: &'a Space, prefix: String, after: Option<String>, page_max: usize) -> Answer<'a, Page>;
}

/// The store of this host: one per process, opened when the first plugin is granted it.
pub struct KeyValue {
    kind: KeyValueStore,
    file: PathBuf,
    limits: Arc<Limits>,
    clock: Clock,
    opened: Mutex<Option<Arc<dyn Store>>>,
}

/// What a binding was granted.
pub struct KeyValueCap {
    store: Arc<dyn Store>,
    access: Access,
    quota: Quota,
    limits: Arc<Limits>,
    clock: Clock,
}

impl KeyValue {
    /// Takes what the operator wants; nothing is opened yet.
    #[must_use]
    pub fn new(kind: KeyValueStore, file: PathBuf, limits: &Arc<Limits>, clock: Clock) -> Self {
        Self { kind, file, limits: Arc::clone(limits), clock, opened: Mutex::new(None) }
    }

    /// What a binding was granted; none when that is nothing. Blocks for as long as opening a file takes.
    pub fn grant(&self, grant: Option<&KeyValueGrant>) -> Result<Option<KeyValueCap>, OpenError> {
        let Some(grant) = grant else { return Ok(None) };
        let quota = Quota::new(grant.bytes_max, grant.entries_max, &self.limits);
        let (store, limits, clock) = (self.store()?, Arc::clone(&self.limits), self.clock.clone());
        Ok(Some(KeyValueCap { store, access: grant.access, quota, limits, clock }))
    }

    fn store(&self) -> Result<Arc<dyn Store>, OpenError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = &*opened {
            return Ok(Arc::clone(store));
        }
        let store: Arc<dyn Store> = match self.kind {
            KeyValueStore::Memory => Arc::new(MemoryStore::new(&self.limits, self.clock.clone())),
            KeyValueStore::Sqlite => Arc::new(SqliteStore::open(&self.file, &self.limits, self.clock.clone())?),
        };
        *opened = Some(Arc::clone(&store));
        Ok(store)
    }
}

/// One call's view.
pub struct KeyValueView<'a> {
    /// What the binding was granted.
    pub cap: Option<&'a KeyValueCap>,
    /// What the call may still take.
    pub budget: &'a mut Budget,
}

impl<'a> KeyValueView<'a> {
    fn space(&self) -> Space {
        Space { tenant: self.budget.tag.tenant.clone(), plugin: self.budget.tag.plugin.clone() }
    }

    fn cap(&mut self) -> Result<&'a KeyValueCap, KvError> {
        self.cap.ok_or_else(|| self.denied("no key-value store is granted"))
    }

    /// What a grant to write allows.
    fn writer(&mut self) -> Result<&'a KeyValueCap, KvError> {
        let cap = self.cap()?;
        match cap.access {
            Access::Write => Ok(cap),
            Access::Read => Err(self.denied("the grant is to read only")),
        }
    }

    fn denied(&mut self, why: &str) -> KvError {
        super::audit::denied(self.budget, "keyvalue", why);
        KvError::Denied(why.to_owned())
    }

    async fn read(&mut self, key: &str) -> Result<Option<Arc<[u8]>>, KvError> {
        let cap = self.cap()?;
        cap.check_key(key)?;
        cap.store.get(&self.space(), key).await
    }

    async fn read_many(&mut self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, KvError> {
        let limits = &self.cap()?.limits;
        if keys.len() > limits.keyvalue_page_max {
            return Err(KvError::Invalid(format!("no more than {} values at once", limits.keyvalue_page_max)));
        }
        let (mut values, mut bytes) = (Vec::with_capacity(keys.len()), 0);
        for key in keys {
            let value = self.read(key).await?;
            bytes += value.as_deref().map_or(0, <[u8]>::len);
            if bytes > limits.keyvalue_reply_bytes_max {
                return Err(KvError::Invalid(format!("the values are larger than {} bytes together", limits.keyvalue_reply_bytes_max)));
            }
            values.push(value.map(|value| value.to_vec()));
        }
        Ok(values)
    }

    async fn change(&mut self, key: String, change: Result<Change, KvError>) -> Result<Changed, KvError> {
        let cap = self.writer()?;
        cap.check_key(&key)?;
        let changed = cap.store.change(&self.space(), key, change?, cap.quota).await;
        if let Err(KvError::Quota(why)) = &changed {
            self.denied(why);
        }
        changed
    }

    fn entry(&mut self, value: Vec<u8>, ttl_ms: Option<f64>) -> Result<Entry, KvError> {
        let cap = self.cap()?;
        let most = cap.limits.keyvalue_value_bytes_max;
        if value.len() > most {
            return Err(KvError::Invalid(format!("the value has {} bytes; the most is {most}", value.len())));
        }
        Ok(Entry { value: value.into(), expires_ms: cap.expires_ms(ttl_ms)? })
    }

    async fn list(&mut self, prefix: String, cursor: Option<String>) -> Result<Page, KvError> {
        let cap = self.cap()?;
        let most = cap.limits.keyvalue_key_bytes_max;
        if prefix.len() > most || cursor.as_ref().is_some_and(|cursor| cursor.len() > most) {
            return Err(KvError::Invalid(format!("no key is longer than {most} bytes")));
        }
        cap.store.list(&self.space(), prefix, cursor, cap.limits.keyvalue_page_max).await
    }
}

impl KeyValueCap {
    fn check_key(&self, key: &str) -> Result<(), KvError> {
        let most = self.limits.keyvalue_key_bytes_max;
        match key.len() {
            0 => Err(KvError::Invalid("the key is empty".to_owned())),
            bytes if bytes > most => Err(KvError::Invalid(format!("the key has {bytes} bytes; the most is {most}"))),
            _ if key.contains('\0') => Err(KvError::Invalid("the key has a NUL in it".to_owned())),
            _ => Ok(()),
        }
    }

    fn expires_ms(&self, ttl_ms: Option<f64>) -> Result<Option<u64>, KvError> {
        let Some(ttl_ms) = ttl_ms else { return Ok(None) };
        if !(ttl_ms.is_finite() && ttl_ms >= 1.0) {
            return Err(KvError::Invalid("`ttl-ms` is a number of milliseconds from 1 on".to_owned()));
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, and it is positive")]
        let ttl_ms = ttl_ms as u64;
        Ok(Some(self.clock.since_epoch_ms().saturating_add(ttl_ms)))
    }
}

impl wit::Host for KeyValueView<'_> {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, wit::Error>> {
        self.budget.charge_host_call()?;
        Ok(self.read(&key).await.map(|value| value.map(|value| value.to_vec())).map_err(Into::into))
    }

    async fn get_many(&mut self, keys: Vec<String>) -> wasmtime::Result<Result<Vec<Option<Vec<u8>>>, wit::Error>> {
        self.budget.charge_host_call()?;
        Ok(self.read_many(&keys).await.map_err(Into::into))
    }

    async fn set(&mut self, key: String, value: Vec<u8>, ttl_ms: Option<f64>) -> wasmtime::Result<Result<(), wit::Error>> {
        self.budget.charge_host_call()?;
        let entry = self.entry(value, ttl_ms);
        Ok(self.change(key, entry.map(Change::Set)).await.map(|_| ()).map_err(Into::into))
    }

    async fn delete(&mut self, key: String) -> wasmtime::Result<Result<bool, wit::Error>> {
        self.budget.charge_host_call()?;
        Ok(self.change(key, Ok(Change::Delete)).await.map(|changed| changed == Changed::Done(true)).map_err(Into::into))
    }

    async fn list_keys(&mut self, prefix: String, cursor: Option<String>) -> wasmtime::Result<Result<wit::Page, wit::Error>> {
        self.budget.charge_host_call()?;
        let page = self.list(prefix, cursor).await;
        Ok(page.map(|Page { keys, cursor }| wit::Page { keys, cursor }).map_err(Into::into))
    }

    async fn increment(&mut self, key: String, by: i32, ttl_ms: Option<f64>) -> wasmtime::Result<Result<f64, wit::Error>> {
        self.budget.charge_host_call()?;
        let change = self.cap().and_then(|cap| cap.expires_ms(ttl_ms)).map(|expires_ms| Change::Increment(by, expires_ms));
        Ok(self.change(key, change).await.map(sum).map_err(Into::into))
    }

    async fn compare_and_swap(
        &mut self,
        key: String,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
        ttl_ms: Option<f64>,
    ) -> wasmtime::Result<Result<bool, wit::Error>> {
        self.budget.charge_host_call()?;
        let entry = self.entry(value, ttl_ms);
        let changed = self.change(key, entry.map(|entry| Change::Swap(expected, entry))).await;
        Ok(changed.map(|changed| changed == Changed::Done(true)).map_err(Into::into))
    }
}

#[allow(clippy::cast_precision_loss, reason = "no sum is beyond 2^53")]
fn sum(changed: Changed) -> f64 {
    match changed {
        Changed::Sum(sum) => sum as f64,
        Changed::Done(_) => f64::NAN,
    }
}

impl From<KvError> for wit::Error {
    fn from(error: KvError) -> Self {
        match error {
            KvError::Denied(text) => Self::Denied(text),
            KvError::Invalid(text) => Self::Invalid(text),
            KvError::Quota(text) => Self::Quota(text),
            KvError::Unavailable(text) => Self::Unavailable(text),
        }
    }
}

struct HasKeyValue;

impl HasData for HasKeyValue {
    type Data<'a> = KeyValueView<'a>;
}

/// Links the interface.
pub fn link<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> KeyValueView<'_>) -> wasmtime::Result<()> {
    wit::add_to_linker::<T, HasKeyValue>(linker, view)
}
