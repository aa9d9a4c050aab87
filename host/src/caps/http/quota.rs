//! How many requests a call, a plugin, a tenant and the host make, at the same time and in all.

use super::HttpError;
use crate::caps::budget::CallTag;
use crate::caps::host::escape;
use crate::limits::Limits;
use crate::secrets::CallSecrets;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// What one call may still take.
pub struct CallQuota {
    tag: CallTag,
    /// When the call has to be over.
    pub(super) deadline: Instant,
    /// As this call sees them.
    pub(super) secrets: CallSecrets,
    requests: AtomicU32,
    audit_records: AtomicU32,
    slots: Arc<Semaphore>,
}

/// Requests at the same time.
pub(super) struct Slots {
    pub(super) plugin: Arc<Semaphore>,
    pub(super) tenant: Arc<Semaphore>,
    pub(super) host: Arc<Semaphore>,
    pub(super) wait_max: Duration,
}

/// Text of a guest's in a log record.
const SHOWN_CHARS_MAX: usize = 256;

impl CallQuota {
    pub(super) fn new(tag: CallTag, deadline: Instant, secrets: CallSecrets, limits: &Limits) -> Self {
        let slots = Arc::new(Semaphore::new(limits.http_concurrency_max));
        Self {
            tag,
            deadline,
            secrets,
            requests: AtomicU32::new(limits.http_requests_max),
            audit_records: AtomicU32::new(limits.audit_records_max),
            slots,
        }
    }

    /// Takes one request off.
    pub(super) fn charge(&self) -> Result<(), HttpError> {
        let left = self.requests.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map(drop).map_err(|_| {
            self.denied("", "http_requests_max");
            HttpError::Quota("the call made more requests than its limit allows")
        })
    }

    /// Tells the operator what a plugin tried, and not without end. The call's own budget is out of reach here: requests of the standard
    /// interface go on beside the guest.
    pub(super) fn denied(&self, request: &str, rule: &'static str) {
        let tag = &self.tag;
        let left = self.audit_records.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        let Ok(left) = left else { return };
        let asked = escape(&request.chars().take(SHOWN_CHARS_MAX).collect::<String>());
        let last = left == 1;
        tracing::warn!(target: "cofferdam::audit", tenant = %tag.tenant, plugin = %tag.plugin, call = %tag.reference, asked, rule, last, "denied: http");
    }
}

impl Slots {
    /// A slot of everybody's, the smallest circle first: who waits in its own holds none of the others'.
    pub(super) async fn take(&self, call: &CallQuota, deadline: Instant) -> Result<[OwnedSemaphorePermit; 4], HttpError> {
        let until = deadline.min(Instant::now() + self.wait_max);
        let take = |slots: &Arc<Semaphore>, whose: &'static str| {
            let slots = Arc::clone(slots);
            async move {
                let permit = timeout_at(until, slots.acquire_owned()).await.ok().and_then(Result::ok);
                permit.ok_or(HttpError::Quota(whose))
            }
        };
        Ok([
            take(&call.slots, "too many requests of this call at the same time").await?,
            take(&self.plugin, "too many requests of this plugin at the same time").await?,
            take(&self.tenant, "too many requests of this tenant at the same time").await?,
            take(&self.host, "too many requests of this host at the same time").await?,
        ])
    }
}
