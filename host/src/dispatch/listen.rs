//! `subscriptions/listen` (2026-07-28, subscriptions): one long answer that tells what changed.

use super::topic::{self, Hearing};
use super::{CallError, Dispatch, params};
use crate::auth::Principal;
use crate::mcp::{Request, notice};
use crate::topics::{Change, Counted, Listener, Listening, Listing, topic_of_uri};
use serde::Deserialize;
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// What a client wants to hear of.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Wanted {
    tools_list_changed: Option<bool>,
    prompts_list_changed: Option<bool>,
    resources_list_changed: Option<bool>,
    resource_subscriptions: Option<Vec<String>>,
    task_ids: Option<Vec<String>>,
}

/// What it is told.
#[derive(Debug, Default)]
pub struct Filter {
    /// Which lists.
    pub lists: Vec<Listing>,
    /// Which resources.
    pub resources: HashSet<String>,
    /// Which tasks.
    pub tasks: HashSet<String>,
}

impl Filter {
    fn lets_through(&self, change: &Change) -> bool {
        match change {
            Change::List(listing) => self.lists.contains(listing),
            Change::Resource(uri) => self.resources.contains(&**uri),
            Change::Task { id, .. } => self.tasks.contains(&**id),
        }
    }
}

/// Changes that wait for one listener. The same change waits only once, so that a listener that does not keep up misses none of what is
/// left to know.
struct Waiting {
    filter: Filter,
    changes: Mutex<VecDeque<Change>>,
    more: Notify,
}

impl Listener for Waiting {
    fn changed(&self, change: &Change) {
        if !self.filter.lets_through(change) {
            return;
        }
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        // Only the newest status of a task counts.
        if let Change::Task { id, .. } = change {
            changes.retain(|waiting| !matches!(waiting, Change::Task { id: other, .. } if other == id));
        }
        if !changes.contains(change) {
            changes.push_back(change.clone());
            self.more.notify_one();
        }
    }
}

/// A subscription that is open. It ends when it is dropped.
pub struct Listen {
    id: String,
    acknowledged: Vec<u8>,
    waiting: Arc<Waiting>,
    _place: Listening,
    /// Of the resources in the filter.
    _hearing: Vec<Hearing>,
    _counted: Option<Counted>,
}

impl Listen {
    /// The first message.
    #[must_use]
    pub fn acknowledged(&self) -> &[u8] {
        &self.acknowledged
    }

    /// Waits for the next message.
    pub async fn next(&self) -> Vec<u8> {
        loop {
            let change = self.waiting.changes.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            match change {
                Some(change) => return message(&self.id, &change),
                None => self.waiting.more.notified().await,
            }
        }
    }

    /// The last message, when the host ends it.
    #[must_use]
    pub fn end(&self) -> Vec<u8> {
        let meta = format!(r#""_meta":{{"io.modelcontextprotocol/subscriptionId":{}}}"#, self.id);
        format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"resultType":"complete",{meta}}}}}"#, self.id).into_bytes()
    }
}

