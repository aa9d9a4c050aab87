//! What a plugin says about itself: `plugin.toml`, written by its author and accepted by whoever drops it in. Pure: text in, `Manifest`
//! out. Nothing is expanded (`${...}` is just text), and a field that this version does not enforce is unknown to it.

mod config;
mod document;
mod error;
mod events;
mod findings;
#[cfg(test)]
pub(crate) mod golden;
mod http;
mod keys;
mod nesting;
mod secret_text;
mod secrets;
mod sections;
mod storage;
mod suggest;
#[cfg(test)]
mod tests;
mod values;
mod webhooks;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use self::config::config_values;
pub(crate) use self::document::{Document, Field, Table};
pub use self::error::{DocumentError, Place};
pub use self::events::WantedTopic;
pub(crate) use self::findings::{Consequences, all as all_findings};
pub use self::http::{Host, HostPattern, Method, Pattern, Scheme};
pub use self::http::{WantedCache, WantedHeader, WantedHttp, WantedRetry, belongs_to_the_host};
pub(crate) use self::http::{check_path, split_port};
pub(crate) use self::keys::{SHAPE, capabilities};
pub(crate) use self::secret_text::SECRET_NAME;
pub use self::secret_text::{BadSecretText, Part, SecretText, parse_template};
pub use self::secrets::WantedSecret;
pub(crate) use self::sections::{Key, Kind, Section, Shape};
pub use self::storage::{WantedFolder, WantedKeyValue};
pub(crate) use self::suggest::{closest, listed};
pub(crate) use self::values::{DATABASE_NAME, duration_text, hidden, is_database_name, quoted, size_text};
pub use self::webhooks::{SIGNATURE_HEADER, Signature, TIMESTAMP_HEADER, WantedWebhook};
use crate::ids::PluginName;
use crate::limits::Limits;

/// A manifest was refused.
pub type ManifestError = DocumentError;

/// What a plugin says about itself and asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// What messages call the file; empty when there is none.
    pub file: String,
    /// The plugin's name.
    pub name: PluginName,
    /// The author's version; only shown.
    pub version: Option<String>,
    /// What the plugin is; only shown.
    pub description: Option<String>,
    /// The component, as a path from the manifest's folder down.
    pub component: PathBuf,
    /// What stands before the names of the plugin's tools; may be empty.
    pub prefix: String,
    /// How the component is built.
    pub build: Option<Build>,
    /// The limits that it sets itself.
    pub limits: WantedLimits,
    /// What it can be told, with its own defaults.
    pub config: BTreeMap<String, String>,
    /// `[cache]` `stale_if_error`: how old an answer may be that is given when its handler fails; none when there is to be none.
    pub stale_if_error: Option<Duration>,
    /// What it asks for.
    pub grants: WantedGrants,
}

/// How a component is built from its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// The command line, run in the manifest's folder.
    pub command: String,
    /// Files and folders whose changes call for another build.
    pub watch: Vec<String>,
}

/// The limits that a manifest sets. They hold as far as they are lower than the operator's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WantedLimits {
    /// `memory`: linear memory of one call.
    pub memory_bytes_max: Option<usize>,
    /// `timeout`: time on the wall of one call.
    pub wall_time_max: Option<Duration>,
    /// `cpu`: processor time of one call.
    pub cpu_time_max: Option<Duration>,
    /// `output`: JSON text of one result.
    pub output_bytes_max: Option<usize>,
    /// `concurrency`: calls at the same time.
    pub concurrency_max: Option<usize>,
}

/// What a manifest asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WantedGrants {
    /// Every capability that it names, and where.
    pub asked: BTreeMap<String, Place>,
    /// `[grants.client]`: progress and log messages to the client of a call.
    pub client: bool,
    /// `[grants.changes]`: reports that lists and resources changed.
    pub changes: bool,
    /// `[grants.events]`: the topics that it publishes under itself.
    pub events: Vec<WantedTopic>,
    /// `[grants.http]`: requests to others.
    pub http: Option<WantedHttp>,
    /// Databases, by the operator's names for them.
    pub sql: BTreeMap<String, WantedSql>,
    /// Keys and values of its own.
    pub keyvalue: Option<WantedKeyValue>,
    /// Folders, by the operator's names for them.
    pub files: BTreeMap<String, WantedFolder>,
    /// `[grants.secrets]`: the secrets that it wants to read.
    pub secrets: Vec<WantedSecret>,
    /// Topics that others publish to by signed requests.
    pub webhooks: Vec<WantedWebhook>,
}

