//! Plugins: load, check, compile, swap. What is loaded is one immutable [`Snapshot`]; a request reads it once.

pub mod catalog;
mod folder;
mod load;
pub mod schema;
mod snapshot;

pub use load::{Loader, PluginReport, State};
pub use snapshot::{Binding, Snapshot, Tool};

use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

/// The set in force.
pub struct Registry {
    snapshot: ArcSwap<Snapshot>,
    // For those who wait; everybody else looks at the flag, which costs no lock.
    ready: watch::Sender<bool>,
    is_ready: AtomicBool,
}

impl Registry {
    /// Empty, and not ready.
    #[must_use]
    pub fn new() -> Self {
        Self { snapshot: ArcSwap::from_pointee(Snapshot::default()), ready: watch::Sender::new(false), is_ready: AtomicBool::new(false) }
    }

    /// Puts a set in force. Calls that have begun end on the one that they began with.
    pub fn swap(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
        self.is_ready.store(true, Ordering::Release);
        self.ready.send_replace(true);
    }

    /// Whether the first set is in force.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Acquire)
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

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}
