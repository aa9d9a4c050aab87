//! From the plugins folder to a [`Snapshot`]: every plugin on its own, so that a bad one stops nobody else.

use super::catalog::Catalog;
use super::folder::{self, Entry, Package};
use super::snapshot::{Binding, Snapshot};
use super::webhooks::Webhook;
use crate::caps::budget::CallTag;
use crate::caps::changes::{ChangesCap, Owned};
use crate::caps::config::ConfigCap;
use crate::caps::events::{EventsCap, GrantedTopic};
use crate::caps::files::{Files, FilesCap};
use crate::caps::host::escape;
use crate::caps::http::Http;
use crate::caps::keyvalue::{KeyValue, KeyValueCap};
use crate::caps::log::LogRates;
use crate::caps::secrets::SecretsCap;
use crate::caps::sql::Sql;
use crate::clock::Clock;
use crate::grants::{self, Effective, Grants, Offered};
use crate::ids::{CallRef, PluginName, RevisionId, TenantId};
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::runtime::{self, CodeCache, Engine, Granted, Guest, Sources};
use crate::secrets::Secrets;
use crate::topics::{Changes, Topics};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use tokio::sync::Semaphore;

/// What became of one plugin.
#[derive(Debug, Clone)]
pub struct PluginReport {
    /// The name that the file system gives it.
    pub name: String,
    /// Loaded, or why not.
    pub state: State,
}

/// What became of one plugin.
#[derive(Debug, Clone)]
pub enum State {
    /// In force.
    Loaded {
        /// Its version, if the manifest says one.
        version: Option<String>,
        /// The first digits of its digest.
        revision: String,
        /// Its tools.
        tools: Vec<String>,
        /// What it was granted, in words.
        grants: Vec<String>,
        /// What of it is not offered, and why.
        skipped: Vec<String>,
        /// Its limits, those of its grants included.
        limits: Vec<Effective>,
        /// What was granted and is not used.
        over_granted: Vec<String>,
    },
    /// Not in force.
    Refused {
        /// Why, and what to do.
        reason: String,
    },
}

/// Everything that loading needs.
pub struct Loader {
    /// The engine.
    pub engine: Engine,
    /// Compiled code.
    pub code: CodeCache,
    /// The way out for requests of guests.
    pub http: Arc<Http>,
    /// The databases that the operator offers.
    pub sql: Sql,
    /// Where plugins keep keys and values.
    pub keyvalue: Arc<KeyValue>,
    /// The folders that the operator offers.
    pub files: Arc<Files>,
    /// The operator's secrets.
    pub secrets: Secrets,
    /// How fast tenants may write to the log.
    pub log_rates: LogRates,
    /// What manifests can ask for.
    pub offered: Offered,
    /// Where plugins report what changed.
    pub changes: Arc<Changes>,
    /// Where plugins publish events.
    pub topics: Arc<Topics>,
    /// The limits in force.
    pub limits: Arc<Limits>,
    /// The time of day.
    pub clock: Clock,
}

/// What is a plugin's own of what it can report and publish: known when its catalog is.
#[derive(Default)]
struct Own {
    resources: Arc<OnceLock<Owned>>,
    topics: Arc<OnceLock<Vec<GrantedTopic>>>,
}

impl Loader {
    /// Loads every plugin of a folder, all at once; compilation has its own bound.
    pub async fn load_folder(self: &Arc<Self>, folder: &Path) -> std::io::Result<(Snapshot, Vec<PluginReport>)> {
        Ok(self.load_entries(folder::entries(folder)?).await)
    }

    pub(super) async fn load_entries(self: &Arc<Self>, entries: Vec<Entry>) -> (Snapshot, Vec<PluginReport>) {
        let mut reports = Vec::new();
        let mut loads = Vec::new();
        for (at, entry) in entries.into_iter().enumerate() {
            let twice = loads.last().is_some_and(|(name, _): &(String, _)| *name == entry.name);
            if twice || at >= self.limits.plugins_max {
                let limit = || format!("there are more than {} plugins (plugins_max)", self.limits.plugins_max);
                let reason = if twice { format!("there is a folder {:?} already", entry.name) } else { limit() };
                reports.push(PluginReport { name: format!("{}.wasm", entry.name), state: State::Refused { reason } });
                continue;
            }
            let (name, loader) = (entry.name.clone(), Arc::clone(self));
            loads.push((name, tokio::spawn(async move { loader.load(entry).await })));
        }
        let mut bindings = Vec::new();
        for (name, load) in loads {
            let loaded = load.await.unwrap_or_else(|error| Err(format!("loading it failed inside the host: {error}")));
            match loaded {
                Ok((binding, state)) => {
                    bindings.push(Arc::new(binding));
                    reports.push(PluginReport { name, state });
                }
                Err(reason) => reports.push(PluginReport { name, state: State::Refused { reason } }),
            }
        }
        let (snapshot, clashes) = Snapshot::assemble(bindings, &self.limits);
        for (binding, reason) in clashes {
            if let Some(report) = reports.iter_mut().find(|report| report.name == binding.plugin.as_str()) {
                report.state = State::Refused { reason };
            }
        }
        reports.sort_by(|a, b| a.name.cmp(&b.name));
        (snapshot, reports)
    }

