//! Tasks in memory: gone with the process, which is right where the client ends with it.

use super::rules::{Rules, counted_bytes};
use super::{Answer, Change, Owner, Status, Store, StoreError, Task, TaskId};
use crate::ids::TenantId;
use crate::limits::Limits;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One tenant's tasks. Shared, so that a large result is copied after the lock was given back.
type Tasks = HashMap<TaskId, Arc<Task>>;

/// Keeps tasks in memory.
#[derive(Debug)]
pub struct MemoryStore {
    rules: Rules,
    tenants: Mutex<BTreeMap<TenantId, Tasks>>,
}

impl MemoryStore {
    /// A store without tasks.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self { rules: Rules::new(limits), tenants: Mutex::default() }
    }

    fn tenants(&self) -> MutexGuard<'_, BTreeMap<TenantId, Tasks>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, owner: &Owner, id: &TaskId, now_ms: u64) -> Option<Arc<Task>> {
        let found = self.tenants().get(&owner.tenant)?.get(id).map(Arc::clone);
        found.filter(|task| task.owner == *owner && !task.is_expired(now_ms))
    }

    fn add(&self, task: Task) -> Result<(), StoreError> {
        let mut tenants = self.tenants();
        let tasks = tenants.entry(task.owner.tenant.clone()).or_default();
        tasks.retain(|_, present| !present.is_expired(task.created_ms));
        self.rules.one_more(tasks.len())?;
        tasks.insert(task.id.clone(), Arc::new(task));
        Ok(())
    }

    fn change(
        &self,
        owner: &Owner,
        id: &TaskId,
        expected: &[Status],
        change: Change,
        now_ms: u64,
    ) -> Result<Option<Arc<Task>>, StoreError> {
        let mut tenants = self.tenants();
        let Some(tasks) = tenants.get_mut(&owner.tenant) else { return Ok(None) };
        let present = tasks.get(id).filter(|task| task.owner == *owner);
        let Some(next) = present.and_then(|task| self.rules.next(task, expected, change, now_ms)) else { return Ok(None) };
        let others = tasks.values().filter(|task| task.id != *id && !task.is_expired(now_ms));
        self.rules.room(&next, others.map(|task| counted_bytes(task)).sum())?;
        let next = Arc::new(next);
        tasks.insert(id.clone(), Arc::clone(&next));
        Ok(Some(next))
    }

    fn sweep(&self, now_ms: u64) -> usize {
        let mut removed = 0;
        self.tenants().retain(|_, tasks| {
            let before = tasks.len();
            tasks.retain(|_, task| !task.is_expired(now_ms));
            removed += before - tasks.len();
            !tasks.is_empty()
        });
        removed
    }
}

impl Store for MemoryStore {
    fn create(&self, task: Task) -> Answer<'_, ()> {
        Box::pin(async move { self.add(task) })
    }

    fn get<'a>(&'a self, owner: &'a Owner, id: &'a TaskId, now_ms: u64) -> Answer<'a, Option<Task>> {
        Box::pin(async move { Ok(self.find(owner, id, now_ms).map(Arc::unwrap_or_clone)) })
    }

    fn update<'a>(
        &'a self,
        owner: &'a Owner,
        id: &'a TaskId,
        expected: &'a [Status],
        change: Change,
        now_ms: u64,
    ) -> Answer<'a, Option<Task>> {
        Box::pin(async move { Ok(self.change(owner, id, expected, change, now_ms)?.map(Arc::unwrap_or_clone)) })
    }

    fn remove_expired(&self, now_ms: u64) -> Answer<'_, usize> {
        Box::pin(async move { Ok(self.sweep(now_ms)) })
    }
}
