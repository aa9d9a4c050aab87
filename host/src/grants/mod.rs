//! What a plugin really gets: what its manifest asks for, within what the operator offers, and the lower of every limit. Pure.

mod ceiling;
mod effective;
mod events;
pub mod http;
mod imports;
mod missing;
mod secrets;
mod storage;
#[cfg(test)]
mod tests;
mod webhooks;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

pub use self::ceiling::Ceiling;
pub use self::effective::{Effective, Whose, effective, over_granted};
pub use self::events::check_offered;
pub use self::http::HttpGrant;
pub use self::imports::missing_import_help;
pub use self::missing::MissingImports;
pub use self::secrets::SecretsGrant;
pub use self::storage::{FolderGrant, KeyValueGrant, OfferedFolder};
pub use self::webhooks::WebhookGrant;
use crate::limits::{CallLimits, Limits};
pub use crate::manifest::{Access, Signature};
use crate::manifest::{DocumentError, Manifest, WantedGrants, WantedSql, closest, listed, quoted};
use crate::topics::TopicPattern;

/// A manifest asks for something that the operator does not offer.
pub type GrantError = DocumentError;

/// What runs a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Engine {
    /// SQLite, in a file of the host.
    Sqlite,
    /// PostgreSQL, a server.
    Postgresql,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "sqlite",
            Self::Postgresql => "postgresql",
        })
    }
}

/// What the operator offers to plugins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offered {
    /// The databases, by the operator's names for them.
    pub databases: BTreeMap<String, Engine>,
    /// The most that any manifest can be granted.
    pub ceiling: Ceiling,
    /// The secrets, by the operator's names for them.
    pub secrets: BTreeMap<String, OfferedSecret>,
    /// The folders, by the operator's names for them.
    pub folders: BTreeMap<String, OfferedFolder>,
    /// What the operator tells plugins, by their names.
    pub config: BTreeMap<String, BTreeMap<String, String>>,
    /// Ranges of addresses that plugins may reach although they are not public.
    pub private: Vec<ipnet::IpNet>,
    /// The operator's limits.
    pub limits: Limits,
}

/// Who may have a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OfferedSecret {
    /// The hosts that a header with it may go to, in lower case; none: every host that a plugin is granted.
    pub hosts: Option<Vec<String>>,
    /// Whether a plugin may be granted to read it.
    pub reveal: bool,
}

/// What a plugin may use. What is not in here is not linked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Progress and log messages to the client of a call.
    pub client: bool,
    /// Reports that lists and resources changed.
    pub changes: bool,
    /// Topics that it publishes under itself, by their names in its catalog.
    pub events: Vec<TopicPattern>,
    /// Requests to others.
    pub http: Option<HttpGrant>,
    /// Databases, by the operator's names for them.
    pub sql: BTreeMap<String, SqlGrant>,
    /// Keys and values of its own.
    pub keyvalue: Option<KeyValueGrant>,
    /// Folders, by the operator's names for them.
    pub files: BTreeMap<String, FolderGrant>,
    /// Secrets that it reads itself.
    pub secrets: SecretsGrant,
    /// What it is told: its own values, with the operator's in their places.
    pub config: BTreeMap<String, String>,
    /// Topics that others publish to by signed requests.
    pub webhooks: Vec<WebhookGrant>,
}

/// A database that a plugin may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlGrant {
    /// What it may do there.
    pub access: Access,
    /// Rows of one result.
    pub rows_max: u32,
    /// Time of one statement.
    pub statement_time_max: Duration,
}

impl Grants {
    /// What the manifest asks for, if the operator offers all of it.
    pub fn resolve(manifest: &Manifest, offered: &Offered) -> Result<Self, GrantError> {
        offered.ceiling.check(manifest)?;
        let mut sql = BTreeMap::new();
        for (database, wanted) in &manifest.grants.sql {
            if !offered.databases.contains_key(database) {
                return Err(unknown_database(manifest, database, wanted, offered));
            }
            sql.insert(database.clone(), SqlGrant::within(wanted, &offered.limits));
        }
        let keyvalue = manifest.grants.keyvalue.as_ref().map(|wanted| KeyValueGrant::within(wanted, &offered.limits));
        let files = storage::folders(manifest, offered)?;
        let (secrets, config) = (secrets::secrets(manifest, offered)?, secrets::config(manifest, offered)?);
        let WantedGrants { client, changes, .. } = manifest.grants;
        let http = manifest.grants.http.as_ref().map(|wanted| HttpGrant::resolve(manifest, wanted, offered)).transpose()?;
        let events = events::topics(manifest)?;
        let webhooks = webhooks::webhooks(manifest, offered)?;
        Ok(Self { client, changes, events, http, sql, keyvalue, files, secrets, config, webhooks })
    }

