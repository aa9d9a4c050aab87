//! `[grants.webhooks]`: topics of the plugin that others publish to by signed requests.

use std::time::Duration;

use http::HeaderName;

use super::belongs_to_the_host;
use super::document::{Field, Table};
use super::error::{DocumentError, Place};
use super::secret_text::SECRET_NAME;
use super::values::{is_database_name, quoted};

/// How the requests of a webhook are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// `X-Hub-Signature-256`: HMAC-SHA256 of the body. There is no time in it.
    Github,
    /// `Stripe-Signature`: HMAC-SHA256 of a time and the body.
    Stripe,
    /// HMAC-SHA256 of time, method, path and body, in headers of the manifest's choice.
    HmacSha256,
}

impl Signature {
    /// As manifests write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Stripe => "stripe",
            Self::HmacSha256 => "hmac-sha256",
        }
    }
}

/// A webhook that a manifest asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedWebhook {
    /// The topic, as the catalog writes it.
    pub topic: String,
    /// `signature`: how requests are signed.
    pub signature: Signature,
    /// `secret`: the operator's name for the key.
    pub secret: String,
    /// `tolerance`: how old a request may be, and how long it is remembered.
    pub tolerance: Option<Duration>,
    /// `header`: where the signature is, for `hmac-sha256`.
    pub header: Option<HeaderName>,
    /// `timestamp_header`: where the time is, for `hmac-sha256`.
    pub timestamp_header: Option<HeaderName>,
    /// Where it asks.
    pub place: Place,
}

const SIGNATURES: &[(&str, Signature)] =
    &[("github", Signature::Github), ("stripe", Signature::Stripe), ("hmac-sha256", Signature::HmacSha256)];

/// A window that is shorter refuses honest senders.
const TOLERANCE_MIN: Duration = Duration::from_secs(1);
/// Everything within the window is remembered.
const TOLERANCE_MAX: Duration = Duration::from_hours(24);

/// Where the signature of `hmac-sha256` is, unless the manifest says something else.
pub const SIGNATURE_HEADER: HeaderName = HeaderName::from_static("x-signature");
/// Where its time is.
pub const TIMESTAMP_HEADER: HeaderName = HeaderName::from_static("x-timestamp");

/// Reads `[grants.webhooks]`.
pub(super) fn wanted_webhooks(table: &Table<'_>) -> Result<Vec<WantedWebhook>, DocumentError> {
    table.named_sections()?.iter().map(|(field, table)| wanted(field, table)).collect()
}

fn wanted(field: &Field<'_>, table: &Table<'_>) -> Result<WantedWebhook, DocumentError> {
    let signature = table.require("signature", "signature = \"github\", \"stripe\" or \"hmac-sha256\"")?.choice(SIGNATURES)?;
    if signature == Signature::HmacSha256 && field.key().contains('.') {
        let message = format!("{} has a dot, which separates what \"hmac-sha256\" signs", quoted(field.key()));
        return Err(field.at_key(message).with_help("give the topic a name without one, in the catalog too"));
    }
    let header = |key| match table.get(key) {
        Some(field) if signature != Signature::HmacSha256 => Err(field
            .error(&format!("is for \"hmac-sha256\" only: {} has headers of its own", quoted(signature.as_str())))
            .with_help("leave it out")),
        Some(field) => header(&field).map(Some),
        None => Ok(None),
    };
    let (named, timestamp_header) = (header("header")?, header("timestamp_header")?);
    if let Some(field) = table.get("timestamp_header")
        && timestamp_header.as_ref() == Some(named.as_ref().unwrap_or(&SIGNATURE_HEADER))
    {
        return Err(field.error("is where the signature is").with_help("name another header"));
    }
    if let Some(field) = table.get("header")
        && named.as_ref() == Some(timestamp_header.as_ref().unwrap_or(&TIMESTAMP_HEADER))
    {
        return Err(field.error("is where the time is").with_help("name another header"));
    }
    Ok(WantedWebhook {
        topic: field.key().to_owned(),
        signature,
        secret: secret(&table.require("secret", "secret = \"webhook-key\", the operator's name for it")?)?,
        tolerance: table.get("tolerance").map(|field| field.duration(TOLERANCE_MIN..=TOLERANCE_MAX)).transpose()?,
        header: named,
        timestamp_header,
        place: field.place(),
    })
}

fn header(field: &Field<'_>) -> Result<HeaderName, DocumentError> {
    let expected = "a header's name such as \"x-signature\"";
    let name = HeaderName::from_bytes(field.text(expected)?.as_bytes()).map_err(|_| field.wrong(expected))?;
    if belongs_to_the_host(&name) {
        return Err(field.error("names a header that belongs to the connection").with_help("name another one, such as \"x-signature\""));
    }
    Ok(name)
}

fn secret(field: &Field<'_>) -> Result<String, DocumentError> {
    let expected = "a secret's name such as \"webhook-key\"";
    let name = field.text(expected)?;
    if let Some(bare) = name.strip_prefix("${secret:").and_then(|name| name.strip_suffix('}')) {
        return Err(field.wrong(expected).with_help(format!("write the name alone: {}", quoted(bare))));
    }
    if !is_database_name(name) {
        return Err(field.error(&format!("names the secret {}", quoted(name))).with_help(SECRET_NAME));
    }
    Ok(name.to_owned())
}