    /// The life of a revision: read, grant, compile, link, describe, check.
    async fn load(&self, entry: Entry) -> Result<(Binding, State), String> {
        let limits = Arc::clone(&self.limits);
        let read = tokio::task::spawn_blocking(move || {
            let Package { manifest, component, wit } = folder::read(&entry, &limits)?;
            let sources = Sources::new(wit, &component);
            let revision = RevisionId(Sha256::digest(&component).into());
            Ok::<_, String>((manifest, component, sources, revision))
        });
        let (manifest, component, sources, revision) = read.await.map_err(|error| error.to_string())??;
        let grants = Grants::resolve(&manifest, &self.offered).map_err(|error| error.to_string())?;
        let own = Own::default();
        let guest = self.prepare(&manifest, &grants, component, sources, revision, &own).await?;
        let tag = CallTag { reference: CallRef::next(), tenant: TenantId::local(), plugin: manifest.name.clone() };
        let described = guest.describe(tag, self.limits.describe_cpu_time_max, self.limits.describe_wall_time_max).await;
        // A trap comes with names that the component has for its functions.
        let described = described.map_err(|error| format!("its catalog could not be read: {}", escape(&error.to_string())))?;
        let catalog = Catalog::check(described, manifest.name.as_str(), &manifest.prefix, |export| guest.has(export), &self.limits)?;
        let _ = own.topics.set(super::topics::granted(&manifest, &catalog.topics)?);
        let webhooks = Webhook::all(&manifest, &grants, &catalog.topics, &self.secrets).map_err(|error| error.to_string())?;
        let _ = own.resources.set(Owned {
            uris: catalog.resources.iter().map(|resource| resource.uri.clone()).collect(),
            templates: catalog.templates.iter().map(|template| template.template.clone()).collect(),
        });
        let state = State::Loaded {
            version: manifest.version.clone(),
            revision: revision.short(),
            tools: catalog.operations.iter().map(|operation| operation.tool.clone()).collect(),
            grants: grants.summary(),
            skipped: guest.skipped().to_vec(),
            limits: grants::effective(&manifest, &grants, &self.limits),
            over_granted: grants::over_granted(&grants, &guest.imports()),
        };
        Ok((self.bind(manifest, revision, guest, catalog, webhooks), state))
    }

    async fn prepare(
        &self,
        manifest: &Manifest,
        grants: &Grants,
        component: Vec<u8>,
        sources: Sources,
        revision: RevisionId,
        own: &Own,
    ) -> Result<Arc<Guest>, String> {
        let compiled = self.code.compile(revision, component).await.map_err(|error| error.to_string())?;
        let sql = self.sql.grant(&grants.sql).map_err(|error| error.to_string())?;
        let changes = grants.changes.then(|| ChangesCap { changes: Arc::clone(&self.changes), owned: Arc::clone(&own.resources) });
        let events = (!grants.events.is_empty()).then(|| EventsCap { topics: Arc::clone(&self.topics), granted: Arc::clone(&own.topics) });
        let (keyvalue, files) = self.storage(grants).await?;
        let http = grants.http.clone().map(|grant| Arc::new(self.http.grant(&TenantId::local(), grant)));
        let granted = Granted {
            client: grants.client,
            changes,
            events,
            http,
            sql,
            keyvalue,
            files,
            secrets: SecretsCap::new(&self.secrets, &grants.secrets),
            config: ConfigCap::new(&grants.config),
            log_rate: Some(self.log_rates.of(&TenantId::local())),
        };
        let linked = runtime::link(&self.engine, &compiled, granted).map_err(|error| match &error {
            // A bare component has no manifest to add lines to; say where they go.
            runtime::ImportError::NotGranted(missing) if missing.has_help() && manifest.file.is_empty() => {
                format!("{error}\n(in {0}/plugin.toml, with name = \"{0}\" at its top, and the component moved beside it)", manifest.name)
            }
            _ => error.to_string(),
        })?;
        let clock = self.clock.clone();
        let found = tokio::task::spawn_blocking(move || Guest::new(linked, clock, sources));
        found.await.map_err(|error| error.to_string())?.map(Arc::new)
    }

    /// What has to be opened, and a folder counted: on a thread for that.
    async fn storage(&self, grants: &Grants) -> Result<(Option<KeyValueCap>, Option<FilesCap>), String> {
        let (keyvalue, files, grants) = (Arc::clone(&self.keyvalue), Arc::clone(&self.files), grants.clone());
        let opened = tokio::task::spawn_blocking(move || {
            let keyvalue = keyvalue.grant(grants.keyvalue.as_ref()).map_err(|error| error.to_string())?;
            Ok((keyvalue, files.grant(&grants.files).map_err(|error| error.to_string())?))
        });
        opened.await.map_err(|error| error.to_string())?
    }

    fn bind(&self, manifest: Manifest, revision: RevisionId, guest: Arc<Guest>, catalog: Catalog, webhooks: Vec<Webhook>) -> Binding {
        let limits = grants::call_limits(&manifest, &self.limits);
        let stale_if_error = manifest.stale_if_error.map(|most| most.min(self.limits.cache_stale_max));
        let plugin: PluginName = manifest.name;
        let slots = Arc::new(Semaphore::new(limits.concurrency_max));
        let number = Binding::next_number();
        Binding { number, tenant: TenantId::local(), plugin, revision, guest, catalog, limits, slots, webhooks, stale_if_error }
    }
}
