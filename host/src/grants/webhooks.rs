//! Webhooks: which signed requests become events of a plugin.

use std::time::Duration;

use http::HeaderName;

use super::{GrantError, Offered, Signature};
use crate::manifest::{DocumentError, Manifest, SIGNATURE_HEADER, TIMESTAMP_HEADER, WantedWebhook, closest, quoted};

/// How far the time of a request may be from ours, unless the manifest says something else.
const TOLERANCE: Duration = Duration::from_mins(5);

/// One webhook of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookGrant {
    /// The topic, as the catalog writes it.
    pub topic: String,
    /// How requests are signed.
    pub signature: Signature,
    /// The operator's name for the key.
    pub secret: String,
    /// How far the time of a request may be from ours, and how long one is remembered.
    pub tolerance: Duration,
    /// Where the signature is, for `hmac-sha256`.
    pub header: HeaderName,
    /// Where the time is, for `hmac-sha256`.
    pub timestamp_header: HeaderName,
}

impl WebhookGrant {
    /// In a few words.
    pub(super) fn summary(&self) -> String {
        format!("webhooks {} ({})", self.topic, self.signature.as_str())
    }
}

/// Every webhook that the manifest asks for, if the operator offers their keys.
pub(super) fn webhooks(manifest: &Manifest, offered: &Offered) -> Result<Vec<WebhookGrant>, GrantError> {
    manifest.grants.webhooks.iter().map(|wanted| grant(manifest, wanted, offered)).collect()
}

fn grant(manifest: &Manifest, wanted: &WantedWebhook, offered: &Offered) -> Result<WebhookGrant, GrantError> {
    if !offered.secrets.contains_key(&wanted.secret) {
        return Err(no_secret(manifest, wanted, offered));
    }
    Ok(WebhookGrant {
        topic: wanted.topic.clone(),
        signature: wanted.signature,
        secret: wanted.secret.clone(),
        tolerance: wanted.tolerance.unwrap_or(TOLERANCE),
        header: wanted.header.clone().unwrap_or(SIGNATURE_HEADER),
        timestamp_header: wanted.timestamp_header.clone().unwrap_or(TIMESTAMP_HEADER),
    })
}

fn no_secret(manifest: &Manifest, wanted: &WantedWebhook, offered: &Offered) -> GrantError {
    let (topic, name) = (quoted(&wanted.topic), &wanted.secret);
    let near = closest(name, offered.secrets.keys().map(String::as_str));
    let near = near.map(|near| format!("did you mean {}? If not, ", quoted(near))).unwrap_or_default();
    let message = format!("the webhook {topic} is verified with the secret {}, which the operator does not offer", quoted(name));
    let help = format!("{near}the operator adds [secrets.{name}] to cofferdam.toml");
    DocumentError::at(&manifest.file, wanted.place, message).about(format!("grants.webhooks.{topic}.secret")).with_help(help)
}
