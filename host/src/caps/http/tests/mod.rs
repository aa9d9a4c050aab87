//! Requests of guests, on real sockets on loopback.

mod bounds;
mod kept;
mod redirects;
mod requests;

use super::{CallQuota, Http, HttpCap, wit};
use crate::caps::budget::CallTag;
use crate::egress::tests::{Names, egress};
use crate::grants::{Grants, Offered, OfferedSecret};
use crate::ids::{CallRef, PluginName, TenantId};
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::secrets::{SecretSource, Secrets};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What stands in the header of the host's.
const CANARY: &str = "canary-4f1c";

/// A host's way out, with names that lead to loopback, and with one secret.
struct World {
    names: Arc<Names>,
    http: Http,
    limits: Arc<Limits>,
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        let (names, limits) = (Arc::<Names>::default(), Arc::new(limits));
        for name in ["api.example.com", "other.example.com"] {
            names.set(name, &[&["127.0.0.1"]]);
        }
        names.set("inside.example.com", &[&["10.0.0.1"]]);
        let sources = [("t".to_owned(), SecretSource::Environment("T".to_owned()))].into();
        let secrets = Secrets::with_environment(&sources, |_| Some(CANARY.to_owned()));
        let http = Http::new(egress(&names, &["127.0.0.1/32"], None, &limits), secrets, &limits);
        Self { names, http, limits }
    }

    /// A plugin with these lines in `[grants.http]`.
    fn cap(&self, lines: &str) -> HttpCap {
        let manifest = Manifest::parse(&format!("name = \"tickets\"\n[grants.http]\n{lines}"), "plugin.toml").unwrap();
        let secrets = [("t".to_owned(), OfferedSecret::default())].into();
        let private = vec!["127.0.0.1/32".parse().unwrap()];
        let offered = Offered { secrets, private, limits: (*self.limits).clone(), ..Offered::default() };
        let grant = Grants::resolve(&manifest, &offered).unwrap_or_else(|error| panic!("{error}")).http.unwrap();
        self.http.grant(&TenantId::local(), grant)
    }

    /// A plugin that may ask one upstream everything, and has more lines.
    fn plain(&self, port: u16, more: &str) -> HttpCap {
        self.cap(&format!(
            "allow = [\"GET,HEAD,POST,PUT http://api.example.com:{port}\", \"GET http://other.example.com:{port}\", \"GET http://inside.example.com:{port}\"]\n{more}"
        ))
    }
}

fn call(cap: &HttpCap) -> CallQuota {
    let tag = CallTag { reference: CallRef::next(), tenant: TenantId::local(), plugin: PluginName::parse("tickets").unwrap() };
    cap.for_call(tag, Instant::now() + Duration::from_secs(60))
}

fn request(method: &str, url: String, headers: &[(&str, &str)]) -> wit::Request {
    let headers = headers.iter().map(|(name, value)| wit::Header { name: (*name).to_owned(), value: (*value).to_owned() });
    wit::Request { method: method.to_owned(), url, headers: headers.collect(), body: None, timeout_ms: None }
}

async fn get(cap: &HttpCap, port: u16, path: &str) -> Result<wit::Response, wit::Error> {
    let url = format!("http://api.example.com:{port}{path}");
    cap.fetch(&call(cap), request("GET", url, &[])).await.map_err(Into::into)
}

fn text(response: &wit::Response) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}
