//! Where plugins keep things: the key-value store, and the folders that manifests can ask for.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::{Config, ConfigError, Database};
use crate::manifest::{DATABASE_NAME, Field, Table, is_database_name, quoted};
use crate::secrets::SecretSource;

/// Where keys and values are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValueConfig {
    /// What keeps them.
    pub store: KeyValueStore,
}

/// What keeps keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyValueStore {
    /// A file in the folder for what the host keeps: they are still there after a restart.
    Sqlite,
    /// The process, for as long as it runs.
    Memory,
}

/// A folder that manifests can ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// Whether plugins may write there.
    pub write: bool,
}

const STORES: &[(&str, KeyValueStore)] = &[("sqlite", KeyValueStore::Sqlite), ("memory", KeyValueStore::Memory)];

/// What the kernel shows as files: whoever opens there does more than read and write.
const SYSTEM: [&str; 3] = ["/proc", "/sys", "/dev"];

pub(super) fn key_value(table: &Table<'_>, default: &KeyValueConfig) -> Result<KeyValueConfig, ConfigError> {
    let store = table.get("store").map(|field| field.choice(STORES)).transpose()?;
    Ok(KeyValueConfig { store: store.unwrap_or(default.store) })
}

/// Reads `[folders]`. Needs to know where everything else is.
pub(super) fn folders(table: &Table<'_>, config: &Config, base: &Path) -> Result<BTreeMap<String, Folder>, ConfigError> {
    let mut folders: BTreeMap<String, Folder> = BTreeMap::new();
    for (field, table) in table.named_sections()? {
        if !is_database_name(field.key()) {
            return Err(field.at_key(format!("{} is not a folder's name", quoted(field.key()))).with_help(DATABASE_NAME));
        }
        let path = table.require("path", &format!("path = \"data/{}\"", field.key()))?;
        let folder = Folder {
            path: folder_path(&path, config, base)?,
            write: table.get("write").map(|field| field.flag()).transpose()?.unwrap_or(false),
        };
        if let Some((other, _)) = folders.iter().find(|(_, other)| overlap(&other.path, &folder.path)) {
            let message = format!("overlaps the folder {}: what one grant allows there, the other may not", quoted(other));
            return Err(path.error(&message).with_help("name folders that are beside each other, or one for both"));
        }
        folders.insert(field.key().to_owned(), folder);
    }
    Ok(folders)
}

fn folder_path(field: &Field<'_>, config: &Config, base: &Path) -> Result<PathBuf, ConfigError> {
    let expected = "a folder such as \"data/docs\"";
    let text = field.text(expected)?;
    if text.starts_with('~') {
        return Err(field.wrong(expected).with_help("~ is not expanded: write the folder in full"));
    }
    if text.contains("://") || text.starts_with("file:") {
        return Err(field.wrong(expected).with_help("write a path, not a URL"));
    }
    if Path::new(text).components().any(|part| part == Component::ParentDir) {
        return Err(field.wrong(expected).with_help("\"..\" is not followed: write where the folder is"));
    }
    let path = plain(&base.join(text));
    if path.parent().is_none() && path.is_absolute() {
        return Err(field.error("cannot be the root of the file system").with_help("name the one folder that plugins need"));
    }
    if let Some(system) = SYSTEM.iter().find(|system| path.starts_with(system)) {
        return Err(field.error(&format!("cannot be in {system}: those are no files")).with_help("name a folder with ordinary files"));
    }
    let own = if base.as_os_str().is_empty() { Path::new(".") } else { base };
    if plain(own).starts_with(&path) {
        let help = "name a folder in it: a plugin that reads the configuration, or writes it, is its own operator";
        return Err(field.error("cannot be the folder of this file, or one above it").with_help(help));
    }
    for (what, taken) in [("plugins folder", &config.plugins), ("state folder", &config.state)] {
        if overlap(&plain(taken), &path) {
            let help = format!("name another folder: a plugin there would see or change what the host trusts in its {what}");
            return Err(field.error(&format!("overlaps the {what}")).with_help(help));
        }
    }
    if let Some((what, _)) = named(config).iter().find(|(_, taken)| overlap(&plain(taken), &path)) {
        let help = "name a folder of its own: a plugin there would see or change what the host trusts";
        return Err(field.error(&format!("overlaps {what}")).with_help(help));
    }
    Ok(path)
}

/// The files that the configuration names and the host trusts, and what they are.
pub(super) fn named(config: &Config) -> Vec<(String, &PathBuf)> {
    let mut named = Vec::new();
    for (name, database) in &config.databases {
        let keys = match database {
            Database::Sqlite(file) => {
                vec![("path", Some(&file.path)), ("init", file.init.as_ref()), ("migrations", file.migrations.as_ref())]
            }
            Database::Postgresql(server) => vec![("ca", server.ca.as_ref())],
        };
        let given = keys.into_iter().filter_map(|(key, path)| Some((format!("\"{key}\" of [databases.{name}]"), path?)));
        named.extend(given);
    }
    named.extend(config.egress.ca.as_ref().map(|ca| ("\"ca\" of [egress]".to_owned(), ca)));
    for (name, secret) in &config.secrets {
        if let SecretSource::File(path) = &secret.source {
            named.push((format!("\"file\" of [secrets.{name}]"), path));
        }
    }
    named
}

fn overlap(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// Without `.` in it, so that one folder has one text. Links are looked at when the folder is opened.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}
