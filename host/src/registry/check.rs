//! Everything that can be said about plugins without serving them: `load` stops at the first thing that is wrong with a plugin, which is
//! all that a host needs to know; whoever wrote it wants to know the rest as well.

use super::folder::{self, Entry};
use super::load::{Loader, PluginReport, State};
use super::snapshot::Snapshot;
use crate::grants::Grants;
use crate::manifest::{Build, DocumentError, Manifest, closest};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Files that are looked at to find the newest source.
const SOURCES_MAX: usize = 10_000;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It is not loaded.
    Error,
    /// It is loaded, and is probably not what was meant.
    Warning,
}

/// Something to say about a plugin or a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, and what to do.
    pub message: String,
    /// Where in a document, if it is about one.
    pub document: Option<DocumentError>,
}

impl Finding {
    /// About something else than a document.
    #[must_use]
    pub fn new(severity: Severity, message: impl Into<String>) -> Self {
        Self { severity, message: message.into(), document: None }
    }
}

impl From<DocumentError> for Finding {
    fn from(error: DocumentError) -> Self {
        Self { severity: Severity::Error, message: error.to_string(), document: Some(error) }
    }
}

/// One plugin, checked.
#[derive(Debug, Clone)]
pub struct Checked {
    /// What loading it gave.
    pub report: PluginReport,
    /// The errors, and then the warnings.
    pub findings: Vec<Finding>,
}

/// There is no such plugin to be loaded.
#[derive(Debug, thiserror::Error)]
pub enum NoPlugin {
    /// The folder cannot be read.
    #[error("{0}")]
    Folder(#[from] std::io::Error),
    /// It has no plugin of that name.
    #[error("there is no plugin {name:?} in {folder}{}", near.as_ref().map_or_else(String::new, |near| format!("; did you mean {near:?}?")))]
    Unknown {
        /// The name.
        name: String,
        /// The folder.
        folder: String,
        /// A name that is close to it.
        near: Option<String>,
    },
}

impl Loader {
    /// Checks the plugin at `path`, or every plugin of the folder there. The second value is about the folder as a whole.
    pub async fn check(self: &Arc<Self>, path: &Path) -> std::io::Result<(Vec<Checked>, Vec<Finding>)> {
        let (entries, strangers) = match folder::entry(path) {
            Some(entry) => (vec![entry], Vec::new()),
            None => (folder::entries(path)?, folder::strangers(path)?),
        };
        let (_, reports) = self.load_entries(entries.clone()).await;
        let mut findings: Vec<_> =
            strangers.into_iter().map(|(name, what)| Finding::new(Severity::Warning, format!("{name}: {what}"))).collect();
        let mut wanted_at_once = 0;
        let mut all = Vec::new();
        for report in reports {
            let entry = entries.iter().find(|entry| entry.name == report.name);
            let (manifest, errors) = entry.map_or((None, Vec::new()), |entry| self.examine(entry));
            wanted_at_once += manifest.as_ref().and_then(|manifest| manifest.limits.concurrency_max).unwrap_or(0);
            all.push(checked(report, entry, manifest.as_ref(), errors));
        }
        let most = self.limits.tenant_calls_max;
        if wanted_at_once > most {
            let text =
                format!("the plugins ask for {wanted_at_once} calls at the same time in all; the host runs {most} (tenant_calls_max)");
            findings.push(Finding::new(Severity::Warning, text));
        }
        Ok((all, findings))
    }

    /// Loads the plugin of this name, and no other.
    pub async fn load_named(self: &Arc<Self>, folder: &Path, name: &str) -> Result<(Snapshot, PluginReport), NoPlugin> {
        let entries = folder::entries(folder)?;
        let named: Vec<_> = entries.iter().filter(|entry| entry.name == name).take(1).cloned().collect();
        let (snapshot, reports) = self.load_entries(named).await;
        let unknown = || NoPlugin::Unknown {
            name: name.to_owned(),
            folder: folder.display().to_string(),
            near: closest(name, entries.iter().map(|entry| entry.name.as_str())).map(str::to_owned),
        };
        let report = reports.into_iter().next().ok_or_else(unknown)?;
        Ok((snapshot, report))
    }

    /// Everything that is wrong with a manifest, and what it asks for.
    fn examine(&self, entry: &Entry) -> (Option<Manifest>, Vec<Finding>) {
        let Ok(Some((shown, text))) = folder::manifest_text(entry, &self.limits) else { return (None, Vec::new()) };
        let accept = |manifest: &Manifest| Grants::resolve(manifest, &self.offered).map(drop);
        match Manifest::examine(&text, &shown, accept) {
            Ok(manifest) => (Some(manifest), Vec::new()),
            Err(errors) => (None, errors.into_iter().map(Finding::from).collect()),
        }
    }
}

fn checked(report: PluginReport, entry: Option<&Entry>, manifest: Option<&Manifest>, errors: Vec<Finding>) -> Checked {
    let mut findings = errors;
    let mut warnings = Vec::new();
    match &report.state {
        State::Refused { reason } if findings.is_empty() => findings.push(Finding::new(Severity::Error, reason)),
        State::Refused { .. } => {}
        State::Loaded { skipped, over_granted, .. } => {
            warnings.extend(over_granted.iter().cloned());
            warnings.extend(skipped.iter().map(|reason| format!("not offered: {reason}")));
        }
    }
    if let (Some(entry), Some(manifest)) = (entry, manifest) {
        warnings.extend(about_manifest(entry, manifest));
    }
    findings.extend(warnings.into_iter().map(|text| Finding::new(Severity::Warning, text)));
    Checked { report, findings }
}

fn about_manifest(entry: &Entry, manifest: &Manifest) -> Vec<String> {
    let mut warnings = Vec::new();
    if manifest.description.is_none() {
        warnings.push(format!("{}: the plugin has no description; write description = \"...\" at the top", manifest.file));
    }
    let built = fs::metadata(entry.path.join(&manifest.component)).and_then(|metadata| metadata.modified()).ok();
    if let (Some(build), Some(built)) = (&manifest.build, built)
        && let Some(source) = newer_source(&entry.path, build, built)
    {
        let (component, source) = (manifest.component.display(), source.display());
        warnings.push(format!("{component} is older than {source}; build it again: {}", build.command));
    }
    warnings
}

/// A source that was changed after the component was built. Links are not followed.
fn newer_source(folder: &Path, build: &Build, built: SystemTime) -> Option<PathBuf> {
    let mut waiting: Vec<PathBuf> = build.watch.iter().map(PathBuf::from).collect();
    for _ in 0..SOURCES_MAX {
        let path = waiting.pop()?;
        let Ok(metadata) = fs::symlink_metadata(folder.join(&path)) else { continue };
        if metadata.is_dir() {
            let entries = fs::read_dir(folder.join(&path)).into_iter().flatten().flatten();
            waiting.extend(entries.map(|entry| path.join(entry.file_name())));
        } else if metadata.is_file() && metadata.modified().is_ok_and(|modified| modified > built) {
            return Some(path);
        }
    }
    None
}
