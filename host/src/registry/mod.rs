//! Plugins: load, check, compile, swap. What is loaded is one immutable [`Snapshot`]; a request reads it once.

pub mod catalog;
mod check;
mod folder;
mod inspect;
mod load;
pub mod offers;
pub mod pages;
pub mod schema;
mod schema_work;
mod snapshot;
pub mod topics;
pub mod webhooks;

pub use check::{Checked, Finding, NoPlugin, Severity};
pub use inspect::{Import, Inspection, inspect};
pub use load::{Loader, PluginReport, State};
pub use pages::Listed;
pub use snapshot::{Binding, Found, Snapshot, Tool};

use crate::ids::TenantId;
use crate::topics::{Change, Changes, Topics};
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

/// The set in force.
pub struct Registry {
    snapshot: ArcSwap<Snapshot>,
    changes: Arc<Changes>,
    topics: Arc<Topics>,
    // For those who wait; everybody else looks at the flag, which costs no lock.
    ready: watch::Sender<bool>,
    is_ready: AtomicBool,
}

impl Registry {
    /// Empty, and not ready. Who listens to `changes` is told when a list is not what it was, and `topics` what can be published.
    #[must_use]
    pub fn new(changes: Arc<Changes>, topics: Arc<Topics>) -> Self {
        let snapshot = ArcSwap::from_pointee(Snapshot::default());
        Self { snapshot, changes, topics, ready: watch::Sender::new(false), is_ready: AtomicBool::new(false) }
    }

    /// Puts a set in force. Calls that have begun end on the one that they began with.
    pub fn swap(&self, snapshot: Snapshot) {
        let snapshot = Arc::new(snapshot);
        let before = self.snapshot.swap(Arc::clone(&snapshot));
        self.declare_topics(&before, &snapshot);
        let first = !self.is_ready.swap(true, Ordering::AcqRel);
        self.ready.send_replace(true);
        if !first {
            for listing in snapshot.changed_lists(&before) {
                self.changes.publish(&TenantId::local(), &Change::List(listing));
            }
        }
    }

    /// Says what can be published and subscribed to now.
    fn declare_topics(&self, before: &Snapshot, now: &Snapshot) {
        for binding in now.bindings() {
            let declared = binding.catalog.topics.iter().map(|topic| topic.declared.clone()).collect();
            self.topics.declare(&binding.tenant, &binding.plugin, declared);
        }
        let stays = |gone: &Binding| now.bindings().iter().any(|binding| binding.tenant == gone.tenant && binding.plugin == gone.plugin);
        for gone in before.bindings().iter().filter(|binding| !stays(binding)) {
            self.topics.declare(&gone.tenant, &gone.plugin, Vec::new());
        }
    }

    /// Where events are published.
    #[must_use]
    pub fn topics(&self) -> &Arc<Topics> {
        &self.topics
    }

    /// Where changes are told.
    #[must_use]
    pub fn changes(&self) -> &Arc<Changes> {
        &self.changes
    }

    /// Whether the first set is in force.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Acquire)
    }

    /// Changes whenever a set was put in force.
    #[must_use]
    pub fn swaps(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    /// The set in force now; empty while the host is still starting.
    #[must_use]
    pub fn in_force(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The set in force. Whoever comes while the host is still starting waits for it, so that nobody sees half of the plugins; the
    /// waiter's own deadline bounds it.
    pub async fn snapshot(&self) -> Arc<Snapshot> {
        if !self.is_ready() {
            // The sender lives as long as we do, so this ends only by becoming ready.
            let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
        }
        self.snapshot.load_full()
    }
}