/// A database that a manifest asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedSql {
    /// What it wants to do there.
    pub access: Access,
    /// Rows of one result.
    pub rows_max: Option<u32>,
    /// `timeout`: time of one statement.
    pub statement_time_max: Option<Duration>,
    /// Where it asks.
    pub place: Place,
}

/// What a plugin may do in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Look.
    Read,
    /// Look, and change data.
    Write,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

const ACCESS: &[(&str, Access)] = &[("read", Access::Read), ("write", Access::Write)];

/// The longest version that is shown.
const VERSION_CHARS_MAX: usize = 64;

/// A memory of WebAssembly grows by pages of this size, so none is smaller.
pub(crate) const MEMORY_PAGE_BYTES: usize = 64 << 10;

/// No time limit is finer than the clock that guests see.
pub(crate) const TIME_MIN: Duration = Duration::from_millis(1);

impl Manifest {
    /// The manifest of a component that has none: default limits and no grants.
    #[must_use]
    pub fn bare(name: PluginName) -> Self {
        Self {
            file: String::new(),
            version: None,
            description: None,
            component: PathBuf::from(format!("{name}.wasm")),
            prefix: format!("{name}_"),
            build: None,
            limits: WantedLimits::default(),
            config: BTreeMap::new(),
            stale_if_error: None,
            grants: WantedGrants::default(),
            name,
        }
    }

    /// Reads a manifest. `file` is what messages call it.
    pub fn parse(text: &str, file: &str) -> Result<Self, ManifestError> {
        Self::read(&Document::parse(text, file, &SHAPE)?, file)
    }

    /// Reads a manifest to find everything that is wrong with it: what the reader says, and then `accept`, which looks at what it asks for.
    pub fn examine(text: &str, file: &str, accept: impl Fn(&Self) -> Result<(), ManifestError>) -> Result<Self, Vec<ManifestError>> {
        let document = Document::parse(text, file, &SHAPE).map_err(|error| vec![error])?;
        findings::all(document, &[], |document| {
            let manifest = Self::read(document, file)?;
            accept(&manifest)?;
            Ok(manifest)
        })
    }

    fn read(document: &Document<'_>, file: &str) -> Result<Self, ManifestError> {
        let root = document.root()?;
        let mut manifest = Self { file: file.to_owned(), ..Self::bare(name(&root)?) };
        manifest.version = root.get("version").map(|field| version(&field)).transpose()?;
        manifest.description = root.get("description").map(|field| description(&field)).transpose()?;
        if let Some(field) = root.get("component") {
            manifest.component = component(&field)?;
        }
        if let Some(field) = root.get("prefix") {
            manifest.prefix = prefix(&field)?;
        }
        manifest.build = root.section("build")?.map(|table| build(&table)).transpose()?;
        if let Some(table) = root.section("limits")? {
            manifest.limits = limits(&table)?;
        }
        if let Some(table) = root.section("config")? {
            manifest.config = config_values(&table)?;
        }
        if let Some(table) = root.section("cache")? {
            let field = table.require("stale_if_error", "stale_if_error = \"10m\"")?;
            manifest.stale_if_error = Some(field.duration(TIME_MIN..=Duration::MAX)?);
        }
        if let Some(table) = root.section("grants")? {
            manifest.grants = grants(&table)?;
        }
        Ok(manifest)
    }
}

fn name(root: &Table<'_>) -> Result<PluginName, ManifestError> {
    let field = root.require("name", "name = \"tickets\" at the top of the file")?;
    let expected = "1 to 48 of a-z, 0-9 and -, beginning with a letter";
    let text = field.raw_text(expected)?;
    PluginName::parse(text).map_err(|_| {
        let near = PluginName::parse(&text.trim().to_lowercase().replace([' ', '_', '.'], "-"));
        field.wrong(expected).with_help_if(near.ok().map(|near| format!("write \"{near}\"")))
    })
}

fn version(field: &Field<'_>) -> Result<String, ManifestError> {
    let text = field.text("a text such as \"1.2.0\"")?;
    if text.chars().count() > VERSION_CHARS_MAX {
        return Err(field
            .error(&format!("can have at most {VERSION_CHARS_MAX} characters"))
            .with_help("write it shorter: it is only shown"));
    }
    Ok(text.to_owned())
}

