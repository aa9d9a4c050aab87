//! Keys in a file of SQLite's: they outlive the process.
//!
//! One connection on a thread of its own, with a bounded queue before it: a slow disk holds up neither a worker nor the runtime's blocking
//! threads. Values that were read or written lately are in memory as well, so that reading one takes no way to that thread. The thread
//! alone writes there, after the file, and no other process has the file open.

mod database;

use super::rules::{Change, Changed, Page, Quota, Space};
use super::{Answer, KvError, Store};
use crate::clock::Clock;
use crate::limits::Limits;
use database::{Database, Failure, Known};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use tokio::sync::{mpsc, oneshot};

/// The file of the key-value store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be made, or not be kept from others.
    #[error("the file of the key-value store cannot be made: {0}")]
    File(#[from] io::Error),
    /// It is damaged, or no database.
    #[error("the file of the key-value store cannot be used: {0}")]
    Database(#[from] rusqlite::Error),
    /// Another host has it.
    #[error(
        "another host uses the file of the key-value store: give this one a state folder of its own, or write store = \"memory\" in \
         [keyvalue] of cofferdam.toml"
    )]
    InUse,
    /// A newer host has written it.
    #[error("a newer host has written the key-value store: its version is {0}, the newest that is known here is {known}", known = database::VERSION)]
    Newer(i64),
}

/// Work for the connection's thread.
type Job = Box<dyn FnOnce(&mut Database) + Send>;

/// Keeps keys in a file.
pub struct SqliteStore {
    cache: Known,
    clock: Clock,
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl SqliteStore {
    /// Opens the file, or makes it, for nobody but us. Blocks for as long as that takes.
    pub fn open(file: &Path, limits: &Limits, clock: Clock) -> Result<Self, OpenError> {
        let cache = database::cache(limits);
        let mut database = Database::open(file, limits, clock.clone(), cache.clone())?;
        let (jobs, mut inbox) = mpsc::channel::<Job>(limits.keyvalue_queue_max.max(1));
        let thread = Builder::new().name("keyvalue".to_owned()).spawn(move || {
            while let Some(job) = inbox.blocking_recv() {
                job(&mut database);
            }
        })?;
        Ok(Self { cache, clock, jobs: Some(jobs), thread: Some(thread) })
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&mut Database) -> Result<T, Failure> + Send + 'static) -> Result<T, KvError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |database| {
            // Nobody may be waiting any more.
            let _unheard = reply.send(work(database));
        });
        let sent = match &self.jobs {
            Some(jobs) => jobs.send(job).await.is_ok(),
            None => false,
        };
        match if sent { answer.await.ok() } else { None } {
            Some(done) => done.map_err(Failure::told),
            None => {
                tracing::error!("the thread of the key-value store has died");
                Err(KvError::Unavailable("the store cannot be read or written now".to_owned()))
            }
        }
    }
}

impl Store for SqliteStore {
    fn get<'a>(&'a self, space: &'a Space, key: &'a str) -> Answer<'a, Option<Arc<[u8]>>> {
        let known = self.cache.get(&(space.clone(), key.into()));
        Box::pin(async move {
            let found = match known {
                Some(known) => known,
                None => {
                    let (space, key) = (space.clone(), key.to_owned());
                    self.run(move |database| database.get(&space, &key)).await?
                }
            };
            let now_ms = self.clock.since_epoch_ms();
            Ok(found.filter(|entry| entry.is_live(now_ms)).map(|entry| entry.value))
        })
    }

    fn change<'a>(&'a self, space: &'a Space, key: String, change: Change, quota: Quota) -> Answer<'a, Changed> {
        let space = space.clone();
        Box::pin(self.run(move |database| database.change(&space, key, change, &quota)))
    }

    fn list<'a>(&'a self, space: &'a Space, prefix: String, after: Option<String>, page_max: usize) -> Answer<'a, Page> {
        let space = space.clone();
        Box::pin(self.run(move |database| database.list(&space, &prefix, after.as_deref(), page_max)))
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
