//! Webhooks: a signed request becomes events of a topic. Its signature comes first: until it was verified, nothing of the request means
//! anything, and the sender is told the same whatever is wrong. A request is taken once.

use super::replays::{Digest, NotNew, Replays};
use super::signature::{self, Delivery, Refused};
use super::{CallError, Dispatch, encode, wrong_kind};
use crate::auth::Principal;
use crate::caps::budget::CallTag;
use crate::grants::Signature;
use crate::ids::{CallRef, PluginName, TenantId};
use crate::limits::Limits;
use crate::mcp::{Abilities, bounds};
use crate::registry::topics::Topic;
use crate::registry::{Binding, webhooks::Webhook};
use crate::runtime::{Ask, Done, Export, GuestError, Job};
use crate::topics::{NewEvent, PublishError};
use crate::wit::cofferdam::mcp::types::{Event, Failure};
use bytes::Bytes;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use http::{HeaderMap, HeaderName, Method};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// GitHub's name for what happened.
const GITHUB_EVENT: HeaderName = HeaderName::from_static("x-github-event");
/// The same for senders of the generic scheme.
const EVENT_TYPE: HeaderName = HeaderName::from_static("x-event-type");

/// Stripe's name for it, in the body.
#[derive(Deserialize)]
struct EventType {
    #[serde(rename = "type", default)]
    kind: Option<String>,
}

/// A topic that a request can be sent to. Pins its revision.
pub struct Hook {
    binding: Arc<Binding>,
    topic: String,
}

/// A request to a webhook.
#[derive(Debug)]
pub struct HookRequest<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Path and query, as they were sent.
    pub target: &'a str,
    /// Its header fields.
    pub headers: &'a HeaderMap,
    /// Its body, as it was sent.
    pub body: Bytes,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The ids of its events, in order.
    pub ids: Vec<u64>,
    /// Events that were not published, because the plugin publishes too fast.
    pub dropped: usize,
}

/// Why a request was not taken.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// There is no webhook here.
    #[error("there is no webhook at this path")]
    Unknown,
    /// The signature is wrong, or old, or was there before: only the log says which.
    #[error("the request is not signed as this webhook wants it")]
    Refused,
    /// The host cannot verify it now.
    #[error("the request cannot be verified now: send it again later")]
    Unverifiable,
    /// It is signed, and is no event.
    #[error("{0}")]
    NoEvent(String),
    /// The plugin cannot take it now.
    #[error("{0}")]
    Unavailable(String),
    /// It was an event, and could not be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The plugin could not make events of it.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// What webhooks remember, by plugin: another revision of a plugin takes no request again.
pub(super) struct Hooks {
    limits: Arc<Limits>,
    plugins: Mutex<HashMap<(TenantId, PluginName), Arc<Remembered>>>,
}

struct Remembered {
    replays: Replays,
    logged: DefaultDirectRateLimiter,
    unlogged: AtomicU64,
}

impl Hooks {
    pub(super) fn new(limits: &Arc<Limits>) -> Self {
        Self { limits: Arc::clone(limits), plugins: Mutex::default() }
    }

    /// What a plugin's webhooks remember. There are as many as plugins that had a webhook.
    fn of(&self, binding: &Binding) -> Arc<Remembered> {
        let mut plugins = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = NonZeroU32::new(self.limits.webhook_refusals_logged_per_second_max).unwrap_or(NonZeroU32::MIN);
        let fresh = || Remembered {
            replays: Replays::new(self.limits.webhook_replays_max),
            logged: RateLimiter::direct(Quota::per_second(rate)),
            unlogged: AtomicU64::new(0),
        };
        let key = (binding.tenant.clone(), binding.plugin.clone());
        Arc::clone(plugins.entry(key).or_insert_with(|| Arc::new(fresh())))
    }
}

impl Remembered {
    /// Says in the log why, as long as not too many come.
    fn refused(&self, hook: &Hook, why: &dyn std::fmt::Display) -> HookError {
        if self.logged.check().is_ok() {
            let (tenant, plugin, topic) = (&hook.binding.tenant, &hook.binding.plugin, &hook.topic);
            let unlogged = self.unlogged.swap(0, Ordering::Relaxed);
            tracing::warn!(%tenant, %plugin, topic, unlogged, "a webhook's request was refused: {why}");
        } else {
            self.unlogged.fetch_add(1, Ordering::Relaxed);
        }
        HookError::Refused
    }
}

