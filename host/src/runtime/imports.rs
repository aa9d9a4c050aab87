//! One linker per binding, with what was granted and nothing else: what is not granted is not linked, and the component does not load.

use super::contract;
use super::engine::Engine;
use super::store::{CallState, Caps};
use crate::caps;
use crate::caps::changes::ChangesCap;
use crate::caps::config::ConfigCap;
use crate::caps::events::EventsCap;
use crate::caps::files::FilesCap;
use crate::caps::http::HttpCap;
use crate::caps::keyvalue::KeyValueCap;
use crate::caps::log::LogRate;
use crate::caps::secrets::SecretsCap;
use crate::caps::sql::SqlCap;
use crate::grants::MissingImports;
use std::sync::Arc;
use wasmtime::component::{Component, InstancePre, Linker, types::ComponentItem};

/// Packages of our contract that this host speaks.
pub(super) const OURS: &str = "cofferdam:mcp/";
const OURS_VERSION: &str = "0.1.";
/// Types only: nothing to grant.
const TYPES: &str = "cofferdam:mcp/types";
/// Given to every guest.
const HOST: &str = "cofferdam:mcp/host";
const CLIENT: &str = "cofferdam:mcp/client";
const CHANGES: &str = "cofferdam:mcp/changes";
const EVENTS: &str = "cofferdam:mcp/events";
const HTTP: &str = "cofferdam:mcp/http";
const SQL: &str = "cofferdam:mcp/sql";
const KEYVALUE: &str = "cofferdam:mcp/keyvalue";
const SECRETS: &str = "cofferdam:mcp/secrets";
/// The standard interfaces of the grant of requests.
const WASI_HTTP: [&str; 2] = ["wasi:http/types", "wasi:http/outgoing-handler"];
/// WASI packages that are linked, with nothing in them but the folders that were granted.
const EMPTY_WASI: [&str; 6] = ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];

/// Why a component cannot be linked.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It imports what it was not granted.
    #[error("{0}")]
    NotGranted(MissingImports),
    /// It was built against another contract.
    #[error("the component {verb} {interface}; this host speaks cofferdam:mcp@0.1.x: rebuild it against that version")]
    OtherVersion {
        /// Imports or exports.
        verb: &'static str,
        /// The interface with its version.
        interface: String,
    },
    /// An import has the right name and another type.
    #[error("the component does not fit the contract{0}")]
    Mismatch(String),
    /// It wants more than any component may have.
    #[error("{0}")]
    TooLarge(String),
}

/// A component that is ready to be instantiated with what it was granted.
#[derive(Clone)]
pub struct Linked {
    pub(super) engine: Engine,
    pub(super) pre: InstancePre<CallState>,
    pub(super) caps: Arc<Caps>,
}

/// What a component was granted, resolved.
#[derive(Default)]
pub struct Granted {
    /// `cofferdam:mcp/client`.
    pub client: bool,
    /// `cofferdam:mcp/changes`.
    pub changes: Option<ChangesCap>,
    /// `cofferdam:mcp/events`.
    pub events: Option<EventsCap>,
    /// `cofferdam:mcp/http` and `wasi:http/outgoing-handler`.
    pub http: Option<Arc<HttpCap>>,
    /// `cofferdam:mcp/sql`.
    pub sql: Option<SqlCap>,
    /// `cofferdam:mcp/keyvalue`.
    pub keyvalue: Option<KeyValueCap>,
    /// `wasi:filesystem` with something in it.
    pub files: Option<FilesCap>,
    /// `cofferdam:mcp/secrets`.
    pub secrets: Option<SecretsCap>,
    /// `wasi:config/store`.
    pub config: Option<ConfigCap>,
    /// How fast its tenant may write to the log; none: as fast as it can.
    pub log_rate: Option<Arc<LogRate>>,
}

/// Links a component with what it was granted.
pub fn link(engine: &Engine, component: &Component, granted: Granted) -> Result<Linked, ImportError> {
    check_size(engine, component)?;
    check_versions(engine, component)?;
    let missing = missing(engine, component, &granted);
    if !missing.0.is_empty() {
        return Err(ImportError::NotGranted(missing));
    }
    let Granted { client, changes, events, http, sql, keyvalue, files, secrets, config, log_rate } = granted;
    let caps = Arc::new(Caps { client, changes, events, http, sql, keyvalue, files, secrets, config, log_rate });
    let linker = linker(engine, &caps).map_err(|error| ImportError::Mismatch(format!(": {error:#}")))?;
    let pre = linker.instantiate_pre(component).map_err(|error| misfit(engine, component, &error))?;
    Ok(Linked { engine: engine.clone(), pre, caps })
}

/// The difference between what it imports and what there is, as WIT where that says it.
pub(super) fn misfit(engine: &Engine, component: &Component, error: &wasmtime::Error) -> ImportError {
    let differences = contract::differences(engine, component);
    ImportError::Mismatch(if differences.is_empty() { format!(": {error:#}") } else { differences })
}