    /// Each grant in a few words, such as `sql main (read)`.
    #[must_use]
    pub fn summary(&self) -> Vec<String> {
        let plain = [("client", self.client), ("changes", self.changes)];
        let plain = plain.into_iter().filter(|(_, granted)| *granted).map(|(name, _)| name.to_owned());
        let sql = self.sql.iter().map(|(database, grant)| format!("sql {database} ({})", grant.access));
        let keyvalue = self.keyvalue.iter().map(|grant| format!("keyvalue ({})", grant.access));
        let files = self.files.iter().map(|(folder, grant)| format!("files {folder} ({})", grant.access));
        let revealed = self.secrets.reveal.iter().map(|name| format!("secret {name} (reveal)"));
        let config = (!self.config.is_empty()).then(|| "config".to_owned());
        let topics: Vec<_> = self.events.iter().map(TopicPattern::as_str).collect();
        let plain = plain.chain((!topics.is_empty()).then(|| format!("events ({})", topics.join(", "))));
        let plain = plain.chain(self.http.iter().flat_map(HttpGrant::summary));
        let webhooks = self.webhooks.iter().map(WebhookGrant::summary);
        plain.chain(sql).chain(keyvalue).chain(files).chain(revealed).chain(config).chain(webhooks).collect()
    }
}

impl SqlGrant {
    fn within(wanted: &WantedSql, limits: &Limits) -> Self {
        Self {
            access: wanted.access,
            rows_max: lower(wanted.rows_max, limits.sql_rows_max),
            statement_time_max: lower(wanted.statement_time_max, limits.sql_statement_time_max),
        }
    }
}

/// The limits of one call: of each the lower, the manifest's or the operator's.
#[must_use]
pub fn call_limits(manifest: &Manifest, limits: &Limits) -> CallLimits {
    let (wanted, host) = (&manifest.limits, limits.call());
    CallLimits {
        memory_bytes_max: lower(wanted.memory_bytes_max, host.memory_bytes_max),
        cpu_time_max: lower(wanted.cpu_time_max, host.cpu_time_max),
        wall_time_max: lower(wanted.wall_time_max, host.wall_time_max),
        output_bytes_max: lower(wanted.output_bytes_max, host.output_bytes_max),
        concurrency_max: lower(wanted.concurrency_max, host.concurrency_max),
    }
}

fn lower<T: Ord>(wanted: Option<T>, host: T) -> T {
    match wanted {
        Some(wanted) => wanted.min(host),
        None => host,
    }
}

fn unknown_database(manifest: &Manifest, database: &str, wanted: &WantedSql, offered: &Offered) -> GrantError {
    let names: Vec<_> = offered.databases.keys().map(|name| quoted(name)).collect();
    let known = match names.as_slice() {
        [] => "cofferdam.toml names none".to_owned(),
        [one] => format!("cofferdam.toml names only {one}"),
        names => format!("cofferdam.toml names {}", listed(names, "and")),
    };
    let near = closest(database, offered.databases.keys().map(String::as_str));
    let near = near.map(|near| format!("did you mean [grants.sql.{near}]? If not, ")).unwrap_or_default();
    let message = format!("[grants.sql.{database}] asks for a database that the operator does not offer: {known}");
    let help = format!(
        "{near}the operator adds it to cofferdam.toml: [databases.{database}] with engine = \"{}\" and path = \"{database}.db\"",
        Engine::Sqlite
    );
    DocumentError::at(&manifest.file, wanted.place, message).about(format!("grants.sql.{database}")).with_help(help)
}
