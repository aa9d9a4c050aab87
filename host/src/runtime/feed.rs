//! A feed: a source of events that a guest runs. Its store and its one instance live for as long as it does; every call into it has a
//! budget of its own, and the first that goes wrong takes the store with it.

use super::guest::{Guest, allow_cpu_time, guarded};
use super::meter::Meter;
use super::store::{CallState, GuestError};
use crate::caps::budget::CallTag;
use crate::limits::CallLimits;
use crate::wit::cofferdam::mcp::types::{Caller, ClientAbilities, Context, Event, Failure};
use crate::wit::exports::cofferdam::mcp::subscribe;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use wasmtime::Store;
use wasmtime::component::ResourceAny;

/// What to open.
#[derive(Debug)]
pub struct Opening {
    /// The topic's name in the plugin.
    pub topic: Arc<str>,
    /// What is asked for: a JSON object.
    pub filters: Arc<str>,
    /// Whose feed it is, for the log.
    pub tag: CallTag,
    /// What each call into it may take; the memory is that of its whole life.
    pub limits: CallLimits,
}

/// A feed that is open. It ends when this is dropped.
pub struct Feed {
    store: Store<CallState>,
    exports: subscribe::Guest,
    feed: ResourceAny,
    limits: CallLimits,
}

impl Guest {
    /// Opens a feed for nobody in particular of the tenant. The guest may say that it cannot.
    pub async fn open_feed(self: &Arc<Self>, opening: Opening) -> Result<Result<Feed, Failure>, GuestError> {
        let Opening { topic, filters, tag, limits } = opening;
        let (guest, meter, deadline) = (Arc::clone(self), Meter::new(), Instant::now() + limits.wall_time_max);
        let tenant = tag.tenant.clone();
        let mut store = self.store(tag, &limits, deadline, &meter);
        let run = async move {
            let opened = async {
                let context = Context {
                    caller: Caller { tenant: tenant.as_str(), subject: "", scopes: &[] },
                    client: ClientAbilities { elicitation_form: false, elicitation_url: false, sampling: false, roots: false },
                    meta: None,
                    round: None,
                };
                let instance = guest.linked.pre.instantiate_async(&mut store).await?;
                let exported = guest.subscribe.as_ref().ok_or_else(|| wasmtime::format_err!("the handler is not exported"))?;
                let exports = exported.load(&mut store, &instance)?;
                let opened = exports.call_open(&mut store, context, &topic, &filters).await?;
                Ok(opened.map(|feed| (exports, feed)))
            }
            .await;
            store.data_mut().log_output();
            match opened {
                Ok(opened) => Ok(opened.map(|(exports, feed)| Feed { store, exports, feed, limits })),
                Err(error) => Err(GuestError::from_wasmtime(&error, &store.data().limiter)),
            }
        };
        guarded(Box::pin(run), meter, deadline).await
    }
}

impl Feed {
    /// Asks for the next events, which the guest may wait for so long; none when there will be no more. What is not there afterwards is
    /// gone: a feed that failed is never asked again.
    pub async fn next(mut self, wait: Duration) -> Result<Result<(Self, Option<Vec<Event>>), Failure>, GuestError> {
        let wait_ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
        let (meter, deadline) = self.renew(wait);
        let run = async move {
            let asked = self.exports.feed().call_next(&mut self.store, self.feed, wait_ms).await;
            self.store.data_mut().log_output();
            match asked {
                Ok(answer) => Ok(answer.map(|events| (self, events))),
                Err(error) => Err(GuestError::from_wasmtime(&error, &self.store.data().limiter)),
            }
        };
        guarded(Box::pin(run), meter, deadline).await
    }

    /// Lets the guest clean up after itself.
    pub async fn close(mut self) -> Result<(), GuestError> {
        let (meter, deadline) = self.renew(Duration::ZERO);
        let run = async move {
            let closed = self.feed.resource_drop_async(&mut self.store).await;
            self.store.data_mut().log_output();
            closed.map_err(|error| GuestError::from_wasmtime(&error, &self.store.data().limiter))
        };
        guarded(Box::pin(run), meter, deadline).await
    }

    /// A whole budget for another call, which may take the wall time of any call beside what it is told to wait.
    fn renew(&mut self, wait: Duration) -> (Arc<Meter>, Instant) {
        let (meter, deadline) = (Meter::new(), Instant::now() + wait + self.limits.wall_time_max);
        self.store.data_mut().renew(deadline);
        allow_cpu_time(&mut self.store, self.limits.cpu_time_max, &meter);
        (meter, deadline)
    }
}
