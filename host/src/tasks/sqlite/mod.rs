//! Tasks in a file of SQLite's: they outlive the process, and several processes of one machine may share them.
//!
//! One connection on a thread of its own, as for the `sql` capability: a slow disk holds up neither a worker nor the runtime's blocking
//! threads, and statements stand in one queue instead of fighting for a lock. `database` has the statements, `presence` tells which of the
//! hosts that share the file are alive.

mod database;
mod presence;

use super::{Answer, Change, NoRandomness, Owner, Status, Store, StoreError, Task, TaskId};
use crate::limits::Limits;
use database::{Database, Failure};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::thread::{Builder, JoinHandle};
use tokio::sync::oneshot;

/// The file of tasks cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be made, or not be kept from others.
    #[error("the file cannot be made: {0}")]
    File(#[from] io::Error),
    /// It is damaged, or no database.
    #[error("the database cannot be used: {0}")]
    Database(#[from] rusqlite::Error),
    /// A newer host has written it.
    #[error("a newer host has written it: its version is {0}, the newest that is known here is {known}", known = database::VERSION)]
    Newer(i64),
    /// No name for this host.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

/// Work for the connection's thread.
type Job = Box<dyn FnOnce(&mut Database) + Send>;

/// Keeps tasks in a file.
pub struct SqliteStore {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl SqliteStore {
    /// Opens the file, or makes it, for nobody but us. Tasks of hosts that are gone have failed: nothing runs them any more. Blocks for as
    /// long as that takes; the request path has no business here.
    pub fn open(file: &Path, limits: &Limits, now_ms: u64) -> Result<Self, OpenError> {
        let mut database = Database::open(file, limits, now_ms)?;
        let (jobs, inbox) = mpsc::channel::<Job>();
        let thread = Builder::new().name("tasks".to_owned()).spawn(move || {
            for job in inbox {
                job(&mut database);
            }
            database.leave();
        })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    fn run<'a, T: Send + 'static>(&'a self, work: impl FnOnce(&mut Database) -> Result<T, Failure> + Send + 'static) -> Answer<'a, T> {
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            let job: Job = Box::new(move |database| {
                // Nobody may be waiting any more.
                let _unheard = reply.send(work(database));
            });
            let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
            let done = if sent { answer.await.ok() } else { None };
            match done {
                Some(Ok(done)) => Ok(done),
                Some(Err(Failure::Refused(error))) => Err(error),
                Some(Err(Failure::Sqlite(error))) => {
                    tracing::error!(%error, "the database of tasks failed");
                    Err(StoreError::Unavailable)
                }
                None => {
                    tracing::error!("the thread of the database of tasks has died");
                    Err(StoreError::Unavailable)
                }
            }
        })
    }
}

impl Store for SqliteStore {
    fn create(&self, task: Task) -> Answer<'_, ()> {
        self.run(move |database| database.create(&task))
    }

    fn get<'a>(&'a self, owner: &'a Owner, id: &'a TaskId, now_ms: u64) -> Answer<'a, Option<Task>> {
        let (owner, id) = (owner.clone(), id.clone());
        self.run(move |database| database.get(&owner, &id, now_ms))
    }

    fn update<'a>(
        &'a self,
        owner: &'a Owner,
        id: &'a TaskId,
        expected: &'a [Status],
        change: Change,
        now_ms: u64,
    ) -> Answer<'a, Option<Task>> {
        let (owner, id, expected) = (owner.clone(), id.clone(), expected.to_vec());
        self.run(move |database| database.update(&owner, &id, &expected, change, now_ms))
    }

    fn remove_expired(&self, now_ms: u64) -> Answer<'_, usize> {
        self.run(move |database| database.remove_expired(now_ms))
    }
}

/// Waits for what was begun, so that whoever opens the file next finds it closed. That is at the end of the host.
impl Drop for SqliteStore {
    fn drop(&mut self) {
        drop(self.jobs.take());
        // A thread that has panicked has said so.
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}
