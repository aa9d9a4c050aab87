//! Webhooks of a binding: what the manifest was granted, held against the catalog.

use super::topics::Topic;
use crate::grants::{Grants, WebhookGrant};
use crate::manifest::{DocumentError, Manifest, closest, listed, quoted};
use crate::secret::Secret;
use crate::secrets::{SecretError, Secrets};
use crate::topics::TopicPattern;

/// A topic that others publish to by signed requests.
#[derive(Debug)]
pub struct Webhook {
    /// Which topics.
    pub pattern: TopicPattern,
    /// How requests are signed, and how long they are good.
    pub grant: WebhookGrant,
    secrets: Secrets,
}

impl Webhook {
    /// Those of a plugin, if its catalog has their topics.
    pub(super) fn all(manifest: &Manifest, grants: &Grants, topics: &[Topic], secrets: &Secrets) -> Result<Vec<Self>, DocumentError> {
        let webhook = |grant: &WebhookGrant| {
            let topic = topics.iter().find(|topic| topic.declared.pattern.as_str() == grant.topic);
            let topic = topic.ok_or_else(|| no_topic(manifest, &grant.topic, topics))?;
            Ok(Self { pattern: topic.declared.pattern.clone(), grant: grant.clone(), secrets: secrets.clone() })
        };
        grants.webhooks.iter().map(webhook).collect()
    }

    /// The key that requests are signed with, as it is now.
    pub async fn key(&self) -> Result<Secret, SecretError> {
        self.secrets.get(&self.grant.secret).await
    }
}

fn no_topic(manifest: &Manifest, topic: &str, topics: &[Topic]) -> DocumentError {
    let names: Vec<_> = topics.iter().map(|topic| topic.declared.pattern.as_str()).collect();
    let known: Vec<_> = names.iter().map(|name| quoted(name)).collect();
    let known = if known.is_empty() { "none".to_owned() } else { listed(&known, "and") };
    let near = closest(topic, names.iter().copied()).map(|near| format!("did you mean {}? ", quoted(near))).unwrap_or_default();
    let place = manifest.grants.webhooks.iter().find(|wanted| wanted.topic == topic).map(|wanted| wanted.place);
    let message = format!("a webhook for the topic {}, which the plugin's catalog does not have", quoted(topic));
    let error = match place {
        Some(place) => DocumentError::at(&manifest.file, place, message),
        None => DocumentError::whole(&manifest.file, message),
    };
    error.about(format!("grants.webhooks.{}", quoted(topic))).with_help(format!("{near}the catalog's topics are: {known}"))
}
