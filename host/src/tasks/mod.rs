//! The records of tasks (`io.modelcontextprotocol/tasks`): what a call that became a task has come to, for clients that ask later. Nothing
//! is run here.
//!
//! A task is looked up by its owner and its id: to anybody else it does not exist. Times come in as milliseconds since 1970. A record is
//! kept for its `ttl_ms` from its creation, which the extension counts from there; after that nobody finds it, removed or not.
//!
//! In reading order: `task` (one task, and its members on the wire), `rules` (what may become of it, and how much there may be), `memory`
//! and `sqlite` (two stores that pass the same tests).

mod memory;
mod rules;
mod sqlite;
mod task;
#[cfg(test)]
mod tests;

pub use memory::MemoryStore;
pub use sqlite::{OpenError, SqliteStore};
pub use task::{Change, NoRandomness, Outcome, Owner, Status, Task, TaskId};

use std::pin::Pin;

/// Why a store did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The tenant has as many tasks as it may.
    #[error("there are {0} tasks, and no more are kept: try again when some have expired")]
    TooMany(usize),
    /// The outcome is larger than one may be. The task is as it was, and has to be ended in another way.
    #[error("the outcome of the task is larger than {0} bytes")]
    TooLarge(usize),
    /// The outcomes of the tenant's tasks together would be larger than they may be. The task is as it was, and has to be ended in
    /// another way.
    #[error("the outcomes of the tasks would be larger than {0} bytes together")]
    NoRoom(usize),
    /// The host's fault; the log has the reason.
    #[error("the tasks cannot be read or written now")]
    Unavailable,
}

/// What a store answers. What was begun is done even when nobody waits for the answer any more.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Keeps tasks.
pub trait Store: Send + Sync {
    /// Keeps a new task. When this is done everybody who may finds it. Refuses more than a tenant may have, expired ones not counted.
    fn create(&self, task: Task) -> Answer<'_, ()>;

    /// The task of this owner, unless it has expired.
    fn get<'a>(&'a self, owner: &'a Owner, id: &'a TaskId, now_ms: u64) -> Answer<'a, Option<Task>>;

    /// Changes a task whose status is one of `expected`, and gives what it has become. None when it has another status by now, when that
    /// is final, or when there is no such task any more: then nothing was changed. Of several callers that expect the same status, each
    /// sees what those before it have done.
    fn update<'a>(
        &'a self,
        owner: &'a Owner,
        id: &'a TaskId,
        expected: &'a [Status],
        change: Change,
        now_ms: u64,
    ) -> Answer<'a, Option<Task>>;

    /// Removes what has expired, and says how many there were. To be called now and then: nothing else gives back their room for sure.
    fn remove_expired(&self, now_ms: u64) -> Answer<'_, usize>;
}
