//! One linker per binding, with what was granted and nothing else: what is not granted is not linked, and the component does not load.

use super::engine::Engine;
use super::store::{CallState, Caps};
use crate::caps;
use crate::caps::changes::ChangesCap;
use crate::caps::config::ConfigCap;
use crate::caps::http::HttpCap;
use crate::caps::log::LogRate;
use crate::caps::secrets::SecretsCap;
use crate::caps::sql::SqlCap;
use crate::grants::missing_import_help;
use std::sync::Arc;
use wasmtime::component::{Component, InstancePre, Linker, types::ComponentItem};

/// Packages of our contract that this host speaks.
const OURS: &str = "cofferdam:mcp/";
const OURS_VERSION: &str = "0.1.";
/// Types only: nothing to grant.
const TYPES: &str = "cofferdam:mcp/types";
/// Given to every guest.
const HOST: &str = "cofferdam:mcp/host";
const CLIENT: &str = "cofferdam:mcp/client";
const CHANGES: &str = "cofferdam:mcp/changes";
const HTTP: &str = "cofferdam:mcp/http";
const SQL: &str = "cofferdam:mcp/sql";
const SECRETS: &str = "cofferdam:mcp/secrets";
/// The standard interfaces of the grant of requests.
const WASI_HTTP: [&str; 2] = ["wasi:http/types", "wasi:http/outgoing-handler"];
/// WASI packages that are linked, with nothing in them.
const EMPTY_WASI: [&str; 6] = ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];

/// Why a component cannot be linked.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It imports something that it was not granted.
    #[error("the component imports {interface}, which it was not granted{}", .help.as_ref().map_or(". This host does not offer it".to_owned(), |help| format!(". {help}")))]
    NotGranted {
        /// The interface with its version.
        interface: String,
        /// What to do about it.
        help: Option<String>,
    },
    /// It was built against another contract.
    #[error("the component imports {interface}; this host speaks cofferdam:mcp@0.1.x: rebuild it against that version")]
    OtherVersion {
        /// The interface with its version.
        interface: String,
    },
    /// An import has the right name and another type.
    #[error("the component does not fit the contract: {0}")]
    Mismatch(String),
    /// It wants more than any component may have.
    #[error("{0}")]
    TooLarge(String),
}

/// A component that is ready to be instantiated with what it was granted.
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
    /// `cofferdam:mcp/http` and `wasi:http/outgoing-handler`.
    pub http: Option<Arc<HttpCap>>,
    /// `cofferdam:mcp/sql`.
    pub sql: Option<SqlCap>,
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
    check_imports(engine, component, &granted)?;
    let Granted { client, changes, http, sql, secrets, config, log_rate } = granted;
    let caps = Arc::new(Caps { client, changes, http, sql, secrets, config, log_rate });
    let linker = linker(engine, &caps).map_err(|error| ImportError::Mismatch(format!("{error:#}")))?;
    let pre = linker.instantiate_pre(component).map_err(|error| ImportError::Mismatch(format!("{error:#}")))?;
    Ok(Linked { engine: engine.clone(), pre, caps })
}

fn linker(engine: &Engine, caps: &Caps) -> wasmtime::Result<Linker<CallState>> {
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
    if caps.http.is_some() {
        caps::http::link(&mut linker, CallState::http)?;
        caps::http::link_wasi(&mut linker, CallState::wasi_http)?;
    }
    if caps.sql.is_some() {
        caps::sql::link(&mut linker, CallState::sql)?;
    }
    if caps.secrets.is_some() {
        caps::secrets::link(&mut linker, CallState::secrets)?;
    }
    if caps.config.is_some() {
        caps::config::link(&mut linker, CallState::config)?;
    }
    Ok(linker)
}

fn check_imports(engine: &Engine, component: &Component, granted: &Granted) -> Result<(), ImportError> {
    for (name, item) in component.component_type().imports(engine.inner()) {
        let interface = name.to_owned();
        let (path, version) = name.split_once('@').unwrap_or((name, ""));
        let ComponentItem::ComponentInstance(instance) = &item.ty else {
            let help = Some("Plugins import interfaces, not single functions".to_owned());
            return Err(ImportError::NotGranted { interface, help });
        };
        if path.starts_with(OURS) && !version.starts_with(OURS_VERSION) {
            return Err(ImportError::OtherVersion { interface });
        }
        // A component imports the names of types that it uses; nobody has to give it anything.
        let only_types = instance.exports(engine.inner()).all(|(_, item)| matches!(item.ty, ComponentItem::Type(_)));
        let linked = match path {
            _ if only_types => true,
            TYPES | HOST => true,
            CLIENT => granted.client,
            CHANGES => granted.changes.is_some(),
            HTTP => granted.http.is_some(),
            SQL => granted.sql.is_some(),
            _ if WASI_HTTP.contains(&path) => granted.http.is_some() && version.starts_with("0.2."),
            SECRETS => granted.secrets.is_some(),
            _ if caps::config::INTERFACES.contains(&name) => granted.config.is_some(),
            _ if caps::log::INTERFACES.contains(&name) => true,
            _ => EMPTY_WASI.iter().any(|wasi| path.starts_with(wasi)),
        };
        if !linked {
            return Err(ImportError::NotGranted { interface, help: missing_import_help(name) });
        }
    }
    Ok(())
}

/// Before the pool refuses it at every call, with a message that names the limit.
fn check_size(engine: &Engine, component: &Component) -> Result<(), ImportError> {
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