fn message(id: &str, change: &Change) -> Vec<u8> {
    let meta = format!(r#""_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}"#);
    match change {
        Change::List(listing) => notice::notification(&format!("notifications/{}/list_changed", listing.as_str()), &meta),
        Change::Resource(uri) => {
            notice::notification("notifications/resources/updated", &format!("{meta},\"uri\":{}", serde_json::json!(uri)))
        }
        Change::Task { members, .. } => notice::notification("notifications/tasks", &format!("{meta},{members}")),
    }
}

impl Dispatch {
    /// Opens a subscription. What is not there to be heard of is left out of the acknowledgement.
    pub async fn listen(&self, principal: &Arc<Principal>, request: &Request<'_>) -> Result<Listen, CallError> {
        let changes = self.registry.changes();
        if changes.listeners() >= self.limits.listeners_max {
            return Err(CallError::TenantBusy);
        }
        let wanted = request.params.notifications.ok_or_else(|| CallError::Params("`notifications` is missing".to_owned()))?;
        let wanted: Wanted = params::object(wanted, "notifications")?;
        let counted = self.count_subscription(principal)?;
        let (filter, hearing) = self.filter(principal, request, wanted).await?;
        let id = request.id.as_json().to_owned();
        let acknowledged = acknowledged(&id, &filter);
        let waiting = Arc::new(Waiting { filter, changes: Mutex::default(), more: Notify::new() });
        let listener: Arc<dyn Listener> = Arc::<Waiting>::clone(&waiting);
        let place = changes.listen(&principal.tenant, Arc::downgrade(&listener));
        Ok(Listen { id, acknowledged, waiting, _place: place, _hearing: hearing, _counted: Some(counted) })
    }

    async fn filter(&self, principal: &Principal, request: &Request<'_>, wanted: Wanted) -> Result<(Filter, Vec<Hearing>), CallError> {
        let flags = [
            (Listing::Tools, wanted.tools_list_changed),
            (Listing::Prompts, wanted.prompts_list_changed),
            (Listing::Resources, wanted.resources_list_changed),
        ];
        let (uris, task_ids) = (wanted.resource_subscriptions.unwrap_or_default(), wanted.task_ids.unwrap_or_default());
        let most = self.limits.listener_resources_max;
        if uris.len() > most || task_ids.len() > most {
            return Err(CallError::Params(format!("`notifications` name more than {most} resources or tasks")));
        }
        let uris: HashSet<String> = uris.into_iter().collect();
        let most = self.limits.subscription_topics_max;
        if uris.iter().filter(|uri| topic_of_uri(uri).is_some()).count() > most {
            return Err(CallError::Params(format!("`notifications` name more than {most} topics (subscription_topics_max)")));
        }
        let snapshot = self.registry.snapshot().await;
        let mut hearing = Vec::new();
        let mut known = |uri: &String| topic::hear(self, &snapshot, principal, uri).map(|heard| hearing.push(heard)).is_some();
        let filter = Filter {
            lists: flags.into_iter().filter(|(_, wanted)| *wanted == Some(true)).map(|(listing, _)| listing).collect(),
            resources: uris.into_iter().filter(&mut known).collect(),
            tasks: self.known_tasks(principal, request, task_ids).await?,
        };
        Ok((filter, hearing))
    }
}

fn acknowledged(id: &str, filter: &Filter) -> Vec<u8> {
    let mut honoured = serde_json::Map::new();
    for listing in &filter.lists {
        honoured.insert(format!("{}ListChanged", listing.as_str()), true.into());
    }
    let mut sorted = |key: &str, texts: &HashSet<String>| {
        let mut texts: Vec<_> = texts.iter().map(String::as_str).collect();
        texts.sort_unstable();
        if !texts.is_empty() {
            honoured.insert(key.to_owned(), texts.into());
        }
    };
    sorted("resourceSubscriptions", &filter.resources);
    sorted("taskIds", &filter.tasks);
    let honoured = serde_json::Value::Object(honoured);
    let params = format!(r#""_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}},"notifications":{honoured}"#);
    notice::notification("notifications/subscriptions/acknowledged", &params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_waits_waits_once_and_comes_in_order() {
        let filter =
            Filter { lists: vec![Listing::Tools], resources: HashSet::from(["a:b".to_owned()]), tasks: HashSet::from(["t".to_owned()]) };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let acknowledged = acknowledged("7", &filter);
        assert_eq!(
            text(&acknowledged),
            r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":7},"notifications":{"resourceSubscriptions":["a:b"],"taskIds":["t"],"toolsListChanged":true}}}"#
        );
        let changes = crate::topics::Changes::new();
        let waiting = Arc::new(Waiting { filter, changes: Mutex::default(), more: Notify::new() });
        let listener: Arc<dyn Listener> = Arc::<Waiting>::clone(&waiting);
        let place = changes.listen(&crate::ids::TenantId::local(), Arc::downgrade(&listener));
        let task = |members: &str| Change::Task { id: "t".into(), members: members.into() };
        let resource = |uri: &str| Change::Resource(uri.into());
        for change in [task("\"s\":1"), resource("a:b"), Change::List(Listing::Prompts), resource("a:b"), resource("c:d"), task("\"s\":2")]
        {
            changes.publish(&crate::ids::TenantId::local(), &change);
        }
        let listen = Listen { id: "7".to_owned(), acknowledged, waiting, _place: place, _hearing: Vec::new(), _counted: None };
        assert_eq!(
            text(&listen.next().await),
            r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":7},"uri":"a:b"}}"#
        );
        assert_eq!(
            text(&listen.next().await),
            r#"{"jsonrpc":"2.0","method":"notifications/tasks","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":7},"s":2}}"#
        );
        assert_eq!(
            text(&listen.end()),
            r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":7}}}"#
        );
    }
}