impl Dispatch {
    /// The webhook of a plugin's topic.
    pub async fn find_webhook(&self, principal: &Principal, plugin: &str, topic: &str) -> Result<Hook, HookError> {
        let snapshot = self.registry.snapshot().await;
        let (binding, _) = snapshot.topic(plugin, topic).ok_or(HookError::Unknown)?;
        if binding.tenant != principal.tenant || binding.webhook(topic).is_none() {
            return Err(HookError::Unknown);
        }
        Ok(Hook { binding: Arc::clone(binding), topic: topic.to_owned() })
    }

    /// Verifies a request, makes events of it, and publishes them.
    pub async fn take_webhook(&self, hook: &Hook, request: HookRequest<'_>) -> Result<Taken, HookError> {
        let (webhook, topic) = hook.binding.webhook(&hook.topic).ok_or(HookError::Unknown)?;
        let remembered = self.hooks.of(&hook.binding);
        let digests = self.verify(hook, webhook, &request, &remembered).await?;
        let published = match self.events(hook, webhook, topic, request).await {
            Ok(events) => self.publish_all(hook, events),
            Err(error) => Err(error),
        };
        // Nothing came of it and the sender may send it again: the very same.
        if published.as_ref().is_err_and(HookError::may_come_again) {
            remembered.replays.give_back(&digests);
        }
        published
    }

    /// Verifies the signature, and that it was not there before. Returns what is remembered of it.
    async fn verify(
        &self,
        hook: &Hook,
        webhook: &Webhook,
        request: &HookRequest<'_>,
        remembered: &Remembered,
    ) -> Result<Vec<Digest>, HookError> {
        // The store of secrets has said in the log what is wrong with it.
        let key = webhook.key().await.map_err(|_| HookError::Unverifiable)?;
        let HookRequest { method, target, headers, body } = request;
        let delivery = Delivery { method, target, headers, body };
        let now_ms = self.clock.since_epoch_ms();
        let verified = signature::verify(&webhook.grant, key.expose().as_bytes(), delivery, now_ms);
        let verified = verified.map_err(|why| remembered.refused(hook, &why))?;
        let digest = |(at, part): (usize, &Vec<u8>)| Sha256::new().chain_update(at.to_be_bytes()).chain_update(part).finalize().into();
        let digests: Vec<Digest> = verified.once.iter().enumerate().map(digest).collect();
        remembered.replays.take(&digests, verified.until_ms, now_ms).map_err(|why| match why {
            NotNew::Again => remembered.refused(hook, &Refused::Again),
            NotNew::Full => {
                remembered.refused(hook, &"as many requests are remembered as may be (webhook_replays_max)");
                HookError::Unverifiable
            }
        })?;
        Ok(digests)
    }

