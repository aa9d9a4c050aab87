//! Topics of a catalog: checked, and rendered once as resources for every client to come.

use super::catalog::prose;
use super::schema::Schema;
use crate::caps::events::{GrantedTopic, Problems};
use crate::grants;
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::mcp::strict;
use crate::topics::{Declared, Overflow, TopicPattern, topic_uri};
use crate::wit::exports::cofferdam::mcp::catalog as wit;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// One topic of a plugin.
pub struct Topic {
    /// Which topics, and how they are kept.
    pub declared: Declared,
    /// What the data of an event has to fit.
    pub event: Option<Arc<Schema>>,
    /// For people and models: what its events tell.
    pub description: Option<String>,
    /// The resource, or the template when the topic has variables, as clients see it: one JSON object.
    pub definition: String,
    /// The resource's URI, or the template's text.
    pub uri: String,
}

impl Topic {
    /// What is wrong with a text as the data of an event; none when it is a JSON object that fits.
    #[must_use]
    pub fn problems(&self, data: &str) -> Option<String> {
        problems(self.event.as_deref(), data)
    }
}

fn problems(event: Option<&Schema>, data: &str) -> Option<String> {
    match strict::parse(data) {
        Ok(value) if value.is_object() => event.and_then(|event| event.problems(&value)),
        Ok(_) => Some("an event's data is a JSON object".to_owned()),
        Err(error) => Some(format!("an event's data is a JSON object: {error}")),
    }
}

/// The topics that a plugin publishes under itself. Refused is a manifest that names one which the catalog does not have.
pub(super) fn granted(manifest: &Manifest, topics: &[Topic]) -> Result<Vec<GrantedTopic>, String> {
    let names: Vec<_> = topics.iter().map(|topic| topic.declared.pattern.as_str()).collect();
    grants::check_offered(manifest, &names).map_err(|error| error.to_string())?;
    let wanted = |topic: &&Topic| manifest.grants.events.iter().any(|wanted| wanted.name == topic.declared.pattern.as_str());
    let granted = |topic: &Topic| {
        let event = topic.event.clone();
        let problems: Problems = Box::new(move |data| problems(event.as_deref(), data));
        GrantedTopic { pattern: topic.declared.pattern.clone(), problems }
    };
    Ok(topics.iter().filter(wanted).map(granted).collect())
}

pub(super) fn check_topics(topics: Vec<wit::Topic>, plugin: &str, has_feeds: bool, limits: &Limits) -> Result<Vec<Topic>, String> {
    let mut checked: Vec<Topic> = Vec::new();
    if topics.len() > limits.topics_max {
        return Err(format!("the catalog lists more than {} topics (topics_max)", limits.topics_max));
    }
    for topic in topics {
        let name = topic.name.clone();
        if topic.feed && !has_feeds {
            return Err(format!("topic {name:?}: it has a feed, but the component does not export cofferdam:mcp/subscribe"));
        }
        let topic = check_topic(&topic, plugin, limits).map_err(|error| format!("topic {name:?}: {error}"))?;
        let overlaps = |other: &Topic| {
            let (one, two) = (&other.declared.pattern, &topic.declared.pattern);
            one.matches(&sample(two)) || two.matches(&sample(one))
        };
        if let Some(other) = checked.iter().find(|other| overlaps(other)) {
            return Err(format!("topic {name:?}: it stands for some of the same topics as {:?}", other.declared.pattern.as_str()));
        }
        checked.push(topic);
    }
    Ok(checked)
}

/// One of the topics that a pattern stands for.
fn sample(pattern: &TopicPattern) -> String {
    pattern.filled(|_| Some("x".to_owned())).unwrap_or_default()
}

fn check_topic(topic: &wit::Topic, plugin: &str, limits: &Limits) -> Result<Topic, String> {
    let pattern = TopicPattern::parse(&topic.name).map_err(|error| error.to_string())?;
    let parse = |text: &String| Schema::parse(text, limits).map_err(|error| format!("event schema: {error}"));
    let event = topic.event_schema.as_ref().map(parse).transpose()?.map(Arc::new);
    let description = topic.description.as_deref().map(|text| prose(text, limits)).transpose()?;
    let uri = topic_uri(plugin, pattern.as_str());
    let mut definition = Map::new();
    definition.insert("name".to_owned(), json!(format!("{plugin}/{}", pattern.as_str())));
    if let Some(title) = &topic.title {
        definition.insert("title".to_owned(), json!(prose(title, limits)?));
    }
    definition.extend(description.as_ref().map(|text| ("description".to_owned(), json!(text))));
    definition.insert("mimeType".to_owned(), Value::from("application/json"));
    let key = if pattern.has_variables() { "uriTemplate" } else { "uri" };
    definition.insert(key.to_owned(), json!(uri));
    let overflow = match topic.overflow {
        wit::Overflow::DropOldest => Overflow::DropOldest,
        wit::Overflow::Coalesce => Overflow::Coalesce,
    };
    let retained_max = usize::try_from(topic.retained).unwrap_or(usize::MAX).min(limits.topic_retained_max);
    let declared = Declared { pattern, retained_max, overflow, feed: topic.feed };
    Ok(Topic { declared, event, description, definition: Value::Object(definition).to_string(), uri })
}
