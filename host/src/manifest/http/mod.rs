//! `[grants.http]`: the requests that a plugin asks for.

mod host;
mod pattern;

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderName, header};

pub use self::host::Host;
pub use self::pattern::{HostPattern, Method, Pattern, Scheme};
pub(crate) use self::pattern::{check_path, split_port};
use super::{Field, ManifestError, Place, SecretText, TIME_MIN, Table, quoted};

/// The requests that a manifest asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedHttp {
    /// `allow`: which requests, each with its place.
    pub allow: Vec<(Pattern, Place)>,
    /// `redirects`: how many are followed for the plugin; none unless it says so.
    pub redirects_max: u32,
    /// `timeout`: time of one request.
    pub total_time_max: Option<Duration>,
    /// `response`: the body of one response.
    pub response_bytes_max: Option<usize>,
    /// `concurrency`: requests at the same time.
    pub concurrency_max: Option<usize>,
    /// `[grants.http.headers."<host>"]`: what the host puts into requests.
    pub headers: Vec<WantedHeader>,
    /// `[grants.http.retry]`.
    pub retry: Option<WantedRetry>,
    /// `[grants.http.cache]`.
    pub cache: Option<WantedCache>,
}

/// A header that the host puts into requests to one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedHeader {
    /// To whom.
    pub host: Host,
    /// Its name.
    pub name: HeaderName,
    /// Its value.
    pub value: SecretText,
    /// Where it asks.
    pub place: Place,
}

/// Requests that are made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedRetry {
    /// `attempts`: how often in all.
    pub attempts_max: u32,
    /// `delay`: before the second one; each later one waits twice as long.
    pub delay: Duration,
}

/// Responses that are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedCache {
    /// `ttl`: how long they are as good as new.
    pub ttl: Duration,
    /// `size`: all of them together.
    pub size_bytes_max: Option<usize>,
    /// `stale_if_error`: how long after that they are still better than an error.
    pub stale_if_error: Duration,
}

/// Header fields that belong to the connection, or say where a message ends: nobody but the host writes them.
#[must_use]
pub fn belongs_to_the_host(name: &HeaderName) -> bool {
    let hop = [header::HOST, header::TE, header::CONTENT_LENGTH, header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE];
    hop.contains(name)
        || [header::TRAILER, header::EXPECT].contains(name)
        || matches!(name.as_str(), "keep-alive" | "http2-settings")
        || name.as_str().starts_with("proxy-")
}

/// No response is worth keeping, and no attempt worth waiting for, for longer.
const TIME_MAX: Duration = Duration::from_hours(24 * 30);

/// Before the second attempt, unless the manifest says something else.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// Reads `[grants.http]`.
pub(super) fn wanted_http(table: &Table<'_>) -> Result<WantedHttp, ManifestError> {
    let example = "allow = [\"GET https://api.example.com/v1/**\"]";
    let field = table.require("allow", example)?;
    let mut allow = Vec::new();
    for one in field.list(&format!("a list of {}", pattern::EXPECTED))? {
        let text = one.text(pattern::EXPECTED)?;
        let pattern = Pattern::parse(text).map_err(|why| match text.contains('@') {
            // A password is not repeated in a log.
            true => one.error("has a URL with a user or a password in it").with_help(why),
            false => one.wrong(pattern::EXPECTED).with_help(why),
        })?;
        allow.push((pattern, one.value_place()));
    }
    if allow.is_empty() {
        return Err(field.error("allows no request at all").with_help(format!("write {example}, or leave out [grants.http]")));
    }
    let headers = table.section("headers")?.map(|table| headers(&table, &allow)).transpose()?.unwrap_or_default();
    let time = |key| table.get(key).map(|field| field.duration(TIME_MIN..=Duration::MAX)).transpose();
    let count = |key| table.get(key).map(|field| field.count()).transpose();
    Ok(WantedHttp {
        allow,
        redirects_max: count("redirects")?.unwrap_or(0),
        total_time_max: time("timeout")?,
        response_bytes_max: table.get("response").map(|field| field.size(1..=usize::MAX)).transpose()?,
        concurrency_max: count("concurrency")?.and_then(|count| usize::try_from(count).ok()),
        headers,
        retry: table.section("retry")?.map(|table| retry(&table)).transpose()?,
        cache: table.section("cache")?.map(|table| cache(&table)).transpose()?,
    })
}

fn headers(table: &Table<'_>, allow: &[(Pattern, Place)]) -> Result<Vec<WantedHeader>, ManifestError> {
    let mut headers = BTreeMap::new();
    for (field, table) in table.named_sections()? {
        let host = Host::parse(field.key()).map_err(|why| {
            let help = if field.key().contains('*') { "a secret goes to one host: write its name in full" } else { why };
            field.at_key(format!("{} is not a host such as \"api.example.com\"", quoted(field.key()))).with_help(help)
        })?;
        if !allow.iter().any(|(pattern, _)| pattern.reaches(&host)) {
            let message = format!("headers for {}, to which no request is allowed", quoted(field.key()));
            return Err(field.at_key(message).with_help(format!("add it to \"allow\" in [grants.http]: \"GET https://{host}/**\"")));
        }
        for header in table.fields() {
            let wanted = wanted_header(&header, &host)?;
            let name = wanted.name.clone();
            if headers.insert((host.clone(), wanted.name.as_str().to_owned()), wanted).is_some() {
                return Err(header
                    .at_key(format!("the header {} for {host} is written twice", quoted(name.as_str())))
                    .with_help("keep one"));
            }
        }
    }
    Ok(headers.into_values().collect())
}

fn wanted_header(field: &Field<'_>, host: &Host) -> Result<WantedHeader, ManifestError> {
    let expected = "a text such as \"Bearer ${secret:example-token}\"";
    let name = HeaderName::from_bytes(field.key().as_bytes()).map_err(|_| {
        field.at_key(format!("{} is not a header's name", quoted(field.key()))).with_help("a name is a word such as authorization")
    })?;
    if belongs_to_the_host(&name) {
        return Err(field
            .at_key(format!("the header {} belongs to the connection, and the host writes it itself", quoted(name.as_str())))
            .with_help("leave it out"));
    }
    let text = field.text(expected)?;
    if !text.bytes().all(|b| (0x20..=0x7e).contains(&b)) || text.trim() != text {
        return Err(field.wrong(expected).with_help("a header's value has visible characters of ASCII, and spaces between them"));
    }
    let value = field.secret_text(expected)?;
    Ok(WantedHeader { host: host.clone(), name, value, place: field.place() })
}

fn retry(table: &Table<'_>) -> Result<WantedRetry, ManifestError> {
    let attempts = table.require("attempts", "attempts = 3")?;
    let attempts_max = attempts.count()?;
    if attempts_max < 2 {
        return Err(attempts
            .error("counts the first attempt too, and one alone is no retry")
            .with_help("write 2 or more, or leave out [grants.http.retry]"));
    }
    let delay = table.get("delay").map(|field| field.duration(TIME_MIN..=TIME_MAX)).transpose()?;
    Ok(WantedRetry { attempts_max, delay: delay.unwrap_or(RETRY_DELAY) })
}

fn cache(table: &Table<'_>) -> Result<WantedCache, ManifestError> {
    let time = |field: Field<'_>| field.duration(TIME_MIN..=TIME_MAX);
    Ok(WantedCache {
        ttl: time(table.require("ttl", "ttl = \"60s\"")?)?,
        size_bytes_max: table.get("size").map(|field| field.size(1..=usize::MAX)).transpose()?,
        stale_if_error: table.get("stale_if_error").map(time).transpose()?.unwrap_or_default(),
    })
}
