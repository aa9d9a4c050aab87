//! The operator's document, `cofferdam.toml`: where to listen, who may call, which databases there are, which limits hold. Without one,
//! everything has a safe default for one machine.

mod databases;
mod egress;
mod hosts;
mod keys;
mod read;
mod secrets;
mod storage;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

pub use self::databases::{Database, Login, PostgresServer, ServerHost, SqliteFile};
pub use self::egress::Egress;
pub use self::hosts::{AllowedHost, AllowedOrigin};
pub(crate) use self::keys::SHAPE;
pub use self::secrets::NamedSecret;
pub use self::storage::{Folder, KeyValueConfig, KeyValueStore};
pub use crate::grants::Engine;
use crate::grants::{Ceiling, Offered, OfferedFolder};
use crate::limits::Limits;
use crate::manifest::DocumentError;
use crate::secrets::SecretSource;

/// A configuration was refused.
pub type ConfigError = DocumentError;

/// The configuration that is looked for when none is named.
pub const FILE: &str = "cofferdam.toml";

/// Everything that the operator decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where this was read; none when it is the default.
    pub file: Option<PathBuf>,
    /// The folder of the plugins.
    pub plugins: PathBuf,
    /// The folder for what the host keeps: the code cache, and its own state.
    pub state: PathBuf,
    /// Where the host listens.
    pub listen: Listen,
    /// Who may call over HTTP.
    pub http: Http,
    /// What plugins may reach beside public addresses.
    pub egress: Egress,
    /// The databases, by the names that manifests ask for.
    pub databases: BTreeMap<String, Database>,
    /// The most that any manifest can be granted.
    pub ceiling: Ceiling,
    /// The secrets, by the names that manifests and this document have for them.
    pub secrets: BTreeMap<String, NamedSecret>,
    /// The folders, by the names that manifests ask for.
    pub folders: BTreeMap<String, Folder>,
    /// Where keys and values are kept.
    pub keyvalue: KeyValueConfig,
    /// What plugins are told, by their names: texts in the place of those of their manifests.
    pub config: BTreeMap<String, BTreeMap<String, String>>,
    /// Where the records of tasks are kept.
    pub tasks: Tasks,
    /// Every limit: the host's own, with the operator's in their places.
    pub limits: Limits,
    /// What is logged, and how.
    pub log: Log,
}

/// Where the host listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// MCP and plain HTTP.
    pub http: SocketAddr,
    /// Health and metrics.
    pub admin: SocketAddr,
}

/// Who may call over HTTP, beside loopback.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Http {
    /// Names that clients may call the host by. Never empty when it listens to others than this machine.
    pub allowed_hosts: Vec<AllowedHost>,
    /// Origins whose web pages may call.
    pub allowed_origins: Vec<AllowedOrigin>,
    /// `legacy_sse`: whether the transport of 2024-11-05, with its two endpoints, is served as well.
    pub legacy_sse: bool,
}

/// Where the records of tasks are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tasks {
    /// What keeps them.
    pub store: TaskStore,
}

/// What keeps the records of tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskStore {
    /// A file in the folder for what the host keeps: results are still there after a restart.
    Sqlite,
    /// The process, for as long as it runs.
    Memory,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Levels by target, as `tracing_subscriber::EnvFilter` reads them; it has been read once.
    pub filter: String,
    /// One line for people, or one JSON object.
    pub format: LogFormat,
}

/// How a record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object on a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            file: None,
            plugins: PathBuf::from("plugins"),
            state: PathBuf::from(".cofferdam"),
            listen: Listen { http: (Ipv4Addr::LOCALHOST, 8484).into(), admin: (Ipv4Addr::LOCALHOST, 8485).into() },
            http: Http::default(),
            egress: Egress::default(),
            databases: BTreeMap::new(),
            ceiling: Ceiling::default(),
            secrets: BTreeMap::new(),
            folders: BTreeMap::new(),
            keyvalue: KeyValueConfig { store: KeyValueStore::Sqlite },
            config: BTreeMap::new(),
            tasks: Tasks { store: TaskStore::Sqlite },
            limits: Limits::default(),
            log: Log { filter: "info".to_owned(), format: LogFormat::Text },
        }
    }
}

