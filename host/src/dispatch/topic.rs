//! Topics as resources: what is read of them is what the host keeps, and no guest runs for it.

use super::exchange::Exchange;
use super::{CallError, Dispatch, encode, failed};
use crate::auth::Principal;
use crate::ids::CallRef;
use crate::mcp::Request;
use crate::registry::{Binding, Snapshot};
use crate::topics::{Counted, Event, SubscribeError, Subscriber, Watching, topic_of_uri};
use crate::wit::cofferdam::mcp::types::{Body, ResourceContents};
use crate::wit::exports::cofferdam::mcp::resources::ResourceReply;
use std::sync::Arc;

/// What stands around the events in an answer, at most.
const ENVELOPE_BYTES: usize = 4 << 10;

/// Somebody's wish to hear when a resource changes. The feed of a topic runs until this is dropped.
pub struct Hearing {
    watching: Option<Watching>,
}

impl Hearing {
    /// Whether the resource is a topic.
    #[must_use]
    pub fn is_topic(&self) -> bool {
        self.watching.is_some()
    }
}

impl Dispatch {
    /// One more subscription of a caller's; it is one less when what comes back is dropped.
    pub fn count_subscription(&self, principal: &Principal) -> Result<Counted, SubscribeError> {
        self.registry.topics().count(Subscriber { tenant: &principal.tenant, subject: &principal.subject })
    }

    /// Makes the updates of a resource heard; none when there is no such resource for the caller.
    pub async fn hear(&self, principal: &Principal, uri: &str) -> Option<Hearing> {
        hear(self, &*self.registry.snapshot().await, principal, uri)
    }

    /// The newest events of a topic, as many as an answer takes, as one JSON object.
    pub(super) fn read_topic(
        &self,
        snapshot: &Snapshot,
        principal: &Principal,
        request: &Request<'_>,
        exchange: &Exchange<'_>,
        uri: &str,
    ) -> Result<Vec<u8>, CallError> {
        let not_found = || CallError::no_resource(uri, exchange.version);
        let (binding, name) = topic(snapshot, principal, uri).ok_or_else(not_found)?;
        let retained = self.registry.topics().retained(&binding.tenant, &binding.plugin, name).ok_or_else(not_found)?;
        let most = binding.limits.output_bytes_max;
        let text = contents(&format!("{}/{name}", binding.plugin), &retained, most.saturating_sub(ENVELOPE_BYTES));
        let item =
            ResourceContents { uri: uri.to_owned(), mime_type: Some("application/json".to_owned()), body: Body::Text(text), meta: None };
        let reply = ResourceReply { contents: vec![item], cache: None };
        encode::resource(request.id, exchange.version, &reply, most).map_err(|error| failed(binding, &error, CallRef::next()))
    }
}

/// The same on a set that is at hand.
pub(super) fn hear(dispatch: &Dispatch, snapshot: &Snapshot, principal: &Principal, uri: &str) -> Option<Hearing> {
    if let Some((binding, name)) = topic(snapshot, principal, uri) {
        let watching = dispatch.registry.topics().watch(&binding.tenant, &binding.plugin, name)?;
        return Some(Hearing { watching: Some(watching) });
    }
    let known = snapshot.resource(uri).is_some_and(|found| found.binding.tenant == principal.tenant);
    known.then_some(Hearing { watching: None })
}

/// The topic of a URI: whose it is, and its name there.
fn topic<'s, 'u>(snapshot: &'s Snapshot, principal: &Principal, uri: &'u str) -> Option<(&'s Arc<Binding>, &'u str)> {
    let (plugin, name) = topic_of_uri(uri)?;
    let (binding, _) = snapshot.topic(plugin, name)?;
    (binding.tenant == principal.tenant).then_some((binding, name))
}

/// `events` are oldest first; the oldest are left out when the text would be longer than `bytes_max` within another JSON text.
fn contents(topic: &str, events: &[Arc<Event>], bytes_max: usize) -> String {
    let mut left = bytes_max;
    let fits = |event: &&Arc<Event>| {
        // Within a text, each of these takes a byte more; nothing else in it is escaped once more.
        let escaped = event.json().iter().filter(|byte| matches!(byte, b'"' | b'\\' | b'\t')).count();
        let fits = left.checked_sub(event.json().len() + escaped + 1);
        left = fits.unwrap_or(0);
        fits.is_some()
    };
    let mut newest: Vec<_> = events.iter().rev().take_while(fits).map(|event| String::from_utf8_lossy(event.json())).collect();
    newest.reverse();
    format!(r#"{{"topic":{},"events":[{}]}}"#, serde_json::Value::from(topic), newest.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::NewEvent;
    use serde_json::Value;

    #[test]
    fn of_too_many_events_the_newest_are_read() {
        let new = |at: u64| NewEvent { data: format!("{{\"at\":\t{at},\n\"q\":\"\\\\\"}}"), ..NewEvent::default() };
        let events: Vec<_> = (1..=20).map(|at| Arc::new(Event::new(at, "logs/lines".into(), 0, new(at)))).collect();
        let ids = |bytes_max: usize| {
            let text = contents("logs/lines", &events, bytes_max);
            let within = Value::from(text.as_str()).to_string().len();
            assert!(within <= bytes_max + 64, "{within} of {bytes_max}");
            let value: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(value["topic"], "logs/lines");
            value["events"].as_array().unwrap().iter().map(|event| event["id"].as_u64().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(ids(1 << 20), (1..=20).collect::<Vec<_>>());
        assert_eq!(ids(0), Vec::<u64>::new());
        let some = ids(600);
        assert!(
            (1..20).contains(&some.len()) && some.last() == Some(&20) && some.windows(2).all(|pair| pair[0] + 1 == pair[1]),
            "{some:?}"
        );
    }
}
