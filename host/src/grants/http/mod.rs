//! Requests of a plugin: what its manifest asks for, within what the operator offers, and which requests that means.

mod target;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipnet::IpNet;

pub use self::target::{BadUrl, Origin, Target};
use super::{GrantError, Offered, lower};
use crate::limits::Limits;
use crate::manifest::{DocumentError, Manifest, Place, WantedCache, WantedHttp, closest, quoted};
pub use crate::manifest::{Host, HostPattern, Method, Part, Pattern, Scheme, WantedHeader, belongs_to_the_host};

/// Requests that a plugin may make, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpGrant {
    /// Which ones.
    pub allow: Vec<Pattern>,
    /// Redirects that are followed for it.
    pub redirects_max: u32,
    /// Time of one request.
    pub total_time_max: Duration,
    /// The body of one response.
    pub response_bytes_max: usize,
    /// Requests at the same time.
    pub concurrency_max: usize,
    /// What the host puts into requests.
    pub headers: Vec<WantedHeader>,
    /// How often what is asked, in all, and how long is waited before the second time.
    pub retry: Option<Retry>,
    /// Which responses are kept.
    pub cache: Option<CacheGrant>,
}

/// Requests that are made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// How often in all.
    pub attempts_max: u32,
    /// Before the second one.
    pub delay: Duration,
}

/// Responses that are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheGrant {
    /// How long they are as good as new.
    pub ttl: Duration,
    /// All of them together.
    pub size_bytes_max: usize,
    /// How long after that they are still better than an error.
    pub stale_if_error: Duration,
}

impl HttpGrant {
    /// What the manifest asks for, if the operator offers all of it.
    pub(super) fn resolve(manifest: &Manifest, wanted: &WantedHttp, offered: &Offered) -> Result<Self, GrantError> {
        for (pattern, place) in &wanted.allow {
            check_host(manifest, pattern, *place, &offered.private)?;
        }
        for header in &wanted.headers {
            check_secrets(manifest, header, offered)?;
        }
        let limits = &offered.limits;
        let retry = wanted.retry.as_ref();
        Ok(Self {
            allow: wanted.allow.iter().map(|(pattern, _)| pattern.clone()).collect(),
            redirects_max: wanted.redirects_max.min(limits.http_redirects_max),
            total_time_max: lower(wanted.total_time_max, limits.http_time_max),
            response_bytes_max: lower(wanted.response_bytes_max, limits.http_response_bytes_max),
            concurrency_max: lower(wanted.concurrency_max, limits.http_plugin_requests_max),
            headers: wanted.headers.clone(),
            retry: retry.map(|retry| Retry { attempts_max: retry.attempts_max.min(limits.http_attempts_max), delay: retry.delay }),
            cache: wanted.cache.as_ref().map(|cache| CacheGrant::within(cache, limits)),
        })
    }

    /// Whether a request may be made.
    #[must_use]
    pub fn allows(&self, method: Method, target: &Target) -> bool {
        self.allow.iter().any(|pattern| {
            pattern.methods.contains(&method)
                && pattern.scheme == target.origin.scheme
                && pattern.port == target.origin.port
                && pattern.reaches(&target.origin.host)
                && pattern.leads_to(target.path())
        })
    }

    /// The headers that the host puts into a request to this origin. What goes to a host with TLS never goes there without: only where no
    /// other request is allowed at all do they travel in the clear.
    pub fn headers_for(&self, origin: &Origin) -> impl Iterator<Item = &WantedHeader> {
        let secure = || self.allow.iter().any(|pattern| pattern.scheme == Scheme::Https && pattern.reaches(&origin.host));
        let held_back = origin.scheme == Scheme::Http && secure();
        self.headers.iter().filter(move |header| !held_back && header.host == origin.host)
    }

    /// In a few words.
    pub(super) fn summary(&self) -> impl Iterator<Item = String> {
        self.allow.iter().map(|pattern| format!("http {pattern}"))
    }
}

impl CacheGrant {
    fn within(wanted: &WantedCache, limits: &Limits) -> Self {
        let size_bytes_max = lower(wanted.size_bytes_max, limits.http_cache_bytes_max);
        Self { ttl: wanted.ttl, size_bytes_max, stale_if_error: wanted.stale_if_error }
    }
}

/// An address, and a name that means something on this machine or in this network only, needs the operator's word.
fn check_host(manifest: &Manifest, pattern: &Pattern, place: Place, private: &[IpNet]) -> Result<(), GrantError> {
    let HostPattern::Exact(host) = &pattern.host else { return Ok(()) };
    let offered = |address: IpAddr| private.iter().any(|range| range.contains(&address));
    let loopback = || offered(Ipv4Addr::LOCALHOST.into()) || offered(Ipv6Addr::LOCALHOST.into());
    let (granted, what, range) = match host {
        Host::Address(address) => (offered(*address), "an address", IpNet::from(*address).to_string()),
        Host::Name(name) if name == "localhost" || name.ends_with(".localhost") => (loopback(), "this machine", "127.0.0.1/32".to_owned()),
        Host::Name(name) if !name.contains('.') => (!private.is_empty(), "a name of a private network", "10.0.0.0/8".to_owned()),
        Host::Name(_) => return Ok(()),
    };
    if granted {
        return Ok(());
    }
    let message = format!("\"allow\" in [grants.http] asks for {host}, {what}, which the operator does not offer");
    let help = format!("write a public name, or the operator adds to cofferdam.toml: [egress] with private = [\"{range}\"]");
    Err(DocumentError::at(&manifest.file, place, message).about("grants.http.allow").with_help(help))
}

/// A secret goes into headers of hosts that the operator has bound it to, if he has.
fn check_secrets(manifest: &Manifest, header: &WantedHeader, offered: &Offered) -> Result<(), GrantError> {
    let host = header.host.to_string();
    let key = format!("grants.http.headers.{}.{}", quoted(&host), header.name);
    let refused = |message: String, help: String| Err(DocumentError::at(&manifest.file, header.place, message).about(&key).with_help(help));
    for name in header.value.secrets() {
        let Some(secret) = offered.secrets.get(name) else {
            let near = closest(name, offered.secrets.keys().map(String::as_str));
            let near = near.map(|near| format!("did you mean ${{secret:{near}}}? If not, ")).unwrap_or_default();
            let message =
                format!("the header {} for {host} needs the secret {}, which the operator does not offer", header.name, quoted(name));
            return refused(message, format!("{near}the operator adds [secrets.{name}] to cofferdam.toml"));
        };
        let bound = |hosts: &Vec<String>| !hosts.contains(&host);
        if secret.hosts.as_ref().is_some_and(bound) {
            let message = format!(
                "the header {} would send the secret {} to {host}, and the operator binds it to other hosts",
                header.name,
                quoted(name)
            );
            return refused(message, format!("the operator adds {} to hosts in [secrets.{name}] of cofferdam.toml", quoted(&host)));
        }
    }
    Ok(())
}
