//! How many feeds run at the same time, by plugin and in all.

use crate::ids::{PluginName, TenantId};
use crate::limits::Limits;
use crate::topics::FeedKey;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Plugin = (TenantId, PluginName);

/// The slots of the host.
pub(super) struct Slots {
    taken: Mutex<HashMap<Plugin, usize>>,
    plugin_max: usize,
    host_max: usize,
}

/// What a feed holds while it has an instance; dropping it gives it back.
pub(super) struct Slot {
    slots: Arc<Slots>,
    plugin: Plugin,
}

/// No slot is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Full {
    #[error("the plugin has {0} feeds that run (plugin_feeds_max)")]
    Plugin(usize),
    #[error("the host has {0} feeds that run (feeds_max)")]
    Host(usize),
}

impl Slots {
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self { taken: Mutex::default(), plugin_max: limits.plugin_feeds_max, host_max: limits.feeds_max })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Plugin, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take(self: &Arc<Self>, key: &FeedKey) -> Result<Slot, Full> {
        let plugin = (key.tenant.clone(), key.plugin.clone());
        let mut taken = self.taken();
        if taken.get(&plugin).copied().unwrap_or(0) >= self.plugin_max {
            return Err(Full::Plugin(self.plugin_max));
        }
        if taken.values().sum::<usize>() >= self.host_max {
            return Err(Full::Host(self.host_max));
        }
        *taken.entry(plugin.clone()).or_insert(0) += 1;
        Ok(Slot { slots: Arc::clone(self), plugin })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken();
        let left = taken.get_mut(&self.plugin).map(|count| {
            *count -= 1;
            *count
        });
        if left == Some(0) {
            taken.remove(&self.plugin);
        }
    }
}
