//! What is in a component, before anybody grants it anything.

use super::catalog::Catalog;
use super::folder;
use crate::caps::budget::CallTag;
use crate::clock::Clock;
use crate::grants::MissingImports;
use crate::ids::{CallRef, PluginName, RevisionId, TenantId};
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::runtime::{CodeCache, Engine, Exported, Sources, Specimen};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;

/// What is in a component.
pub struct Inspection {
    /// The name that a plugin of this file would have.
    pub name: PluginName,
    /// Its size.
    pub bytes: usize,
    /// Its digest.
    pub revision: RevisionId,
    /// What it imports.
    pub imports: Vec<Import>,
    /// What it exports.
    pub exports: Vec<Exported>,
    /// A manifest that grants what it needs, as far as it can be granted.
    pub manifest: String,
    /// What it offers, or why that cannot be said.
    pub offers: Result<Catalog, String>,
    /// What of it cannot be offered, and why.
    pub skipped: Vec<String>,
}

/// One import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The interface with its version.
    pub interface: String,
    /// The section of the manifest that grants it; none when it is there anyway, or cannot be granted.
    pub grant: Option<String>,
    /// Why no manifest can grant it.
    pub not_offered: Option<String>,
}

/// Looks at a component's file: compiles it, and asks it to describe itself in a sandbox where nothing is granted. The error says what
/// the file is instead.
pub async fn inspect(engine: &Engine, limits: &Arc<Limits>, file: &Path) -> Result<Inspection, String> {
    let (path, its_limits) = (file.to_owned(), Arc::clone(limits));
    let read = tokio::task::spawn_blocking(move || {
        let component = folder::read_component(&path, &its_limits)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok::<_, String>((folder::wit_beside(folder, &its_limits), component))
    });
    let (wit, component) = read.await.map_err(|error| error.to_string())??;
    let (bytes, revision) = (component.len(), RevisionId(Sha256::digest(&component).into()));
    let sources = Sources::new(wit, &component);
    let compiled = CodeCache::none(engine).compile(revision, component).await.map_err(|error| error.to_string())?;
    let specimen = Specimen::new(engine, &compiled, Clock::system(), sources)?;
    let name = name_of(file)?;
    let tag = CallTag { reference: CallRef::next(), tenant: TenantId::local(), plugin: name.clone() };
    let described = specimen.describe(tag, limits.describe_cpu_time_max, limits.describe_wall_time_max).await;
    let offers = match described {
        Ok(catalog) => Catalog::check(catalog, name.as_str(), &format!("{name}_"), |export| specimen.has(export), limits),
        Err(error) => Err(format!("its catalog could not be read: {error}")),
    };
    Ok(Inspection {
        manifest: manifest(&name, file, &specimen.missing),
        name,
        bytes,
        revision,
        imports: specimen.imports().into_iter().map(|interface| import(interface, &specimen.missing)).collect(),
        skipped: specimen.skipped().to_vec(),
        offers,
        exports: specimen.exports,
    })
}

fn import(interface: String, missing: &MissingImports) -> Import {
    if !missing.0.contains(&interface) {
        return Import { interface, grant: None, not_offered: None };
    }
    let one = MissingImports(vec![interface.clone()]);
    let grant = one.manifest_lines().lines().next().map(str::to_owned);
    let not_offered = one.not_offered().into_iter().next().map(|(_, reason)| reason);
    Import { interface, grant, not_offered }
}

/// The name of a plugin, made of a file's.
fn name_of(file: &Path) -> Result<PluginName, String> {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let legal = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' };
    let name: String = stem.chars().map(legal).skip_while(|c| !c.is_ascii_lowercase()).take(48).collect();
    PluginName::parse(name.trim_end_matches('-')).or_else(|_| PluginName::parse("plugin")).map_err(|error| error.to_string())
}

/// A manifest to paste. It is one that can be read.
fn manifest(name: &PluginName, file: &Path, missing: &MissingImports) -> String {
    let mut text = format!("name = \"{name}\"\n");
    let component = file.file_name().unwrap_or_default().to_string_lossy();
    let with_component = format!("{text}component = \"{component}\"\n");
    if component != format!("{name}.wasm") && Manifest::parse(&with_component, "").is_ok() {
        text = with_component;
    }
    for (interface, reason) in missing.not_offered() {
        text += &format!("\n# {interface}: {}\n", reason.replace('\n', " "));
    }
    let lines = missing.manifest_lines();
    if !lines.is_empty() {
        text += &format!("\n{lines}\n");
    }
    text
}
