//! Who is told when something changed: lists, resources, tasks. A publisher never waits for a listener.

use crate::ids::TenantId;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, Weak};

/// What clients list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Listing {
    /// Tools.
    Tools,
    /// Prompts.
    Prompts,
    /// Resources and their templates.
    Resources,
}

impl Listing {
    /// Every list.
    pub const ALL: [Self; 3] = [Self::Tools, Self::Prompts, Self::Resources];

    /// As it stands in method names.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
        }
    }
}

/// Something that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A list is worth fetching again.
    List(Listing),
    /// The contents of the resource with this URI.
    Resource(Arc<str>),
    /// The status of a task.
    Task {
        /// Which one.
        id: Arc<str>,
        /// What it is like now: the members of a JSON object.
        members: Arc<str>,
    },
}

/// Somebody who wants to be told.
pub trait Listener: Send + Sync {
    /// Takes note and returns at once: what is done about it is done elsewhere.
    fn changed(&self, change: &Change);
}

/// Tells listeners of one tenant what happened there.
#[derive(Default)]
pub struct Changes {
    listeners: RwLock<Listeners>,
}

#[derive(Default)]
struct Listeners {
    next: u64,
    by_number: HashMap<u64, (TenantId, Weak<dyn Listener>)>,
}

/// A listener's place; it hears no more when this is dropped.
pub struct Listening {
    changes: Arc<Changes>,
    number: u64,
}

impl Changes {
    /// Nobody listens yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Tells a listener from now on what changes for a tenant. Whoever owns the listener also keeps the place.
    #[must_use]
    pub fn listen(self: &Arc<Self>, tenant: &TenantId, listener: Weak<dyn Listener>) -> Listening {
        let mut listeners = self.listeners.write().unwrap_or_else(PoisonError::into_inner);
        let number = listeners.next;
        listeners.next += 1;
        listeners.by_number.insert(number, (tenant.clone(), listener));
        Listening { changes: Arc::clone(self), number }
    }

    /// How many listen.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.listeners.read().unwrap_or_else(PoisonError::into_inner).by_number.len()
    }

    /// Tells everybody of the tenant.
    pub fn publish(&self, tenant: &TenantId, change: &Change) {
        let listeners: Vec<_> = {
            let listeners = self.listeners.read().unwrap_or_else(PoisonError::into_inner);
            listeners.by_number.values().filter(|(of, _)| of == tenant).filter_map(|(_, listener)| listener.upgrade()).collect()
        };
        for listener in listeners {
            listener.changed(change);
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut listeners = self.changes.listeners.write().unwrap_or_else(PoisonError::into_inner);
        listeners.by_number.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Heard(Mutex<Vec<Change>>);

    impl Listener for Heard {
        fn changed(&self, change: &Change) {
            self.0.lock().unwrap().push(change.clone());
        }
    }

    #[test]
    fn listeners_hear_what_happens_while_they_listen() {
        let (changes, heard, tenant) = (Changes::new(), Arc::new(Heard::default()), TenantId::local());
        let listener: Arc<dyn Listener> = Arc::<Heard>::clone(&heard);
        changes.publish(&tenant, &Change::List(Listing::Tools));
        let listening = changes.listen(&tenant, Arc::downgrade(&listener));
        changes.publish(&tenant, &Change::List(Listing::Prompts));
        assert_eq!(changes.listeners(), 1);
        drop(listening);
        changes.publish(&tenant, &Change::Resource("a".into()));
        assert_eq!((changes.listeners(), heard.0.lock().unwrap().clone()), (0, vec![Change::List(Listing::Prompts)]));
    }
}