    /// The events of a request: what the plugin makes of it, or its body.
    async fn events(&self, hook: &Hook, webhook: &Webhook, topic: &Topic, request: HookRequest<'_>) -> Result<Vec<NewEvent>, HookError> {
        if !hook.binding.guest.has(Export::Webhook) {
            return Ok(vec![self.body_event(webhook, topic, &request)?]);
        }
        let shown = |(name, value): (&HeaderName, &http::HeaderValue)| {
            (!signature::is_withheld(&webhook.grant, name)).then(|| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        };
        let headers = request.headers.iter().filter_map(|field| shown(field).flatten()).collect();
        let ask = Ask::Webhook { topic: hook.topic.clone(), headers, body: request.body };
        let reference = CallRef::next();
        let (done, reference) = self.invoke(hook.job(ask, reference), &hook.binding).await?;
        let failed = |error: &GuestError| HookError::Call(super::failed(&hook.binding, error, reference));
        match done {
            Ok(Done::Events(events)) => {
                let most = self.limits.webhook_events_max;
                if events.len() > most {
                    return Err(failed(&GuestError::BadReply(format!("more than {most} events (webhook_events_max)"))));
                }
                let events = events.into_iter().map(|event| self.guest_event(topic, event));
                events.collect::<Result<_, _>>().map_err(|why| failed(&GuestError::BadReply(why)))
            }
            Ok(_) => Err(failed(&wrong_kind())),
            Err(failure @ Failure::Unavailable(_)) => Err(HookError::Unavailable(encode::failure_text(failure))),
            Err(failure) => Err(HookError::NoEvent(encode::failure_text(failure))),
        }
    }

    /// The body as an event.
    fn body_event(&self, webhook: &Webhook, topic: &Topic, request: &HookRequest<'_>) -> Result<NewEvent, HookError> {
        let wrong = |why: &dyn std::fmt::Display| HookError::NoEvent(format!("the body is no event of this topic: {why}"));
        let limits = &self.limits;
        bounds::check(&request.body, limits.json_depth_max, limits.json_values_max).map_err(|error| wrong(&error))?;
        let text = std::str::from_utf8(&request.body).map_err(|_| wrong(&"it is not UTF-8 text"))?;
        if let Some(problems) = topic.problems(text) {
            return Err(wrong(&problems));
        }
        let header = |name: &HeaderName| request.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let kind = match webhook.grant.signature {
            Signature::Github => header(&GITHUB_EVENT),
            Signature::Stripe => serde_json::from_str(text).ok().and_then(|EventType { kind }| kind),
            Signature::HmacSha256 => header(&EVENT_TYPE),
        };
        let source = Some(webhook.grant.signature.as_str().to_owned());
        Ok(NewEvent { data: text.to_owned(), source, severity: None, kind })
    }

    /// An event that a plugin made.
    fn guest_event(&self, topic: &Topic, event: Event) -> Result<NewEvent, String> {
        if let Some(problems) = topic.problems(&event.data) {
            return Err(problems);
        }
        let Event { data, source, severity, kind } = event;
        let texts = [&source, &severity, &kind].into_iter().flatten().map(String::len).sum::<usize>();
        if data.len() + texts > self.limits.event_bytes_max {
            return Err(format!("an event is larger than {} bytes (event_bytes_max)", self.limits.event_bytes_max));
        }
        Ok(NewEvent { data, source, severity, kind })
    }

    /// Publishes in order, up to the first that is refused.
    fn publish_all(&self, hook: &Hook, events: Vec<NewEvent>) -> Result<Taken, HookError> {
        let (Binding { tenant, plugin, .. }, topics) = (&*hook.binding, self.registry.topics());
        let mut taken = Taken { ids: Vec::with_capacity(events.len()), dropped: 0 };
        let count = events.len();
        for event in events {
            match topics.publish(tenant, plugin, &hook.topic, event) {
                Ok(id) => taken.ids.push(id),
                Err(error) if taken.ids.is_empty() => return Err(error.into()),
                Err(error) => {
                    taken.dropped = count - taken.ids.len();
                    tracing::warn!(%tenant, %plugin, topic = hook.topic, dropped = taken.dropped, %error, "events of a webhook were dropped");
                    break;
                }
            }
        }
        Ok(taken)
    }
}

impl HookError {
    /// Whether nothing came of the request for a reason that may be gone in a moment. Senders try again after any status of 500 and
    /// above, and a plugin that failed may have mended itself by then.
    fn may_come_again(&self) -> bool {
        matches!(self, Self::Call(_) | Self::Unavailable(_))
            || matches!(self, Self::Publish(PublishError::TooFast(_) | PublishError::TooManyTopics(_)))
    }
}

impl Hook {
    /// A call without a caller but the tenant.
    fn job(&self, ask: Ask, reference: CallRef) -> Job {
        let Binding { tenant, plugin, limits, .. } = &*self.binding;
        Job {
            ask: Arc::new(ask),
            round: None,
            caller: Arc::new(Principal { tenant: tenant.clone(), subject: String::new(), scopes: Vec::new() }),
            abilities: Abilities::default(),
            client: None,
            meta: None,
            tag: CallTag { reference, tenant: tenant.clone(), plugin: plugin.clone() },
            limits: limits.clone(),
            deadline: Instant::now() + limits.wall_time_max,
        }
    }
}