impl Config {
    /// Reads the configuration: the one at `path`, which has to exist; else `cofferdam.toml` in the current folder; else the default.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let file = path.unwrap_or_else(|| Path::new(FILE));
        match text(file, path.is_some())? {
            Some(text) => Self::parse(&text, file),
            None => Ok(Self::default()),
        }
    }

    /// The same, to find everything that is wrong with it.
    pub fn examine(path: Option<&Path>) -> Result<Self, Vec<ConfigError>> {
        let file = path.unwrap_or_else(|| Path::new(FILE));
        match text(file, path.is_some()).map_err(|error| vec![error])? {
            Some(text) => read::findings(&text, file),
            None => Ok(Self::default()),
        }
    }

    /// Reads the text of a configuration. Its relative paths begin at the folder of `file`.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        read::config(text, file)
    }

    /// Every limit, with the operator's in their places.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits.clone()
    }

    /// The key of `[limits]` that sets a row of the table of limits, if there is one: `guest_memory` for `guest_memory_bytes_max`.
    #[must_use]
    pub fn limit_key(row: &str) -> Option<&'static str> {
        let sections = SHAPE.sections.iter().filter(|section| section.name == "limits");
        let mut known = sections.flat_map(|section| section.keys).map(|key| key.name);
        known.find(|key| row.strip_prefix(key).is_some_and(|unit| matches!(unit, "_max" | "_bytes_max")))
    }

    /// The file of the tasks' records, where they are kept in one.
    #[must_use]
    pub fn tasks_file(&self) -> PathBuf {
        self.state.join("tasks.db")
    }

    /// Where the secrets are.
    #[must_use]
    pub fn secret_sources(&self) -> BTreeMap<String, SecretSource> {
        self.secrets.iter().map(|(name, secret)| (name.clone(), secret.source.clone())).collect()
    }

    /// The file of keys and values, where they are kept in one.
    #[must_use]
    pub fn keyvalue_file(&self) -> PathBuf {
        self.state.join("keyvalue.db")
    }

    /// What the host trusts, where no plugin may come: folders, the configuration itself, and the files that it names.
    #[must_use]
    pub fn kept(&self) -> Vec<PathBuf> {
        let named = storage::named(self).into_iter().map(|(_, path)| path);
        [&self.plugins, &self.state].into_iter().chain(&self.file).chain(named).cloned().collect()
    }

    /// What manifests can ask for.
    #[must_use]
    pub fn offered(&self) -> Offered {
        let databases = self.databases.iter().map(|(name, database)| (name.clone(), database.engine()));
        let secrets = self.secrets.iter().map(|(name, secret)| (name.clone(), secret.offered.clone()));
        let folders = self.folders.iter().map(|(name, folder)| (name.clone(), OfferedFolder { write: folder.write }));
        Offered {
            databases: databases.collect(),
            folders: folders.collect(),
            secrets: secrets.collect(),
            config: self.config.clone(),
            private: self.egress.private.clone(),
            ceiling: self.ceiling.clone(),
            limits: self.limits(),
        }
    }
}

/// The text of a configuration; none when there need not be one, and there is none.
fn text(file: &Path, needed: bool) -> Result<Option<String>, ConfigError> {
    let shown = file.display().to_string();
    let opened = match File::open(file) {
        // A link to nowhere is not the same as no file.
        Err(error) if !needed && error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(file).is_err() => return Ok(None),
        opened => opened,
    };
    let bytes_max = Limits::default().manifest_bytes_max;
    // One byte more than fits, so that what is too large is seen to be.
    let most = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    opened
        .and_then(|opened| opened.take(most).read_to_end(&mut bytes))
        .map_err(|error| ConfigError::whole(&shown, format!("the configuration cannot be read: {error}")))?;
    if bytes.len() > bytes_max {
        return Err(ConfigError::too_large(&shown, bytes_max));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(error) => Err(read::not_utf8(error.as_bytes(), error.utf8_error().valid_up_to(), &shown)),
    }
}