pub(super) fn linker(engine: &Engine, caps: &Caps) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(engine.inner());
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    caps::host::link(&mut linker, CallState::host)?;
    caps::log::link(&mut linker, CallState::log)?;
    if caps.client {
        caps::client::link(&mut linker, CallState::client)?;
    }
    if caps.changes.is_some() {
        caps::changes::link(&mut linker, CallState::changes)?;
    }
    if caps.events.is_some() {
        caps::events::link(&mut linker, CallState::events)?;
    }
    if caps.http.is_some() {
        caps::http::link(&mut linker, CallState::http)?;
        caps::http::link_wasi(&mut linker, CallState::wasi_http)?;
    }
    if caps.sql.is_some() {
        caps::sql::link(&mut linker, CallState::sql)?;
    }
    if caps.keyvalue.is_some() {
        caps::keyvalue::link(&mut linker, CallState::keyvalue)?;
    }
    if caps.files.is_some() {
        caps::files::link(&mut linker, CallState::files)?;
    }
    if caps.secrets.is_some() {
        caps::secrets::link(&mut linker, CallState::secrets)?;
    }
    if caps.config.is_some() {
        caps::config::link(&mut linker, CallState::config)?;
    }
    Ok(linker)
}

/// What of the component's imports would not be linked.
pub(super) fn missing(engine: &Engine, component: &Component, granted: &Granted) -> MissingImports {
    let mut missing = Vec::new();
    for (name, item) in component.component_type().imports(engine.inner()) {
        let interface = name.to_owned();
        let (path, version) = name.split_once('@').unwrap_or((name, ""));
        let ComponentItem::ComponentInstance(instance) = &item.ty else {
            missing.push(interface);
            continue;
        };
        // A component imports the names of types that it uses; nobody has to give it anything.
        let only_types = instance.exports(engine.inner()).all(|(_, item)| matches!(item.ty, ComponentItem::Type(_)));
        let linked = match path {
            _ if only_types => true,
            TYPES | HOST => true,
            CLIENT => granted.client,
            CHANGES => granted.changes.is_some(),
            EVENTS => granted.events.is_some(),
            HTTP => granted.http.is_some(),
            SQL => granted.sql.is_some(),
            KEYVALUE => granted.keyvalue.is_some(),
            SECRETS => granted.secrets.is_some(),
            _ if caps::config::INTERFACES.contains(&name) => granted.config.is_some(),
            _ if caps::log::INTERFACES.contains(&name) => true,
            _ if WASI_HTTP.contains(&path) => granted.http.is_some() && version.starts_with("0.2."),
            _ => EMPTY_WASI.iter().any(|wasi| path.starts_with(wasi)),
        };
        if !linked {
            missing.push(interface);
        }
    }
    MissingImports(missing)
}

/// Refuses what was built against another version of the contract.
pub(super) fn check_versions(engine: &Engine, component: &Component) -> Result<(), ImportError> {
    let ty = component.component_type();
    let imports = ty.imports(engine.inner()).map(|(name, _)| ("imports", name));
    let exports = ty.exports(engine.inner()).map(|(name, _)| ("exports", name));
    let other = |name: &str| name.starts_with(OURS) && !name.split_once('@').is_some_and(|(_, version)| version.starts_with(OURS_VERSION));
    match imports.chain(exports).find(|(_, name)| other(name)) {
        Some((verb, name)) => Err(ImportError::OtherVersion { verb, interface: name.to_owned() }),
        None => Ok(()),
    }
}

/// Before the pool refuses it at every call, with a message that names the limit.
pub(super) fn check_size(engine: &Engine, component: &Component) -> Result<(), ImportError> {
    let limits = engine.limits();
    let Some(needs) = component.resources_required() else { return Ok(()) };
    let too_large = |what: &str, limit: &str| Err(ImportError::TooLarge(format!("the component declares {what}; the limit is {limit}")));
    let initial = needs.max_initial_memory_size.unwrap_or(0);
    if initial > limits.guest_memory_bytes_max as u64 {
        let limit = format!("{} bytes (guest_memory_bytes_max)", limits.guest_memory_bytes_max);
        return too_large(&format!("{initial} bytes of initial memory"), &limit);
    }
    if needs.num_memories > limits.memories_max {
        return too_large(&format!("{} memories", needs.num_memories), &format!("{} (memories_max)", limits.memories_max));
    }
    if needs.num_tables > limits.tables_max {
        return too_large(&format!("{} tables", needs.num_tables), &format!("{} (tables_max)", limits.tables_max));
    }
    let elements = needs.max_initial_table_size.unwrap_or(0);
    if elements > limits.table_elements_max as u64 {
        return too_large(&format!("a table of {elements} elements"), &format!("{} (table_elements_max)", limits.table_elements_max));
    }
    Ok(())
}