fn description(field: &Field<'_>) -> Result<String, ManifestError> {
    let expected = "a text such as \"Finds tickets\"";
    let text = field.raw_text(expected)?;
    let bytes_max = Limits::default().description_bytes_max;
    if text.len() > bytes_max {
        return Err(field.error(&format!("is longer than {bytes_max} bytes")).with_help("write it shorter: it is only shown"));
    }
    match hidden(&text.replace(['\n', '\r', '\t'], " ")) {
        Some(c) => Err(field.error(&format!("has the invisible character {}", c.escape_unicode())).with_help("take it out")),
        None => Ok(text.to_owned()),
    }
}

fn component(field: &Field<'_>) -> Result<PathBuf, ManifestError> {
    let expected = "a path inside the plugin's folder such as \"target/tickets.wasm\"";
    values::component_path(field.text(expected)?).map_err(|why| field.wrong(expected).with_help(why))
}

fn prefix(field: &Field<'_>) -> Result<String, ManifestError> {
    let expected = "0 to 48 of A-Z, a-z, 0-9, _, . and -";
    let text = field.raw_text(expected)?;
    if values::is_prefix(text) { Ok(text.to_owned()) } else { Err(field.wrong(expected)) }
}

fn build(table: &Table<'_>) -> Result<Build, ManifestError> {
    let expected = "a command line such as \"cargo build --release\"";
    let command = table.require("command", "command = \"cargo build --release --target wasm32-wasip2\"")?;
    let command = command.text(expected)?.to_owned();
    let expected = "a list of files and folders such as [\"src\"]";
    let watch = table.get("watch").map(|field| field.list(expected)).transpose()?.unwrap_or_default();
    let watch = watch.iter().map(|field| Ok(field.text("paths such as \"src\"")?.to_owned())).collect::<Result<_, _>>()?;
    Ok(Build { command, watch })
}

fn limits(table: &Table<'_>) -> Result<WantedLimits, ManifestError> {
    let size = |key, least| table.get(key).map(|field| field.size(least..=usize::MAX)).transpose();
    let time = |key| table.get(key).map(|field| field.duration(TIME_MIN..=Duration::MAX)).transpose();
    let concurrency = table.get("concurrency").map(|field| field.count()).transpose()?;
    Ok(WantedLimits {
        memory_bytes_max: size("memory", MEMORY_PAGE_BYTES)?,
        wall_time_max: time("timeout")?,
        cpu_time_max: time("cpu")?,
        output_bytes_max: size("output", 1)?,
        concurrency_max: concurrency.and_then(|count| usize::try_from(count).ok()),
    })
}

fn grants(table: &Table<'_>) -> Result<WantedGrants, ManifestError> {
    let mut sql = BTreeMap::new();
    if let Some(databases) = table.section("sql")? {
        for (field, database) in databases.named_sections()? {
            if !is_database_name(field.key()) {
                return Err(field.at_key(format!("{} is not a database name", quoted(field.key()))).with_help(DATABASE_NAME));
            }
            sql.insert(field.key().to_owned(), wanted_sql(&field, &database)?);
        }
    }
    let asked = table.fields().iter().map(|field| (field.key().to_owned(), field.place())).collect();
    let (client, changes) = (table.section("client")?.is_some(), table.section("changes")?.is_some());
    let events = table.section("events")?.map(|table| events::wanted_topics(&table)).transpose()?.unwrap_or_default();
    let secrets = table.section("secrets")?.map(|table| secrets::wanted_secrets(&table)).transpose()?.unwrap_or_default();
    let (keyvalue, files) = (storage::key_value(table)?, storage::folders(table)?);
    let http = table.section("http")?.map(|table| http::wanted_http(&table)).transpose()?;
    let webhooks = table.section("webhooks")?.map(|table| webhooks::wanted_webhooks(&table)).transpose()?.unwrap_or_default();
    Ok(WantedGrants { asked, client, changes, events, http, sql, keyvalue, files, secrets, webhooks })
}

fn wanted_sql(field: &Field<'_>, table: &Table<'_>) -> Result<WantedSql, ManifestError> {
    let access = table.require("access", "access = \"read\" or access = \"write\"")?;
    Ok(WantedSql {
        access: access.choice(ACCESS).map_err(|error| error.or_help("\"write\" includes \"read\""))?,
        rows_max: table.get("rows_max").map(|field| field.count()).transpose()?,
        statement_time_max: table.get("timeout").map(|field| field.duration(TIME_MIN..=Duration::MAX)).transpose()?,
        place: field.place(),
    })
}
