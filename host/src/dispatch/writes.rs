//! How often something may have been changed. Whoever reads compares counts: an answer from before a change is not given to somebody who
//! asks after it.

use crate::ids::{PluginName, TenantId};
use crate::registry::Binding;
use crate::runtime::{Ask, Handler};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The counts of all tenants.
#[derive(Debug, Default)]
pub(super) struct Writes(Mutex<HashMap<TenantId, Counts>>);

#[derive(Debug, Default)]
struct Counts {
    all: u64,
    plugins: HashMap<PluginName, u64>,
}

/// How many changes have begun and ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Count {
    /// Of the tenant: plugins may share what they work on.
    pub(super) all: u64,
    /// Of the plugin alone.
    pub(super) plugin: u64,
}

/// A change in progress. Its end counts however it ended: half of an update is one too.
pub(super) struct Writing {
    writes: Arc<Writes>,
    tenant: TenantId,
    plugin: PluginName,
}

impl Writes {
    fn counts(&self) -> MutexGuard<'_, HashMap<TenantId, Counts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counts as they are now.
    pub(super) fn now(&self, binding: &Binding) -> Count {
        let counts = self.counts();
        let counts = counts.get(&binding.tenant);
        let plugin = counts.and_then(|counts| counts.plugins.get(&binding.plugin)).copied();
        Count { all: counts.map_or(0, |counts| counts.all), plugin: plugin.unwrap_or(0) }
    }

    /// Counts the beginning of whatever may change something; the end is counted when what is returned is dropped.
    pub(super) fn begin(self: &Arc<Self>, binding: &Binding, ask: &Ask) -> Option<Writing> {
        if !matches!(ask, Ask::Operation { handler: Handler::Update | Handler::Plain, .. } | Ask::Webhook { .. }) {
            return None;
        }
        self.count(&binding.tenant, &binding.plugin);
        Some(Writing { writes: Arc::clone(self), tenant: binding.tenant.clone(), plugin: binding.plugin.clone() })
    }

    fn count(&self, tenant: &TenantId, plugin: &PluginName) {
        let mut counts = self.counts();
        let counts = counts.entry(tenant.clone()).or_default();
        counts.all += 1;
        *counts.plugins.entry(plugin.clone()).or_insert(0) += 1;
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.writes.count(&self.tenant, &self.plugin);
    }
}
