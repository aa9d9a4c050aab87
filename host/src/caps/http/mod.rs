//! `cofferdam:mcp/http` and `wasi:http/outgoing-handler`: requests that the manifest grants, on one checked path.

mod cache;
mod check;
mod error;
mod fetch;
mod quota;
#[cfg(test)]
mod tests;
mod wasi;

use super::budget::{Budget, CallTag};
use crate::egress::{Client, Egress, EgressError, Request, ResponseBody, Times};
use crate::grants::HttpGrant;
use crate::grants::http::{Method, Part, Target};
use crate::ids::TenantId;
use crate::limits::Limits;
use crate::secrets::{CallSecrets, Secrets};
use crate::wit::cofferdam::mcp::http as wit;
use cache::Cache;
pub use error::HttpError;
use http::{HeaderMap, HeaderValue};
pub use quota::CallQuota;
use quota::Slots;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;
use tokio::time::timeout_at;
pub use wasi::{Hooks, link as link_wasi};
use wasmtime::component::{HasData, Linker};

/// The way out for all guests of this host: one per process.
pub struct Http {
    egress: Arc<Egress>,
    secrets: Secrets,
    limits: Arc<Limits>,
    slots: Arc<Semaphore>,
    tenants: Mutex<BTreeMap<String, Arc<Semaphore>>>,
}

/// What a binding was granted, with its own connections and its own cache.
pub struct HttpCap {
    grant: HttpGrant,
    client: Client,
    cache: Option<Cache>,
    slots: Slots,
    secrets: Secrets,
    limits: Arc<Limits>,
}

impl Http {
    /// Takes the way out; nothing is dialled yet.
    #[must_use]
    pub fn new(egress: Arc<Egress>, secrets: Secrets, limits: &Arc<Limits>) -> Self {
        let slots = Arc::new(Semaphore::new(limits.http_host_requests_max));
        Self { egress, secrets, limits: Arc::clone(limits), slots, tenants: Mutex::default() }
    }

    /// Keeps plugins from a listener of this host's.
    pub fn keep_out_of(&self, listener: std::net::SocketAddr) {
        self.egress.keep_out_of(listener);
    }

    /// What a binding of this tenant's was granted.
    #[must_use]
    pub fn grant(&self, tenant: &TenantId, grant: HttpGrant) -> HttpCap {
        self.egress.prepare();
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let tenant = tenants.entry(tenant.to_string());
        let tenant = Arc::clone(tenant.or_insert_with(|| Arc::new(Semaphore::new(self.limits.http_tenant_requests_max))));
        let plugin = Arc::new(Semaphore::new(grant.concurrency_max));
        let slots = Slots { plugin, tenant, host: Arc::clone(&self.slots), wait_max: self.limits.http_wait_max };
        let cache = grant.cache.clone().map(|cache| Cache::new(cache, self.limits.http_cache_entries_max));
        let (client, secrets, limits) = (Client::new(&self.egress), self.secrets.clone(), Arc::clone(&self.limits));
        HttpCap { grant, client, cache, slots, secrets, limits }
    }
}

impl HttpCap {
    /// What one call may take of it.
    #[must_use]
    pub fn for_call(&self, tag: CallTag, deadline: tokio::time::Instant) -> CallQuota {
        CallQuota::new(tag, deadline, self.secrets.for_call(), &self.limits)
    }

    /// One request: checked, counted, with the host's own headers, on a connection of the binding's.
    async fn send(&self, call: &CallQuota, request: Request, times: Times) -> Result<http::Response<ResponseBody>, HttpError> {
        let url_bytes = request.target.path_and_query.as_str().len();
        if url_bytes > self.limits.http_url_bytes_max {
            return Err(HttpError::TooLarge("the URL", self.limits.http_url_bytes_max));
        }
        self.check(call, request.method, &request.target)?;
        call.charge()?;
        let held = self.slots.take(call, times.deadline).await?;
        let mut request = request;
        let headers = self.put_in_headers(&call.secrets, &request.target, &mut request.headers);
        // A secret may be a program's output.
        timeout_at(times.deadline, headers).await.map_err(|_| EgressError::Timeout("reading a secret", times.total_max))??;
        let target = request.target.clone();
        let sent = self.client.send(request, times, self.grant.response_bytes_max, Box::new(held)).await;
        sent.map_err(|error| {
            if error == EgressError::Refused {
                call.denied(&format!("{}{}", target.origin, target.path()), "address");
            }
            HttpError::Egress(error)
        })
    }

    /// Whether the grant has it.
    fn check(&self, call: &CallQuota, method: Method, target: &Target) -> Result<(), HttpError> {
        if self.grant.allows(method, target) {
            return Ok(());
        }
        // Without the query: that is where secrets would be.
        call.denied(&format!("{} {}{}", method.as_str(), target.origin, target.path()), "grant");
        Err(HttpError::Denied(format!("{} {} is not in \"allow\" of [grants.http]", method.as_str(), target.origin)))
    }

    /// The host's headers take the place of the guest's.
    async fn put_in_headers(&self, secrets: &CallSecrets, target: &Target, headers: &mut HeaderMap) -> Result<(), HttpError> {
        for wanted in self.grant.headers_for(&target.origin) {
            let mut text = zeroize::Zeroizing::new(String::new());
            for part in wanted.value.parts() {
                match part {
                    Part::Text(part) => text.push_str(part),
                    Part::Secret(name) => text.push_str(secrets.get(name).await.map_err(|_| HttpError::Secret)?.expose()),
                }
            }
            // A secret with a line break in it would be two headers.
            let mut value = HeaderValue::from_str(&text).map_err(|_| {
                tracing::error!(header = %wanted.name, origin = %target.origin, "a secret cannot be put into a header: it is more than one line of ASCII");
                HttpError::Secret
            })?;
            value.set_sensitive(true);
            headers.insert(wanted.name.clone(), value);
        }
        Ok(())
    }
}

/// One call's view.
pub struct HttpView<'a> {
    /// What the binding was granted, and what of it the call may still take. None when it was not granted; then it is not linked either.
    pub cap: Option<(&'a HttpCap, &'a CallQuota)>,
    /// What the call may still take.
    pub budget: &'a mut Budget,
}

impl wit::Host for HttpView<'_> {
    async fn fetch(&mut self, request: wit::Request) -> wasmtime::Result<Result<wit::Response, wit::Error>> {
        self.budget.charge_host_call()?;
        let Some((cap, call)) = self.cap else { return Ok(Err(wit::Error::Denied("not granted".to_owned()))) };
        Ok(cap.fetch(call, request).await.map_err(Into::into))
    }
}

struct HasHttp;

impl HasData for HasHttp {
    type Data<'a> = HttpView<'a>;
}

/// Links the interface.
pub fn link<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> HttpView<'_>) -> wasmtime::Result<()> {
    wit::add_to_linker::<T, HasHttp>(linker, view)
}
