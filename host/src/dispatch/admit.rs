//! Slots: how many calls run at the same time, by plugin, by tenant and in all.

use super::CallError;
use super::writes::{Writes, Writing};
use crate::limits::Limits;
use crate::registry::Binding;
use crate::runtime::Ask;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a call holds while it runs; dropping it gives everything back.
pub(super) struct Slots {
    _plugin: OwnedSemaphorePermit,
    _tenant: OwnedSemaphorePermit,
    _host: OwnedSemaphorePermit,
    /// Counts the end of what may change something.
    _writing: Option<Writing>,
}

/// The slots of the host.
pub(super) struct Admission {
    // One tenant so far; with several, this is a map.
    tenant: Arc<Semaphore>,
    host: Arc<Semaphore>,
    queue_wait_max: Duration,
    writes: Arc<Writes>,
}

impl Admission {
    pub(super) fn new(limits: &Limits) -> Self {
        let semaphore = |permits: usize| Arc::new(Semaphore::new(permits));
        Self {
            tenant: semaphore(limits.tenant_calls_max),
            host: semaphore(limits.calls_max),
            queue_wait_max: limits.queue_wait_max,
            writes: Arc::default(),
        }
    }

    /// How often something may have been changed.
    pub(super) fn writes(&self) -> &Arc<Writes> {
        &self.writes
    }

    /// Slots for a call. Takes the narrowest slot first, so that a call that waits for its plugin does not hold what others could use.
    pub(super) async fn admit(&self, binding: &Binding, ask: &Ask) -> Result<Slots, CallError> {
        let plugin = self.take(&binding.slots).await.ok_or(CallError::TenantBusy)?;
        let tenant = self.take(&self.tenant).await.ok_or(CallError::TenantBusy)?;
        let host = self.take(&self.host).await.ok_or(CallError::HostBusy)?;
        Ok(Slots { _plugin: plugin, _tenant: tenant, _host: host, _writing: self.writes.begin(binding, ask) })
    }

    async fn take(&self, slots: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(slots).try_acquire_owned() {
            return Some(permit);
        }
        tokio::time::timeout(self.queue_wait_max, Arc::clone(slots).acquire_owned()).await.ok()?.ok()
    }
}
