//! Looking at a component that nobody has granted anything: what it imports, what it exports, what it says that it offers.
//!
//! Its description has to be run, and a component can be run only when every import is there. For this one run, and for nothing else,
//! what would not be linked is a function that traps: there is no way from here to a call.

use super::engine::Engine;
use super::guest::{Export, Guest};
use super::imports::{self, Granted, ImportError, Linked};
use super::plain::Sources;
use super::store::{Caps, GuestError};
use crate::caps::budget::CallTag;
use crate::clock::Clock;
use crate::grants::MissingImports;
use crate::wit::exports::cofferdam::mcp::catalog;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::types::{ComponentInstance, ComponentItem};
use wasmtime::component::{Component, Linker, ResourceType};
use wasmtime_wasi::p2::bindings::io;

/// A component under the glass.
pub struct Specimen {
    guest: Arc<Guest>,
    /// What it exports.
    pub exports: Vec<Exported>,
    /// What it imports and a plugin without grants does not get.
    pub missing: MissingImports,
}

/// One export of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Its name, with its version: an interface, or a function of the component itself.
    pub name: String,
    /// The functions of an interface.
    pub functions: Vec<String>,
}

impl Specimen {
    /// Links a component with what every plugin has, and with traps for the rest.
    pub fn new(engine: &Engine, component: &Component, clock: Clock, sources: Sources) -> Result<Self, String> {
        imports::check_size(engine, component).map_err(|error| error.to_string())?;
        imports::check_versions(engine, component).map_err(|error| error.to_string())?;
        let missing = imports::missing(engine, component, &Granted::default());
        let linked = link(engine, component, &missing).map_err(|error| error.to_string())?;
        let guest = Arc::new(Guest::new(linked, clock, sources)?);
        Ok(Self { guest, exports: exports(engine, component), missing })
    }

    /// The interfaces that it imports, with their versions.
    #[must_use]
    pub fn imports(&self) -> Vec<String> {
        self.guest.imports()
    }

    /// Whether it exports this interface.
    #[must_use]
    pub fn has(&self, export: Export) -> bool {
        self.guest.has(export)
    }

    /// What of it cannot be offered, and why.
    #[must_use]
    pub fn skipped(&self) -> &[String] {
        self.guest.skipped()
    }

    /// What it says that it offers.
    pub async fn describe(&self, tag: CallTag, cpu_time_max: Duration, wall_time_max: Duration) -> Result<catalog::Catalog, GuestError> {
        self.guest.describe(tag, cpu_time_max, wall_time_max).await
    }
}

fn link(engine: &Engine, component: &Component, missing: &MissingImports) -> Result<Linked, ImportError> {
    let mismatch = |error: wasmtime::Error| ImportError::Mismatch(format!(": {error:#}"));
    let mut linker = imports::linker(engine, &Caps::default()).map_err(mismatch)?;
    for (name, item) in component.component_type().imports(engine.inner()) {
        if missing.0.iter().any(|missing| missing == name) {
            trap_instead(engine, &mut linker, name, &item.ty).map_err(mismatch)?;
        }
    }
    let pre = linker.instantiate_pre(component).map_err(|error| imports::misfit(engine, component, &error))?;
    Ok(Linked { engine: engine.clone(), pre, caps: Arc::default() })
}

/// A way to fail for every function of an import.
fn trap_instead<T: 'static>(engine: &Engine, linker: &mut Linker<T>, name: &str, item: &ComponentItem) -> wasmtime::Result<()> {
    match item {
        ComponentItem::ComponentFunc(_) => linker.root().func_new(name, trap(name.to_owned())),
        ComponentItem::ComponentInstance(instance) => trap_functions(engine, linker, name, instance),
        _ => Ok(()),
    }
}

fn trap_functions<T: 'static>(
    engine: &Engine,
    linker: &mut Linker<T>,
    interface: &str,
    instance: &ComponentInstance,
) -> wasmtime::Result<()> {
    let mut stub = linker.instance(interface)?;
    for (name, item) in instance.exports(engine.inner()) {
        match item.ty {
            ComponentItem::ComponentFunc(_) => stub.func_new(name, trap(format!("{interface}#{name}")))?,
            ComponentItem::Resource(_) => stub.resource(name, resource(interface, name), |_, _| Ok(()))?,
            _ => {}
        }
    }
    Ok(())
}

fn trap<T>(
    name: String,
) -> impl Fn(
    wasmtime::StoreContextMut<'_, T>,
    wasmtime::component::types::ComponentFunc,
    &[wasmtime::component::Val],
    &mut [wasmtime::component::Val],
) -> wasmtime::Result<()>
+ Send
+ Sync
+ 'static {
    move |_, _, _, _| Err(wasmtime::format_err!("it calls {name}, which it was not granted, to describe itself"))
}

/// Interfaces that are not linked may use the streams of WASI, which are, under the same names; all else is a resource of nobody's.
fn resource(interface: &str, name: &str) -> ResourceType {
    match name {
        _ if !interface.starts_with("wasi:") => ResourceType::host::<()>(),
        "input-stream" => ResourceType::host::<io::streams::InputStream>(),
        "output-stream" => ResourceType::host::<io::streams::OutputStream>(),
        "pollable" => ResourceType::host::<io::poll::Pollable>(),
        "error" | "io-error" => ResourceType::host::<io::error::Error>(),
        _ => ResourceType::host::<()>(),
    }
}

fn exports(engine: &Engine, component: &Component) -> Vec<Exported> {
    let exported = |(name, item): (&str, wasmtime::component::types::ComponentExtern)| {
        let functions = match &item.ty {
            ComponentItem::ComponentFunc(_) => Vec::new(),
            ComponentItem::ComponentInstance(instance) => {
                let functions = instance.exports(engine.inner()).filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_)));
                functions.map(|(name, _)| name.to_owned()).collect()
            }
            _ => return None,
        };
        Some(Exported { name: name.to_owned(), functions })
    };
    component.component_type().exports(engine.inner()).filter_map(exported).collect()
}
